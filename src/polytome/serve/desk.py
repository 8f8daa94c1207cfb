"""Where requests are handled: small ones at once, large ones in a few threads, so that small ones
do not wait.

Most requests hold one row and are answered in less time than switching threads takes. A large one
would keep all others waiting, so it goes to a thread. There are few threads, and when all places
are taken a request is told to try again, rather than queued without end.
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
        threads: the number of threads.
        places: the most requests that are being handled or wait for a thread.
    """

    def __init__(self, threads: int = 2, places: int = 16) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="polytome-serve")
        self._places = BoundedSemaphore(places)

    async def run(self, small: bool, work: Callable[[], Result]) -> Result:
        """Do some work: small work here, at once; other work in a thread.

        Raises:
            Refusal: every place is taken.
        """
        if small:
            return work()
        if not self._places.acquire(blocking=False):
            raise Refusal(503, "the server is busy with large requests; try again", [("Retry-After", "1")])
        # A request that times out is abandoned, but its thread continues: its place is free when
        # the work has ended.
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
