"""`verify`: a second opinion on a model's certificate, rigorous, slow and independent of the fit.

A certificate says: P, the objective at these coefficients, is at most `gap` above the smallest value P* that it has for
any coefficients. Here P is computed anew in ball arithmetic, whose every number comes with a bound of its rounding, and
so is a lower bound D of P* (see `polytome.balls` for both and the proof, without penalty `polytome.ball_curvature`).
Then

    P - D <= gap            confirms: P - P* <= P - D;
    P - P(other) > gap      refutes: other coefficients are better by more than the gap.

D is computed from a witness, P(other) at one: the model's own coefficients first; then ones that a few Newton steps
make of them, in 64-bit floats and, where that is not enough and the model is small, in balls. Where rounding leaves a
doubt the bits are doubled. If neither inequality is shown, the verdict is "undecided", with the numbers that are
proved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from polytome.errors import MissingExtraError

__all__ = ["Verification", "verify"]


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
        from polytome.ball_check import BallCheck
        from polytome.exact_problem import exact_problem
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "flint":
            raise
        raise MissingExtraError('verify needs python-flint: pip install "polytome[verify]"') from error
    began = time.perf_counter()
    check = BallCheck(model, exact_problem(model, X, y, sample_weight), progress or (lambda _: None))
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
