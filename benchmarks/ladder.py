"""Ladders: every method at smaller and smaller tolerances, until it has come as close to the
minimum as is asked.

What decides (which tolerance is next, when a ladder ends, which run counts) are pure functions of
the runs so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import Row, merged, run
from benchmarks.methods import OURS, Method
from benchmarks.references import Reference, suboptimality
from benchmarks.shapes import Shape, loosest

PATIENCE = 20.0  # seconds; what takes longer is run once
PATIENCE_WITH_SLOWER = 2.0  # times the seconds of the fastest peer so far
_SHORTEST_LIMIT = 5.0
_TIGHTEST = 1e-13
_UPWARDS = 50.0
_SMALL_BYTES = 1_000_000
_LARGE_BYTES = 32_000_000
_STEP = 10.0
_FAR = 1e5

Ladder = list[Row]


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        limit: seconds after which a fit is ended.
        repeats: runs, in all, of each method that counts.
        threads: numbers of threads that a peer is tried with on its first rung; None is its own
            choice, all cores.
    """

    limit: float = 60.0
    repeats: int = 3
    threads: tuple[int | None, ...] = (None,)


def threads_to_try(input_bytes: int) -> tuple[int | None, ...]:
    """One thread for small data, where all of them can be a hundred times slower; all for large;
    else both."""
    return (1,) if input_bytes < _SMALL_BYTES else (1, None) if input_bytes < _LARGE_BYTES else (None,)


def race(shape: Shape, folder: Path, entry: Reference, peers: list[Method], options: Options) -> list[Ladder]:
    """The ladders of ours and of the peers, then repeats of the runs that count."""
    limit, targets = options.limit, shape.targets
    ladders = [climb(folder, method, targets, entry, limit) for method in shape.ours]
    best = math.inf
    for peer in peers:
        patience = min(limit, max(_SHORTEST_LIMIT, PATIENCE_WITH_SLOWER * best))
        begun = [_judged(row, entry) for row in _first_rung(folder, peer, patience, options.threads)]
        ladders.append(climb(folder, Method(**begun[0]["method"]), targets, entry, patience, begun))
        counting = first_within(ladders[-1], targets[-1])
        best = best if counting is None else min(best, counting["seconds"])
    _repeat(folder, ladders, targets, options)
    return [sorted(ladder, key=_tolerance, reverse=True) for ladder in ladders]


def climb(
    folder: Path,
    method: Method,
    targets: tuple[float, ...],
    entry: Reference,
    limit: float,
    begun: Ladder | None = None,
) -> Ladder:
    """One method's runs; ends when `next_tolerance` has none, or when a peer's took longer than the
    limit in all."""
    ladder = list(begun or [_judged(run(folder, method.at(loosest(method)), limit), entry)])
    while ladder[-1]["status"] == "ok" and (_is_ours(ladder) or sum(row["seconds"] for row in ladder) <= limit):
        tol = next_tolerance(ladder, targets)
        if tol is None:
            break
        ladder.append(_judged(run(folder, method.at(tol), limit), entry))
    return ladder


def next_tolerance(ladder: Ladder, targets: tuple[float, ...]) -> float | None:
    """Which tolerance tells most, after those of the ladder; None when there is nothing more to
    learn.

    Ten times smaller (far from it, a hundred times) until the tightest target is met; ten times
    larger (twice at most) where even the largest so far met the loosest target; then half-way
    between a target's last miss and first hit. A ladder ends when every target has its run, when
    four runs in a row came no closer, or when no tolerance can be set.
    """
    if ladder[0]["method"]["tol"] is None:
        return None
    tolerances = sorted(map(_tolerance, ladder), reverse=True)
    if first_within(ladder, targets[-1]) is None:
        stalled = len(ladder) >= 4 and ladder[-1]["suboptimality"] >= 0.99 * ladder[-4]["suboptimality"]
        far = ladder[-1]["suboptimality"] > _FAR * targets[-1]
        smaller = _rounded(tolerances[-1] / (_STEP**2 if far else _STEP))
        return None if stalled or smaller < _TIGHTEST else smaller
    if _tolerance(first_within(ladder, targets[0])) == tolerances[0] < _UPWARDS * _tolerance(ladder[0]):
        return _rounded(tolerances[0] * _STEP)
    for target in targets:
        hit = _tolerance(first_within(ladder, target))
        misses = [tol for tol in tolerances if tol > hit]
        if misses and misses[-1] / hit > 0.9 * _STEP:
            return _rounded(math.sqrt(misses[-1] * hit))
    return None


