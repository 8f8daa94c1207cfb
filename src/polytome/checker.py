"""`verify`: a second opinion on a model's certificate, rigorous, slow and independent of the fit.

A certificate says: P, the objective at these coefficients, is at most `gap` above the smallest value P* that it has for
any coefficients. Here P is computed anew in ball arithmetic, whose every number comes with a bound of its rounding, and
so is a lower bound D of P* (see `polytome.balls` for both, and for the proof). Then

    P - D <= gap            confirms: P - P* <= P - D;
    P - P(other) > gap      refutes: other coefficients are better by more than the gap.

D is computed from a witness, P(other) at one: the model's own coefficients first; then ones that a few Newton steps make
of them, in 64-bit floats and, where that is not enough and the model is small, in balls. Where rounding leaves a doubt
the bits are doubled. If neither inequality is shown, the verdict is "undecided", with the numbers that are proved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from polytome.errors import MissingExtraError

if TYPE_CHECKING:
    from polytome.balls import Ball, BallProblem

__all__ = ["Verification", "verify"]

_BITS = (128, 256, 512, 1024)
_SLACK = 1e-9  # how far a stated number, not a bound, may be off, relatively
_FEW_ENTRIES = 200  # coefficients of which a Hessian in balls is formed
_QUICK = 200_000  # entries of X times outputs: with fewer, floats are not tried first


@dataclass(frozen=True)
class Verification:
    """What an independent check of a certificate found. All numbers but the claimed ones are proved.

    Attributes:
        verdict: "confirmed", "refuted", or "undecided".
        reasons: for "refuted" and "undecided", why: one sentence each.
        kind: of the certificate: "proof" or "estimate".
        objective: P at the model's coefficients, rounded to a float.
        claimed_objective: what the certificate states.
        claimed_gap: the objective is claimed to be at most this far above its minimum.
        excess_at_most: it is proved to be at most this far above; `inf` where nothing is proved.
        excess_at_least: it is proved to be at least this far above: other coefficients are better by so much.
        null_objective: the objective of the null model.
        tol: the tolerance that was asked for, relative to the null model.
        coefficient_bound: the Frobenius distance of the coefficients (as the penalty sees them) from the optimal ones
            is at most this; `inf` where nothing is proved.
        margin: for classes that are claimed to be separated, the smallest score by which a row of positive weight is on
            its right side; None for other certificates.
        witness: which coefficients the bound comes from.
        bits: of the ball arithmetic.
        n_rows: rows of the data.
        seconds: that the check took.
    """

    verdict: Literal["confirmed", "refuted", "undecided"]
    reasons: tuple[str, ...]
    kind: str
    objective: float
    claimed_objective: float
    claimed_gap: float
    excess_at_most: float
    excess_at_least: float
    null_objective: float
    tol: float
    coefficient_bound: float
    margin: float | None
    witness: str
    bits: int
    n_rows: int
    seconds: float

    def __str__(self) -> str:
        """One plain sentence."""
        if self.verdict != "confirmed":
            return f"{self.verdict.capitalize()}: {'; '.join(self.reasons)}."
        claim = f"the objective {self.objective:.6g} is within {self.claimed_gap:.1e} of its minimum"
        if self.margin is not None:
            return f"Confirmed: the classes are separated, so {claim}, which is 0."
        return f"Confirmed: {claim} (proved here: within {self.excess_at_most:.2e})."

    def to_json(self) -> dict[str, Any]:
        """The findings as plain values for JSON; what is infinite becomes None."""
        values = asdict(self) | {"reasons": list(self.reasons)}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def verify(
    model: Any, X: Any, y: Any, sample_weight: Any = None, *, progress: Callable[[str], None] | None = None
) -> Verification:
    """Confirm or refute a model's certificate on the data of its fit, in arithmetic that knows its own rounding.

    Args:
        model: a fitted `LogisticRegression` (or one of `from_sklearn`, `from_torch`, `load`), `OneVsRest`, `OneVsOne`
            or `MultilabelLogistic`.
        X: the features that it was fitted to, (n, d): arrays, sparse matrices and frames.
        y: their labels, as given to `fit`.
        sample_weight: the weights of the rows in that fit.
        progress: called with a few words on what is being done.

    Returns:
        The verdict with its numbers. A certificate that is no proof cannot be confirmed: its verdict is "undecided"
        with what can be said, or "refuted" where other coefficients show that the tolerance is not reached.

    Raises:
        ArgumentError: the model is of another kind, or has no certificate.
        DataError: the data cannot be those of the fit.
        MissingExtraError: python-flint is not installed.

    Example:
        >>> from polytome import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"]
        >>> found = verify(LogisticRegression().fit(X, y), X, y)
        >>> found.verdict, found.excess_at_most <= found.claimed_gap
        ('confirmed', True)

    Reference: Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Transactions on
    Computers 66, 2017.
    """
    try:
        from polytome.exact_problem import exact_problem
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "flint":
            raise
        raise MissingExtraError('verify needs python-flint: pip install "polytome[verify]"') from error
    began = time.perf_counter()
    check = _Check(model, exact_problem(model, X, y, sample_weight), progress or (lambda _: None))
    check.run()
    found = check.findings(time.perf_counter() - began)
    if found.verdict != "confirmed" and _are_others(model, X, y):
        note = "these are not the rows that the model was trained on: their SHA-256 is another one"
        return replace(found, reasons=(*found.reasons, note))
    return found


def _are_others(model: Any, X: Any, y: Any) -> bool:
    """Whether the model's record of training shows that it was fitted to other rows."""
    from polytome.training_record import data_hash

    record = getattr(model, "training_", None)
    return record is not None and data_hash(X, y) != record.data_sha256


