"""Who works where: small requests at once, large ones in a few threads beside, so that none of them waits for another.

Most requests hold one row and are answered in less time than a change of threads takes. A large one would keep all
others waiting, so it goes to a thread; of these there are few, and whoever comes when all places are taken is asked to
come again rather than queued without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from polytome.serve.exchange import Refusal

Result = TypeVar("Result")

__all__ = ["Desk"]


class Desk:
    """Runs functions here or in a thread.

    Args:
        threads: that work at the same time.
        places: requests that may be in work or waiting for a thread.
    """

    def __init__(self, threads: int = 2, places: int = 16) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="polytome-serve")
        self._places = BoundedSemaphore(places)

    async def run(self, small: bool, work: Callable[[], Result]) -> Result:
        """Do some work: small work here and now, other work in a thread.

        Raises:
            Refusal: every place is taken.
        """
        if small:
            return work()
        if not self._places.acquire(blocking=False):
            raise Refusal(503, "the server is busy with large requests; try again", [("Retry-After", "1")])
        # A request whose time is up is given up, but its thread goes on: its place is free when the work has ended.
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
