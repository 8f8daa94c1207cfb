"""How many threads work runs on, the rule that keeps results the same bits for any number, and what
threads share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from queue import Empty, SimpleQueue
from threading import Event, RLock, get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from polytome.errors import ArgumentError

if TYPE_CHECKING:
    from concurrent.futures import Future

Value = TypeVar("Value")

__all__ = ["available_threads", "kept", "one_blas_thread", "watch"]

_POLL_SECONDS = 0.05


def available_threads() -> int:
    """How many threads a pass may use: `POLYTOME_NUM_THREADS`, else `OMP_NUM_THREADS`, else the
    number of cores.

    joblib sets `OMP_NUM_THREADS` in its workers, so that they do not compete for the cores.

    Raises:
        ArgumentError: an environment variable is not a positive whole number.

    Example:
        >>> available_threads() >= 1
        True
    """
    for name in ("POLYTOME_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text:
            if not text.isdecimal() or int(text) < 1:
                raise ArgumentError(f"environment variable {name}={text!r}: needs a positive whole number")
            return int(text)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def kept(compute: Callable[[Any], Value]) -> Callable[[Any], Value]:
    """Below `property`: computed when first used, and kept.

    `functools.cached_property` of Python 3.11 holds a lock of its class meanwhile: threads with
    different objects wait for each other, and a process forked meanwhile waits forever. Here two
    threads may compute the same value; the first result is kept.

    Example:
        >>> class Circle:
        ...     @property
        ...     @kept
        ...     def area(self):
        ...         print("computed")
        ...         return 3
        >>> circle = Circle()
        >>> circle.area + circle.area
        computed
        6
    """
    name = f"_kept_{compute.__name__}"

    @wraps(compute)
    def value(self: Any) -> Value:
        found: Value = self.__dict__[name] if name in self.__dict__ else self.__dict__.setdefault(name, compute(self))
        return found

    return value


def watch(
    pending: Collection[Future[Any]], events: SimpleQueue[object], stop: Event, tell: Callable[[], object]
) -> None:
    """Waits for work in other threads. It is to stop once `tell` says so, or at Ctrl-C; at another
    Ctrl-C nothing is waited for.

    Args:
        pending: the work.
        events: what it puts in whenever a part of it is finished.
        stop: what it looks at to see whether it is to stop.
        tell: called for each event; a true return value stops.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> events, stop = SimpleQueue(), Event()
        >>> with ThreadPoolExecutor(1) as pool:
        ...     watch([pool.submit(events.put, None)], events, stop, lambda: True)
        >>> stop.is_set()
        True
    """
    while not all(future.done() for future in pending) or not events.empty():
        try:
            events.get(timeout=_POLL_SECONDS)
            if tell():
                stop.set()
        except Empty:
            pass
        except KeyboardInterrupt:
            if stop.is_set():
                raise
            stop.set()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which BLAS and LAPACK use one thread.

    Parallel work is divided into blocks of rows, whose sums are added in a fixed order. A BLAS that
    splits a product by its own number of threads could change the last bits, and two layers of
    threads would compete for the cores. Most count their threads for the whole process: that count
    is lowered for the first of contexts that overlap in time, whatever their threads, and given
    back after the last. MKL and OpenMP count for each thread.
    """
    thread = get_ident()
    _blas.lower(thread)
    try:
        yield
    finally:
        _blas.give_back(thread)


class _Blas:
    """The count of BLAS threads, and which threads of the process want it to be one."""

    def __init__(self) -> None:
        self.lock = RLock()  # held across a fork, so that a child never finds it taken nor a count half changed
        self.contexts: dict[int, int] = {}  # open ones, by thread
        self.own: dict[int, Any] = {}  # what restores the count of a thread
        self.common: Any = None  # what restores the count of the process

    def lower(self, thread: int) -> None:
        libraries, own_libraries = _libraries()
        with self.lock:
            if thread not in self.contexts:
                self.own[thread] = own_libraries.limit(limits=1)
            if not self.contexts:
                with _in_control():
                    self.common = libraries.limit(limits=1)
            self.contexts[thread] = self.contexts.get(thread, 0) + 1

    def give_back(self, thread: int) -> None:
        with self.lock:
            self.contexts[thread] -= 1
            if self.contexts[thread] == 0:
                del self.contexts[thread]
                self._restore_common()
                self.own.pop(thread).restore_original_limits()

    def forked(self) -> None:
        """In the child the other threads are gone, and their contexts with them."""
        here = get_ident()
        self.contexts = {thread: count for thread, count in self.contexts.items() if thread == here}
        self.own = {thread: limiter for thread, limiter in self.own.items() if thread == here}
        self._restore_common()
        self.lock.release()

    def _restore_common(self) -> None:
        if not self.contexts and self.common is not None:
            with _in_control():
                self.common.restore_original_limits()
            self.common = None


_blas = _Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_blas.lock.acquire, after_in_parent=_blas.lock.release, after_in_child=_blas.forked)


@contextmanager
def _in_control() -> Iterator[None]:
    """Newer releases of threadpoolctl let one thread at a time change OpenBLAS and ignores the
    others in silence."""
    import threadpoolctl

    control = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if control is not None:
        control(force=True)
    yield
    if control is not None:
        control(force=True)


@cache
def _libraries() -> tuple[Any, Any]:
    """The BLAS libraries now loaded, and those of them that count for each thread; found once, in
    milliseconds."""
    import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, so that it is found too)
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas")
    return libraries, libraries.select(internal_api="mkl", threading_layer="openmp")
