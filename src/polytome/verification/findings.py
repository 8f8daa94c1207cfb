"""What an independent check of a certificate found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from polytome.plain.values import plain

__all__ = ["Verification"]


@dataclass(frozen=True)
class Verification:
    """What an independent check of a certificate found. All numbers but the claimed ones are
    proved.

    Attributes:
        verdict: "confirmed", "refuted", or "undecided".
        reasons: for "refuted" and "undecided", why: one sentence each.
        kind: of the certificate: "proof" or "estimate".
        objective: P at the model's coefficients, rounded to a float.
        claimed_objective: what the certificate states.
        claimed_gap: the objective is claimed to be at most this far above its minimum.
        excess_at_most: it is proved to be at most this far above; `inf` where nothing is proved.
        excess_at_least: it is proved to be at least this far above: other coefficients are better
            by so much.
        null_objective: the objective of the null model.
        tol: the tolerance that was asked for, relative to the null model.
        coefficient_bound: the Frobenius distance of the coefficients (as the penalty sees them)
            from the optimal ones is at most this; `inf` where nothing is proved.
        claimed_zeros: how many coefficients are claimed to be 0 at every optimum.
        confirmed_zeros: of how many of them that is proved here.
        margin: for classes that are claimed to be separated, the smallest score by which a row of
            positive weight is on its right side; None for other certificates.
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
    claimed_zeros: int
    confirmed_zeros: int
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
        found: dict[str, Any] = plain(asdict(self))
        return found