class _Check:
    """A model with its problem, and what is known so far; `least` and `most` enclose the excess P - P*."""

    def __init__(self, model: Any, problem: BallProblem, say: Callable[[str], None]) -> None:
        from flint import arb, arb_mat

        self.model, self.problem, self.say, self.claim = model, problem, say, model.certificate_
        self.penalised = math.isfinite(problem.C)
        coefficients = np.asarray(model.coef_, dtype=np.float64)
        intercepts = np.asarray(model.intercept_, dtype=np.float64).reshape(len(coefficients))
        self.point = arb_mat(coefficients.T.tolist()), [arb(v) for v in intercepts.tolist()]
        self.least, self.most, self.margin = arb(0), arb("inf"), None
        self.witness, self.bits = "the model's own coefficients", _BITS[0]

    def run(self) -> None:
        """Look until the claimed gap is confirmed or refuted, or there is nothing left to try."""
        from polytome.balls import precision

        for bits in _BITS:
            self.bits = bits
            with precision(bits):
                self._stage("the objective")
                self.value = self.problem.value(*self.point)
                self.null = self.problem.null()
                self.strength = self.problem.strength
                if self.claim.is_of_separation:
                    decided = self._separation()
                else:
                    decided = self._bounds()
            if decided:
                return

    def _stage(self, name: str) -> None:
        began = time.perf_counter()

        def report(row: int, n_rows: int) -> None:
            seconds = time.perf_counter() - began
            left = f", {seconds * (n_rows - row) / row:.0f} s left in this pass" if row else ""
            self.say(f"{name}: {row:,} of {n_rows:,} rows, {self.bits} bits{left}")

        self.say(name)
        self.problem.progress = report

    # The gap -----------------------------------------------------------------------------------------------------

    def _bounds(self) -> bool:
        """Whether these bits suffice."""
        from flint import arb

        for name, point, is_own in self._witnesses():
            if not is_own:
                self._stage(f"the objective at {name}")
                self._at_least(self.value - self.problem.value(*point))
            if self.penalised:
                self._stage(f"the bound from {name}")
                most = self.value - self.problem.bound(*point)
                if not most.is_finite() or most.rad() > (abs(most) + abs(arb(self._gap))) * arb(2) ** -20:
                    return False  # too much rounding: more bits
                if most < self.most:
                    self.most, self.witness = most.upper(), name
            if self.most <= self._gap or self.least > self._gap:
                return True
        return not self.penalised

    def _at_least(self, ball: Ball) -> None:
        if ball > self.least:
            self.least = ball.lower()

    def _witnesses(self) -> Iterator[tuple[str, Any, bool]]:
        """Coefficients to try, one after the other; each is made of the best so far."""
        from flint import arb, arb_mat

        from polytome.ball_newton import newton, zero_start
        from polytome.polish import polished

        yield "the model's own coefficients", self.point, True
        start, entries = self.point, int(np.prod(self.problem.X.shape)) * self.problem.n_outputs
        small = self.problem.n_outputs * (self.problem.X.shape[1] + 1) <= _FEW_ENTRIES
        if self.bits == _BITS[0] and not (small and entries <= _QUICK):
            with np.errstate(all="ignore"):
                coefficients, intercepts = polished(
                    self.problem, np.asarray(self.model.coef_, float), np.ravel(self.model.intercept_), self.say
                )
            if np.isfinite(coefficients).all() and np.isfinite(intercepts).all():
                start = arb_mat(coefficients.T.tolist()), [arb(v) for v in intercepts.tolist()]
                yield "coefficients of further Newton steps", start, False
        if small:
            self._stage("Newton steps in balls")
            enough = (self.value * arb(2) ** (-self.bits // 2)).mid()
            for begin in (start, zero_start(self.problem))[: 1 + self.penalised]:
                W, b, _ = newton(self.problem, *begin, enough)
                yield "coefficients of Newton steps in many digits", (W, b), False

    @property
    def _gap(self) -> Ball:
        from flint import arb

        return arb(float(self.claim.gap))

    # Separation --------------------------------------------------------------------------------------------------

    def _separation(self) -> bool:
        """Whether the sign of every margin is known; then P is the excess, since growing coefficients bring it to 0."""
        from flint import arb

        self._stage("the margins")
        self.margin = self.problem.margin(*self.point)
        if self.margin.contains(0):
            return False
        if self.margin > 0:
            self.least, self.most = self.value.lower(), self.value.upper()
        else:
            self.most = arb("inf")
        return True

    # The verdict -------------------------------------------------------------------------------------------------

    def findings(self, seconds: float) -> Verification:
        """The verdict on the claimed gap and on the other numbers of the certificate."""
        from polytome.balls import precision

        with precision(self.bits):
            reasons = self._objections()
            verdict: Literal["confirmed", "refuted", "undecided"] = "refuted" if reasons else "confirmed"
            if not reasons and (self.claim.kind != "proof" or not self.most <= self._gap):
                verdict, reasons = "undecided", [self._doubt()]
            bound = (2 * self.most / self.strength).sqrt() if self.penalised else self.most * math.inf
            return Verification(
                verdict=verdict,
                reasons=tuple(reasons),
                kind=self.claim.kind,
                objective=float(self.value),
                claimed_objective=self.claim.objective,
                claimed_gap=self.claim.gap,
                excess_at_most=_above(self.most),
                excess_at_least=_below(self.least),
                null_objective=float(self.null),
                tol=self.claim.tol,
                coefficient_bound=_above(bound),
                margin=None if self.margin is None else float(self.margin),
                witness=self.witness,
                bits=self.bits,
                n_rows=int(self.problem.X.shape[0]),
                seconds=seconds,
            )

    def _objections(self) -> list[str]:
        """What is proved to be wrong."""
        from flint import arb

        claim, gap, found = self.claim, self._gap, []
        excess = f"the objective is at least {_below(self.least):.4g} above its minimum"
        if claim.is_of_separation and self.margin is not None and self.margin < 0:
            found.append("the certificate says that the classes are separated, and a row lies on the wrong side")
        elif claim.kind == "proof" and self.least > gap:
            found.append(f"{excess}, and the certificate claims at most {claim.gap:.4g}")
        elif claim.kind == "estimate" and claim.holds and self.least > max(gap, arb(claim.tol) * self.null):
            found.append(f"{excess}, more than the tolerance; the certificate estimated {claim.gap:.4g}")
        for name, claimed, true, slack in (
            ("objective", claim.objective, self.value, gap + _SLACK * self.value),
            ("objective of the null model", claim.null_objective, self.null, _SLACK * self.null),
            ("strength of the penalty", claim.strength, self.strength, _SLACK * self.strength),
        ):
            if abs(true - arb(float(claimed))) > slack:
                found.append(f"the {name} is {float(true):.10g}, and the certificate says {claimed:.10g}")
        return found

    def _doubt(self) -> str:
        """Why nothing is decided."""
        if self.claim.kind != "proof":
            better = f"; other coefficients are better by {_below(self.least):.2e}" if self.least > 0 else ""
            return (
                f"without penalty the certificate is an estimate ({self.claim.gap:.1e}), and nothing is proved{better}"
            )
        if self.claim.is_of_separation:
            return f"the sign of a margin is not decided in {self.bits} bits"
        return (
            f"the objective is proved to be between {_below(self.least):.4g} and {_above(self.most):.4g} above its "
            f"minimum, and the certificate claims at most {self.claim.gap:.4g}"
        )


def _above(ball: Ball) -> float:
    """A float that is not below the number."""
    number = float(ball.upper())
    return 0.0 if ball == 0 else float(np.nextafter(number, np.inf))


def _below(ball: Ball) -> float:
    """A float that is not above the number, which is not negative."""
    return max(0.0, float(np.nextafter(float(ball.lower()), -np.inf)))
