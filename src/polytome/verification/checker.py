"""`verify`: an independent check of a model's certificate, rigorous and slow.

A certificate says: P, the objective at these coefficients, is at most `gap` above the smallest
value P* that it has for any coefficients. Here P is recomputed in ball arithmetic, in which every
number carries a bound on its rounding, and so is a lower bound D on P* (see
`polytome.verification.balls` for both, and for the proof; without a penalty
`polytome.verification.ball_curvature`). Then

    P - D <= gap            confirms: P - P* <= P - D;
    P - P(other) > gap      refutes: other coefficients are better by more than the gap.

D is computed from a witness, P(other) at one: the model's own coefficients first; then ones that a
few Newton steps make of them, in 64-bit floats and, where that is not enough and the model is
small, in balls. If rounding leaves doubt, the number of bits is doubled. If neither inequality is
shown, the verdict is "undecided", with the numbers that are proved.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polytome.errors import MissingExtraError
from polytome.files.splits import training_rows
from polytome.models.fitted_source import source_of
from polytome.models.framed import table_of
from polytome.verification.findings import Verification

__all__ = ["verify"]


def verify(
    model: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    progress: Callable[[str], None] | None = None,
) -> Verification:
    """Confirm or refute a model's certificate on the data of its fit, in arithmetic that bounds its
    own rounding.

    Args:
        model: a fitted `LogisticRegression` (or one of `from_sklearn`, `from_torch`, `load`),
            `OneVsRest`, `OneVsOne` or `MultilabelLogistic`.
        X: the features that it was fitted to, (n, d): arrays, sparse matrices and frames. Of a
            model that was trained on a table the data frame, with its columns of labels and
            weights; rows that training held out are left out again.
        y: their labels, as given to `fit`; None where they are a column of the frame.
        sample_weight: the weights of the rows in that fit.
        offset: what was added to the scores of the rows in that fit.
        progress: called with a few words on what is being done.

    Returns:
        The verdict with its numbers. A certificate that is not a proof cannot be confirmed: its
        verdict is "undecided" with what can be said, or "refuted" where other coefficients show
        that the tolerance is not reached.

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

    Reference: Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic,
    IEEE Transactions on Computers 66, 2017.
    """
    try:
        from polytome.verification.ball_check import BallCheck
        from polytome.verification.exact_problem import exact_problem, without_offset_columns
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "flint":
            raise
        raise MissingExtraError('verify needs python-flint: pip install "polytome[verify]"') from error
    began = time.perf_counter()
    if (table := table_of(model, X, y, weights=sample_weight is None)) is not None:
        sample_weight = table.weight if sample_weight is None else sample_weight
        assert table.y is not None
        X, y, sample_weight = training_rows(model, table.X, table.y, sample_weight, table.beside)
    given = X
    model, X, offset = without_offset_columns(model, X, offset)
    check = BallCheck(model, exact_problem(model, X, y, sample_weight, offset), progress or (lambda _: None))
    check.run()
    found = check.findings(time.perf_counter() - began)
    if found.verdict != "confirmed" and _are_others(model, given, y):
        note = "these are not the rows that the model was trained on: their SHA-256 differs"
        return replace(found, reasons=(*found.reasons, note))
    return found


def _are_others(model: Any, X: Any, y: Any) -> bool:
    """Whether the model's record of training shows that it was fitted to other rows."""
    from polytome.files.training_record import data_hash

    record = source_of(model).training
    return record is not None and data_hash(X, y) != record.data_sha256
