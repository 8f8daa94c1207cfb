"""From rows to the body of an answer: predictions as JSON, CSV or an Arrow stream, and their
explanations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from polytome.evaluation.explain import Contributions, contributions
from polytome.evaluation.flips import smallest_flips
from polytome.files.predictions import predict_rows
from polytome.models.calibration import calibration_of
from polytome.models.decision import decision_of
from polytome.plain.values import plain
from polytome.serve.bodies import ARROW, CSV, JSON, Rows
from polytome.serve.exchange import Refusal
from polytome.serve.models import ServedModel

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["Content", "explanation", "prediction"]

MOST_EXPLAINED = 100
"""Rows that are explained at once."""
MOST_NUMBERS = 5_000_000
"""The most numbers in an answer: writing them takes some seconds, and a thread cannot be
stopped."""
_BLOCK_ROWS = 512


class Content(NamedTuple):
    """The body of an answer."""

    kind: str
    body: bytes
    n_rows: int


def prediction(served: ServedModel, rows_of: Callable[[], Rows], accept: str, guard_formulas: bool) -> Content:
    """Predict what a client sent.

    Args:
        served: the model.
        rows_of: reads the rows.
        accept: the header of that name.
        guard_formulas: whether CSV is for a program that reads some texts as formulas.

    Raises:
        Refusal: the body cannot be read, or the answer would be too large.
        PolytomeError: the rows do not suit the model.
    """
    rows = rows_of()
    _check_size(rows, len(served.model.classes_))
    found = predict_rows(served.model, rows.X)
    n_rows = len(found.predictions)
    wanted = _wanted(accept)
    if wanted == CSV:
        return Content("text/csv; charset=utf-8", found.to_csv(guard_formulas).encode(), n_rows)
    if wanted == ARROW:
        return Content(ARROW, found.to_arrow(), n_rows)
    members = [
        f'"classes": {served.classes_json}',
        f'"predictions": {json.dumps(found.predictions.tolist())}',
        f'"probabilities": {_matrix(found.probabilities)}',
    ]
    if rows.seen is not None:
        members.append(f'"seen": {json.dumps(rows.seen)}')
    return Content(JSON, ("{" + ", ".join(members) + "}").encode(), n_rows)


def explanation(
    served: ServedModel, rows_of: Callable[[], Rows], of: str | None, against: str | None, most_flips: int | None
) -> Content:
    """Explain what a client sent: what each column adds to each score, and the smallest changes
    that flip the class.

    Args:
        served: the model.
        rows_of: reads the rows.
        of: the class whose score is explained against that of another; None for every score.
        against: the other class.
        most_flips: of each row, the smallest ones; None for all.

    Raises:
        Refusal: the body cannot be read, a class does not exist, or the answer would be too large.
        PolytomeError: the rows do not suit the model.
    """
    model = served.model
    rows = rows_of()
    encoder = served.encoder  # of a text any of its terms may count
    _check_size(rows, len(model.classes_) * (model.n_features_in_ if encoder.has_text else len(encoder.columns)))
    found = contributions(model, rows.X).by_column(served.encoder)
    if of is not None or against is not None:
        found = found.between(_label(model.classes_, "of", of), _label(model.classes_, "against", against))
    answer: dict[str, Any] = {
        "classes": model.classes_.tolist(),
        "columns": list(found.features),
        "reference": plain(found.reference),
        "outputs": list(found.labels),
        "baseline": plain(found.baseline),
        "rows": _explained_rows(model, rows.X, found, most_flips),
    }
    if rows.seen is not None:
        answer["seen"] = rows.seen
    return Content(JSON, json.dumps(answer).encode(), len(found.values))


def _explained_rows(model: Fitted, X: Any, found: Contributions, most_flips: int | None) -> list[dict[str, Any]]:
    """The part of the answer about each row."""
    predictions, probabilities = model.predict(X), model.predict_proba(X)
    rule, calibration = decision_of(model), calibration_of(model)
    # Where costs or a table of probabilities decide, no difference of two scores does.
    flips = (rule is None or rule.costs is None) and (calibration is None or not calibration.is_table)
    return [
        {
            "prediction": predictions[row].item(),
            "probabilities": probabilities[row].tolist(),
            "contributions": plain(found.values[row]),
            "flips": [plain(flip._asdict()) for flip in smallest_flips(model, X[[row]], most_flips)] if flips else [],
        }
        for row in range(len(predictions))
    ]


def _check_size(rows: Rows, n_numbers: int) -> None:
    """Refuse many rows where the answer would hold very many numbers; one row is always
    answered."""
    n_rows = rows.X.shape[0]
    if n_rows > 1 and n_rows * n_numbers > MOST_NUMBERS:
        fewer = max(1, MOST_NUMBERS // n_numbers)
        raise Refusal(413, f"the answer would hold {n_rows * n_numbers:,} numbers; send at most {fewer:,} rows at once")


def _matrix(values: Any) -> str:
    """An array as JSON, some rows at a time: other threads get their turn between them."""
    blocks = (json.dumps(values[top : top + _BLOCK_ROWS].tolist())[1:-1] for top in range(0, len(values), _BLOCK_ROWS))
    return f"[{', '.join(blocks)}]"


def _wanted(accept: str) -> str:
    """The first media type of the header that is available; JSON if it names none."""
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in (JSON, CSV, ARROW):
            return kind
    return JSON


def _label(classes: Any, name: str, text: str | None) -> Any:
    """The class that a query names."""
    if text is None:
        raise Refusal(422, f"{name}: is missing; give both classes, of=CLASS and against=CLASS, or neither")
    for label in classes.tolist():
        if str(label) == text:
            return label
    shown = ", ".join(str(label)[:80] for label in classes[:12].tolist())
    raise Refusal(
        422, f"{name}={text[:100]!r}: is not one of the classes {shown}{', ...' if len(classes) > 12 else ''}"
    )
