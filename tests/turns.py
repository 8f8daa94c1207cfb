"""A queue whose writers go on once what they put in has been dealt with, so that work stops where a
test says, however busy the machine is."""

from __future__ import annotations

from queue import Queue
from typing import Any


class TurnQueue(Queue[Any]):
    """For `SimpleQueue`, where one thread reads: it has dealt with an item when it asks for the
    next."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self.join()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self.open:
            self.open = False
            self.task_done()
        item = super().get(block, timeout)
        self.open = True
        return item
