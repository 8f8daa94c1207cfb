"""How `polytome.verify` reaches its verdict: which witnesses it tries, and what contradicts a
certificate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from polytome.verification.ball_curvature import excess_by_curvature, least_of_the_rest
from polytome.verification.ball_newton import newton, zero_start
from polytome.verification.balls import BallProblem
from polytome.verification.exact_data import Ball, precision
from polytome.verification.findings import Verification
from polytome.verification.polish import polished, polished_with_corners

__all__ = ["BallCheck"]

Array = NDArray[Any]
Point = tuple[Ball, list[Ball]]

_PRECISIONS_IN_BITS = (128, 256, 512, 1024)
_STATED_NUMBER_ERROR = 1e-9  # the relative error that a stated number (not a bound) may have
_MAX_HESSIAN_COEFFICIENTS = 200  # the most coefficients for which a Hessian in balls is formed
_SHARES = (2.0**-20, 0.25)  # of the claimed gap: what may be left out as certain
_MAX_DIRECT_ENTRIES = 200_000  # entries of X times outputs: with fewer, floats are not tried first


class BallCheck:
    """A model with its problem, and what is known so far.

    `excess_lower` and `excess_upper` enclose the excess P - P*; without a penalty `nearest` and
    `farthest` the distance of the coefficients from the optimal ones.
    """

    def __init__(self, model: Any, problem: BallProblem, say: Callable[[str], None]) -> None:
        self.model, self.problem, self.say, self.claim = model, problem, say, model.certificate_
        # Bounds, too, give every dual point a value.
        self.penalised = math.isfinite(problem.C) or problem.bounds is not None
        self.has_rest = problem.l1_ratio > 0 or problem.bounds is not None
        coefficients = np.asarray(model.coef_, dtype=np.float64)
        self.given = coefficients, np.asarray(model.intercept_, dtype=np.float64).reshape(len(coefficients))
        self.point = _exact_point(*self.given)
        n_outputs, n_features = coefficients.shape
        self.is_small = n_outputs * (n_features + 1) <= _MAX_HESSIAN_COEFFICIENTS
        self.is_quick = problem.X.shape[0] * n_features * n_outputs <= _MAX_DIRECT_ENTRIES
        self.excess_lower, self.excess_upper = arb(0), arb("inf")
        self.nearest, self.farthest = arb(0), arb("inf")
        self.margin: Ball = None
        claimed = vars(model).get("proved_zero_")
        self.claimed_zeros = np.zeros(coefficients.T.shape, dtype=bool) if claimed is None else np.asarray(claimed).T
        self.doubtful_zeros = self.claimed_zeros.copy()
        self.witness, self.bits = "the model's own coefficients", _PRECISIONS_IN_BITS[0]

    def run(self) -> None:
        """Continue until the claimed gap is confirmed or refuted, or there is nothing left to
        try."""
        for bits in _PRECISIONS_IN_BITS:
            self.bits = bits
            with precision(bits):
                self._stage("the objective")
                self.value = self.problem.value(*self.point)
                self.null = self.problem.null()
                self.strength = self.problem.strength
                decided = self._separation() if self.claim.is_of_separation else self._bounds()
            if decided:
                return

    def _stage(self, name: str) -> None:
        began = time.perf_counter()

        def report(row: int, n_rows: int) -> None:
            seconds = time.perf_counter() - began
            remaining = f", {seconds * (n_rows - row) / row:.0f} s left in this pass" if row else ""
            self.say(f"{name}: {row:,} of {n_rows:,} rows, {self.bits} bits{remaining}")

        self.say(name)
        self.problem.progress = report

    # The gap -------------------------------------------------------------------------------------

    def _bounds(self) -> bool:
        """Whether these bits suffice."""
        decided = False
        if self.penalised and self.value.upper() < self.excess_upper:
            self.excess_upper, self.witness = self.value.upper(), "losses, which are not negative"
        for name, point, is_own in self._witnesses():
            there = self.value
            if not is_own:
                self._stage(f"the objective at {name}")
                there = self.problem.value(*point)
                self._raise_lower(self.value - there)
            if self.penalised or self.is_small:
                self._stage(f"the bound from {name}")
                lower_bound = self._lower_bound(point, there)
                if lower_bound < 0 and not lower_bound.is_finite():
                    continue  # this witness has no bound, or the curvature proves nothing here
                excess = self.value - lower_bound
                if not excess.is_finite() or excess.rad() > (abs(excess) + abs(arb(self._gap))) * arb(2) ** -20:
                    return False  # too much rounding: use more bits
                if excess < self.excess_upper:
                    self.excess_upper, self.witness = excess.upper(), name
            decided = bool(self.excess_upper <= self._gap or self.excess_lower > self._gap)
            if self.doubtful_zeros.any() and self.excess_lower <= self._gap:
                continue  # a better witness may prove the zeros too
            if decided and (self.penalised or self.farthest <= self._distance or self.nearest > self._distance):
                return True
        # More bits make a better witness of a small model only.
        return decided or not (self.claim.kind == "proof" and self.is_small)

    def _lower_bound(self, point: Point, there: Ball) -> Ball:
        """What no coefficients bring the objective below, as a witness with this objective proves
        it; with the zeros that it proves."""
        if self.penalised:
            dual = self.problem.dual_point(*point)
            if dual is None:
                return arb("-inf")
            least = self.problem.value_of(dual, min(self.value.upper(), there.upper()))
            multiple = self.problem.feasible_multiple(dual)
            if 0 < multiple < 1 and not self.value - least <= self._gap:
                shrunk = self.problem.dual_point(*point, multiple)
                if (
                    shrunk is not None
                    and (other := self.problem.value_of(shrunk, min(self.value.upper(), there.upper()))) > least
                ):
                    dual, least = shrunk, other
            excess = there - least
            if self.doubtful_zeros.any() and excess.is_finite():
                self.doubtful_zeros &= ~self.problem.zeros(dual, excess)
            return least
        excess, radius = excess_by_curvature(self.problem, *point)
        if radius.is_finite():
            away = self._away(point[0])
            self.farthest = min(self.farthest, (away + radius).upper())
            self.nearest = max(self.nearest, (away - radius).lower())
        if excess.is_finite():
            return self.problem.value(*point) - excess
        # Where classes are separated in part, what is certain of the rows adds next to nothing at a
        # good witness.
        rests = (least_of_the_rest(self.problem, *point, self._gap * share) for share in _SHARES)
        return max(rests, key=lambda ball: ball.lower() if ball.is_finite() else arb("-inf"))

    def _away(self, W: Ball) -> Ball:
        """The distance of the model's coefficients from others, in columns divided by their scale;
        of a softmax that of their differences, as a number added to all classes changes nothing."""
        squares = arb(0)
        for divisor, row in zip(self.problem.divisors, (self.point[0] - W).tolist(), strict=True):
            middle = sum(row, arb(0)) / len(row) if self.problem.softmax else 0
            squares += divisor**2 * sum(((entry - middle) ** 2 for entry in row), arb(0))
        return squares.sqrt()

    def _raise_lower(self, ball: Ball) -> None:
        if ball > self.excess_lower:
            self.excess_lower = ball.lower()

    def _witnesses(self) -> Iterator[tuple[str, Point, bool]]:
        """Coefficients to try, one after another; each starts from the best so far."""
        yield "the model's own coefficients", self.point, True
        start = self.point
        if self.has_rest:
            starts = [self.point]
            if (better := self._polished) is not None:
                starts.insert(0, better)
                yield "coefficients of proximal gradient steps", better, False
            for start in starts if self.is_small and self.problem.bounds is None else ():
                self._stage("Newton steps in balls")
                W, b, _ = newton(self.problem, *start, (self.value * arb(2) ** (-self.bits // 2)).mid())
                yield "coefficients of Newton steps in many digits", (W, b), False
            return
        if not (self.is_small and self.is_quick) and (better := self._polished) is not None:
            start = better
            yield "coefficients of further Newton steps", start, False
        if self.is_small:
            self._stage("Newton steps in balls")
            distance = (self.value * arb(2) ** (-self.bits // 2)).mid()
            starts = [start, zero_start(self.problem)] if self.penalised and self.is_quick else [start]
            for W, b in starts:
                W, b, _ = newton(self.problem, W, b, distance)
                yield "coefficients of Newton steps in many digits", (W, b), False

    @cached_property
    def _polished(self) -> Point | None:
        """The model's coefficients after further Newton steps in floats, until these no longer
        improve."""
        with np.errstate(all="ignore"):
            polish = polished_with_corners if self.has_rest else polished
            W, b = polish(self.problem, *self.given, self.say)
        return _exact_point(W, b) if np.isfinite(W).all() and np.isfinite(b).all() else None

    @property
    def _gap(self) -> Ball:
        return arb(float(self.claim.gap))

    @property
    def _distance(self) -> Ball:
        return arb(float(self.claim.distance))

    # Separation ---------------------------------------------------------------------------------

    def _separation(self) -> bool:
        """Whether the sign of every margin is known; then P is the excess, since growing
        coefficients bring it to 0."""
        self._stage("the margins")
        self.margin = self.problem.margin(*self.point)
        if self.margin.contains(0):
            return False
        if self.margin > 0:
            self.excess_lower, self.excess_upper = self.value.lower(), self.value.upper()
        else:
            self.excess_upper = arb("inf")
        return True

    # The verdict ---------------------------------------------------------------------------------

    def findings(self, seconds: float) -> Verification:
        """The verdict on the claimed gap and on the other numbers of the certificate."""
        with precision(self.bits):
            reasons = self._objections()
            verdict: Literal["confirmed", "refuted", "undecided"] = "refuted" if reasons else "confirmed"
            if not reasons and (self.claim.kind != "proof" or not self.excess_upper <= self._gap):
                verdict, reasons = "undecided", [self._doubt()]
            if not reasons and self.doubtful_zeros.any():
                of_all = f"{int(self.doubtful_zeros.sum()):,} of {int(self.claimed_zeros.sum()):,}"
                reasons = [f"{of_all} coefficients that are said to be 0 at every optimum could not be shown to be"]
                verdict = "undecided"
            modulus = self.strength * (1 - arb(float(self.problem.l1_ratio)))
            bound = self.farthest
            if self.penalised:
                bound = (2 * self.excess_upper / modulus).sqrt() if modulus > 0 else arb("inf")
            return Verification(
                verdict=verdict,
                reasons=tuple(reasons),
                kind=self.claim.kind,
                objective=float(self.value),
                claimed_objective=self.claim.objective,
                claimed_gap=self.claim.gap,
                excess_at_most=_above(self.excess_upper),
                excess_at_least=_below(self.excess_lower),
                null_objective=float(self.null),
                tol=self.claim.tol,
                coefficient_bound=_above(bound),
                claimed_zeros=int(self.claimed_zeros.sum()),
                confirmed_zeros=int((self.claimed_zeros & ~self.doubtful_zeros).sum()),
                margin=None if self.margin is None else float(self.margin),
                witness=self.witness,
                bits=self.bits,
                n_rows=int(self.problem.X.shape[0]),
                seconds=seconds,
            )

    def _objections(self) -> list[str]:
        """What is proved to be wrong with the certificate."""
        claim, gap, found = self.claim, self._gap, []
        lower, claimed_gap = _distinct(self.excess_lower, gap)
        excess = f"the objective is at least {lower} above its minimum"
        if claim.is_of_separation and self.margin is not None and self.margin < 0:
            found.append("the certificate says that the classes are separated, and a row lies on the wrong side")
        elif claim.kind == "proof" and self.excess_lower > gap:
            found.append(f"{excess}, and the certificate claims at most {claimed_gap}")
        elif claim.kind == "estimate" and claim.holds and self.excess_lower > max(gap, arb(claim.tol) * self.null):
            found.append(f"{excess}, more than the tolerance; the certificate estimated {claim.gap:.4g}")
        for j, (low, high) in enumerate(self.problem.bounds or []):
            if (past := (self.given[0][:, j] < low) | (self.given[0][:, j] > high)).any():
                k = int(np.argmax(past))
                found.append(
                    f"the coefficient of column {j} (output {k}) is {self.given[0][k, j]:g}, and its bounds are from "
                    f"{low:g} to {high:g}"
                )
        if claim.has_bounds != (self.problem.bounds is not None):
            found.append("the certificate and the settings differ in whether coefficients have bounds")
        if (self.given[0].T[self.claimed_zeros] != 0).any():
            column, output = np.argwhere(self.claimed_zeros & (self.given[0].T != 0))[0].tolist()
            found.append(
                f"the coefficient of column {column} (output {output}) is said to be 0 at every optimum, and it is "
                f"{self.given[0][output, column]:g}"
            )
        if not self.penalised and claim.kind == "proof" and self.nearest > self._distance:
            lower, claimed_gap = _distinct(self.nearest, self._distance)
            found.append(
                f"the coefficients are at least {lower} from the optimal ones, and the bound claims {claimed_gap}"
            )
        for name, claimed, true, slack in (
            ("objective", claim.objective, self.value, gap + _STATED_NUMBER_ERROR * self.value),
            ("objective of the null model", claim.null_objective, self.null, _STATED_NUMBER_ERROR * self.null),
            ("strength of the penalty", claim.strength, self.strength, _STATED_NUMBER_ERROR * self.strength),
            ("share of absolute values in the penalty", claim.l1_ratio, arb(float(self.problem.l1_ratio)), arb(0)),
        ):
            if abs(true - arb(float(claimed))) > slack:
                found.append(f"the {name} is {float(true):.10g}, and the certificate says {claimed:.10g}")
        return found

    def _doubt(self) -> str:
        """Why nothing is decided."""
        if self.claim.kind != "proof":
            proved = (
                f"here at most {_above(self.excess_upper):.2e} is proved"
                if self.excess_upper.is_finite()
                else "nothing is proved"
            )
            others = (
                f"; other coefficients are better by {_below(self.excess_lower):.2e}" if self.excess_lower > 0 else ""
            )
            return f"without a penalty the certificate is an estimate ({self.claim.gap:.1e}), and {proved}{others}"
        if self.claim.is_of_separation:
            return f"the sign of a margin cannot be decided with {self.bits} bits"
        upper, claimed = _distinct(self.excess_upper, self._gap)
        return (
            f"the objective is proved to be between {_below(self.excess_lower):.4g} and {upper} above its minimum, and "
            f"the certificate claims at most {claimed}"
        )


def _exact_point(coefficients: Array, intercepts: Array) -> Point:
    """Coefficients (m, d) and intercepts as balls of radius 0."""
    return arb_mat(coefficients.T.tolist()), [arb(b) for b in intercepts.tolist()]


def _distinct(first: Ball, second: Ball) -> tuple[str, str]:
    """Two numbers with enough digits, from 4 to 40, to distinguish them."""
    for digits in range(4, 41):
        texts = first.str(digits, radius=False), second.str(digits, radius=False)
        if texts[0] != texts[1]:
            break
    return texts


def _above(ball: Ball) -> float:
    """A float that is not below the number."""
    number = float(ball.upper())
    return 0.0 if ball == 0 else float(np.nextafter(number, np.inf))


def _below(ball: Ball) -> float:
    """A float that is not above the number, which is not negative."""
    return max(0.0, float(np.nextafter(float(ball.lower()), -np.inf)))