def _rounded(tol: float) -> float:
    return float(f"{tol:.0e}")


def first_within(ladder: Ladder, target: float) -> Row | None:
    """The run with the largest tolerance among those that came within the target."""
    hits = [row for row in ladder if row["status"] == "ok" and row["suboptimality"] <= target]
    return max(hits, key=_tolerance, default=None)


def fastest_within(ladders: list[Ladder], target: float) -> Row | None:
    """Of the runs that count, one for each ladder, the one that took the fewest seconds."""
    counting = [row for ladder in ladders if (row := first_within(ladder, target)) is not None]
    return min(counting, key=lambda row: row["seconds"], default=None)


def ratio(ladders: list[Ladder], target: float, chosen: Callable[[Row], bool]) -> tuple[float, bool] | None:
    """How many times the seconds of ours, the first ladder, the fastest of the chosen peers needs
    to the target.

    Returns:
        The ratio and whether it was measured; where no chosen peer came within the target in the
        time that it had, that time counts, and the true ratio is larger. None where ours did not
        reach the target, or no peer ran.
    """
    ours = first_within(ladders[0], target)
    peers = [ladder for ladder in ladders if not _is_ours(ladder) and chosen(ladder[0])]
    if ours is None or not peers:
        return None
    best = fastest_within(peers, target)
    if best is not None:
        return best["seconds"] / ours["seconds"], True
    given = [seconds for ladder in peers if (seconds := max(map(_seconds_given, ladder))) > 0]
    return (min(given) / ours["seconds"], False) if given else None


def _seconds_given(row: Row) -> float:
    """How long a run took, or after how long it was ended; 0 for one that failed."""
    if row["status"] == "ok":
        return float(row["seconds"])
    return float(row["limit"]) if row["status"].startswith(">") else 0.0


def _judged(row: Row, entry: Reference) -> Row:
    if row["status"] == "ok":
        row["suboptimality"] = suboptimality(row["objective"], entry)
    return row


def _tolerance(row: Row | None) -> float:
    assert row is not None
    tol = row["method"]["tol"]
    return math.inf if tol is None else float(tol)


def _first_rung(folder: Path, peer: Method, limit: float, threads: tuple[int | None, ...]) -> Ladder:
    """The peer's first rung, with the number of threads that is the fastest there."""
    best: Row | None = None
    for count in threads if peer.n_jobs is None else (None,):
        known = best is not None and best["status"] == "ok"
        row = run(
            folder, replace(peer, tol=loosest(peer), threads=count), max(1.0, best["seconds"]) if known else limit
        )
        if best is None or (row["status"] == "ok" and row["seconds"] < best.get("seconds", math.inf)):
            best = row
    return [] if best is None else [best]


def _repeat(folder: Path, ladders: list[Ladder], targets: tuple[float, ...], options: Options) -> None:
    """Runs that may decide are made again in turns, ours and then each other's; medians take the
    place of the first."""
    again = runs_to_repeat(ladders, targets)
    runs = [[dict(row)] for row in again]
    for _ in range(options.repeats - 1):
        for mine in runs:
            mine.append(run(folder, Method(**mine[0]["method"]), options.limit))
    for row, mine in zip(again, runs, strict=True):
        row.update(merged(mine))


def runs_to_repeat(ladders: list[Ladder], targets: tuple[float, ...]) -> list[Row]:
    """Of the runs that count: ours, and those not much slower than the fastest peer's; none of many
    seconds."""
    chosen: dict[int, Row] = {}
    for target in targets:
        peers = [ladder for ladder in ladders if not _is_ours(ladder)]
        best = fastest_within(peers, target)
        slowest = math.inf if best is None else PATIENCE_WITH_SLOWER * best["seconds"]
        for ladder in ladders:
            row = first_within(ladder, target)
            if row is not None and row["seconds"] <= PATIENCE and (_is_ours(ladder) or row["seconds"] <= slowest):
                chosen[id(row)] = row
    return list(chosen.values())


def _is_ours(ladder: Ladder) -> bool:
    return bool(ladder[0]["method"]["library"] == OURS)
