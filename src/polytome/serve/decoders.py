"""Images are decoded in separate processes, each of which is ended and replaced when it takes too
long.

A thread cannot be stopped, and a few megabytes can make a decoder work for an hour. Here a request
that is abandoned, for whatever reason, ends its process too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.serve.decoding import READY
from polytome.serve.exchange import Refusal

__all__ = ["Decoders"]

_log = logging.getLogger("polytome.serve")
_SECRETS = ("POLYTOME_TOKEN",)


class Decoders:
    """A few processes that turn images into the form that a model wants; see
    `polytome.tables.images.training_form`.

    Args:
        processes: the number of processes.
        places: the most images that are being decoded or are waiting.
        seconds: for one image; a large photograph takes two.
    """

    def __init__(self, processes: int = 2, places: int = 16, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._free_places = places
        self._turn = asyncio.Semaphore(processes)
        self._all: set[Process] = set()
        self._idle: list[Process] = []

    async def start(self) -> None:
        """Start a process before it is needed: to load what it needs takes it a second."""
        self._idle.append(await self._new())

    async def form(self, image: bytes, shape: tuple[int, int], full: float) -> NDArray[Any]:
        """The form of an image.

        Args:
            image: the bytes of a file.
            shape: height and width of the training images.
            full: the value of full ink in them.

        Raises:
            DataError: the image is blank, damaged, or takes too long.
            Refusal: every place is taken.
        """
        if self._free_places == 0:
            raise Refusal(503, "the server is busy with images; try again", [("Retry-After", "1")])
        self._free_places -= 1
        try:
            async with self._turn:
                return await self._decoded(image, shape, full)
        finally:
            self._free_places += 1

    async def close(self) -> None:
        """End all processes."""
        for process in [*self._all]:
            await self._end(process)

    async def _decoded(self, image: bytes, shape: tuple[int, int], full: float) -> NDArray[Any]:
        """Let a process decode; anything that prevents its answer ends it."""
        process = self._idle_one() or await self._new()
        done = False
        try:
            async with asyncio.timeout(self._seconds):
                answer, pixels = await _ask(process, image, shape, full)
            done = True
        except TimeoutError:
            _log.warning("a process for images was ended: an image took it more than %g seconds", self._seconds)
            words = f"image: takes longer than {self._seconds:g} seconds to decode; save it smaller, as a plain PNG"
            raise DataError(words) from None
        except (asyncio.IncompleteReadError, ValueError, OSError):  # it crashed
            _log.warning("a process for images ended by itself, and is replaced")
            raise DataError("image: its decoder failed; save it again, as a plain PNG") from None
        finally:
            if done:
                self._idle.append(process)
            else:
                await asyncio.shield(self._end(process))
        if "error" in answer:
            raise DataError(answer["error"])
        return np.frombuffer(pixels, answer["type"]).reshape(shape)

    async def _new(self) -> Process:
        """A new process: spawned, not forked, so that it shares nothing with this one."""
        known = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        path = os.pathsep.join(entry for entry in sys.path if entry)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", "from polytome.serve.decoding import work; work()"),
                stdin=PIPE,
                stdout=PIPE,
                env={**known, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the server, which lets it finish
            )
        except OSError as error:  # the system has no more processes, files or memory
            raise _no_process(error.strerror or "") from None
        self._all.add(process)
        ready = False
        try:
            assert process.stdout is not None
            ready = await process.stdout.readline() == READY
        finally:
            if not ready:
                await asyncio.shield(self._end(process))
        if not ready:
            raise _no_process("it ended before it was ready")
        return process

    def _idle_one(self) -> Process | None:
        """A process that waits for work; one that the system has ended is forgotten."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._all.discard(process)
        return None

    async def _end(self, process: Process) -> None:
        """End a process and forget it."""
        self._all.discard(process)
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def _no_process(reason: str) -> Refusal:
    """The answer to a client when there is no process for its image; the log says why."""
    _log.error("%s", f"a process for images cannot be started: {reason}")
    return Refusal(503, "the server cannot decode images now; try again later", [("Retry-After", "5")])


async def _ask(process: Process, image: bytes, shape: tuple[int, int], full: float) -> tuple[dict[str, Any], bytes]:
    """One question and its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    question = {"shape": [int(side) for side in shape], "full": float(full), "bytes": len(image)}
    process.stdin.write(json.dumps(question).encode() + b"\n" + image)
    await process.stdin.drain()
    line = await process.stdout.readline()
    answer: dict[str, Any] = json.loads(line)  # of nothing: ValueError
    return answer, await process.stdout.readexactly(answer.get("bytes", 0))
