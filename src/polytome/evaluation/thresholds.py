"""Choose how a model's probabilities become classes: a cut-off on rows that it was not trained on,
or the smallest expected cost.

A cut-off for a wanted recall or precision, or for the largest F1, is chosen on held-out rows: on
training rows probabilities are too sure, and a recall promised there is not kept on new ones.
Costs need no rows: the class of the smallest expected cost follows from the probabilities alone.

Reference:
    Elkan, "The foundations of cost-sensitive learning", IJCAI (2001); Lipton, Elkan and
    Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", ECML PKDD (2014).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polytome.errors import ArgumentError, DataError, FileError
from polytome.evaluation.curves import known_codes
from polytome.models.decision import DecisionRule
from polytome.models.framed import held_out_rows, labelled_rows
from polytome.models.labels import row_weights
from polytome.tables.streams.table import StreamedTable

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Preference", "check_two_classes", "choose_threshold", "chosen_threshold", "read_costs"]

_LARGEST_FILE = 2**26


@dataclass(frozen=True)
class Preference:
    """What a cut-off is chosen for.

    Attributes:
        of: the largest "f1"; or the largest precision with at least some "recall", or the largest
            recall with at least some "precision".
        least: that recall or precision; None for F1.

    Example:
        >>> Preference.parsed("recall=0.9")
        Preference(of='recall', least=0.9)
    """

    of: Literal["f1", "recall", "precision"]
    least: float | None = None

    @classmethod
    def parsed(cls, text: str) -> Preference:
        """From a text: `f1`, `recall=0.9` or `precision=0.8`.

        Raises:
            ArgumentError: it is none of these.
        """
        name, sign, number = str(text).strip().partition("=")
        if name == "f1" and not sign:
            return cls("f1")
        try:
            least = float(number)
        except ValueError:
            least = np.nan
        if name in ("recall", "precision") and 0 < least <= 1:
            return cls("recall" if name == "recall" else "precision", least)
        raise ArgumentError(
            f"prefer={text!r}: needs f1, recall=SHARE or precision=SHARE, a share above 0 and at most 1"
        )

    def __str__(self) -> str:
        """As a sentence names it."""
        return "the largest F1" if self.least is None else f"a {self.of} of at least {self.least:g}"


def choose_threshold(
    model: Fitted,
    X: Any = None,
    y: Any = None,
    *,
    prefer: str | None = None,
    costs: ArrayLike | None = None,
    sample_weight: Any = None,
    name: str = "held-out rows",
) -> DecisionRule:
    """Choose by which rule a model predicts classes; `model.decision_ = rule` keeps it in the
    model.

    Args:
        model: a fitted classifier with probabilities.
        X: features of rows that it was not trained on, shape (n, d); rows of `open_rows`; or a data
            frame for a model of a table. None takes the rows that training held out, and is right
            for costs.
        y: their labels, shape (n,); None where X has them.
        prefer: of two classes `"f1"` (the largest F1 of the second class), `"recall=0.9"` (the
            largest precision with at least this recall) or `"precision=0.8"` (the largest recall
            with at least this precision).
        costs: (K, K) what it costs to predict the column's class for a row of the row's class, in
            the order of `classes_`: the class of the smallest expected cost is predicted.
        sample_weight: of these rows; None for equal ones.
        name: where the rows come from, for the reason.

    Raises:
        ArgumentError: neither or both of prefer and costs are given, no rows were held out, the
            model has more than two classes, or no cut-off does what is preferred.
        DataError: rows or labels do not suit the model, or only one class is among them.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"]
        >>> model = LogisticRegression().fit(X, y)
        >>> model.decision_ = choose_threshold(model, X, y, prefer="recall=1")
        >>> model.predict(X).tolist()
        ['no', 'yes', 'yes', 'yes']
        >>> choose_threshold(model, costs=[[0, 1], [9, 0]]).threshold
        0.1
    """
    if (prefer is None) == (costs is None):
        raise ArgumentError("prefer, costs: give one of the two")
    if not model.has_probabilities or model.outputs != "classes":
        raise ArgumentError(f"model is a {type(model).__name__}: a rule decides by the probabilities of classes")
    if costs is not None:
        n_costs = np.shape(costs)[0] if np.ndim(costs) else 0
        if n_costs != len(model.classes_):
            raise ArgumentError(f"costs have {n_costs} rows: give one for each of {len(model.classes_)} classes")
        return DecisionRule.by_costs(costs, model.classes_.tolist())
    wanted = Preference.parsed(str(prefer))
    check_two_classes(model.classes_, prefer)
    if X is None and y is None:
        X, y, sample_weight = held_out_rows(model)
    pieces: Iterable[tuple[Any, Any, Any]]
    pieces = X.labelled_pieces() if isinstance(X, StreamedTable) else [(*labelled_rows(model, X, y), sample_weight)]
    judged = [
        (codes := known_codes(labels, model.classes_), model.predict_proba(rows)[:, 1], row_weights(weight, len(codes)))
        for rows, labels, weight in pieces
    ]
    codes, probabilities, weights = map(np.concatenate, zip(*judged, strict=True))
    return chosen_threshold(codes, probabilities, weights, wanted, model.classes_.tolist(), name)


def check_two_classes(classes: Any, prefer: Any) -> None:
    """Refuse a cut-off for more than two classes.

    Raises:
        ArgumentError: there are more.
    """
    if len(classes) != 2:
        raise ArgumentError(
            f"prefer={str(prefer)!r}: one cut-off divides two classes, and there are {len(classes)}; give costs, or "
            "distinguish one class from all others"
        )


def chosen_threshold(
    codes: Array, probabilities: Array, weight: Array, wanted: Preference, classes: Sequence[Any], name: str
) -> DecisionRule:
    """The cut-off that does best what is preferred, halfway between two probabilities of rows.

    Args:
        codes: true classes as positions, shape (n,).
        probabilities: of the second class, shape (n,).
        weight: of each row.
        wanted: what is preferred.
        classes: both labels.
        name: where the rows come from.

    Raises:
        ArgumentError: no cut-off does what is preferred.
        DataError: only one class is among the rows.

    Example:
        >>> p, codes = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 1, 0, 1])
        >>> chosen_threshold(codes, p, np.ones(4), Preference("recall", 1.0), ["no", "yes"], "4 rows").threshold
        0.25
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-probabilities, kind="stable")
    p, hit = probabilities[order], np.where(codes[order] == 1, weight[order], 0.0)
    last = np.append(np.flatnonzero(p[1:] != p[:-1]), len(p) - 1)  # a cut-off does not divide equal rows
    hits, rows = np.cumsum(hit)[last], np.cumsum(weight[order])[last]
    total = float(hits[-1])
    if not 0 < total < rows[-1]:
        raise DataError(f"{name}: only one class is among them; a cut-off is chosen on rows of both")
    recall, precision = hits / total, np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
    f1 = 2 * hits / (rows + total)
    if wanted.least is None:
        value, possible = f1, np.ones(len(f1), dtype=bool)
    else:
        value = precision if wanted.of == "recall" else recall
        possible = (recall if wanted.of == "recall" else precision) >= wanted.least * (1 - 1e-12)
    usable = possible & (p[last] > 0)
    if not usable.any():
        best = float((recall if wanted.of == "recall" else precision).max())
        raise ArgumentError(
            f"prefer={wanted.of}={wanted.least:g}: no cut-off reaches it on {name}; the largest {wanted.of} is "
            f"{best:.3g}"
            if wanted.least is not None
            else f"prefer=f1: no cut-off can be chosen on {name}; every probability is 0"
        )
    place = int(np.flatnonzero(usable & (value == value[usable].max()))[0])  # of equals the largest cut-off
    below = p[last[place] + 1] if last[place] + 1 < len(p) else 0.0
    threshold = (p[last[place]] + below) / 2
    threshold = float(threshold if below < threshold < 1 else min(p[last[place]], np.nextafter(1.0, 0.0)))
    reason = (
        f"{wanted} on {len(codes):,} {name}, where {classes[1]} has recall {recall[place]:.3f}, precision "
        f"{precision[place]:.3f} and F1 {f1[place]:.3f}"
    )
    return DecisionRule(threshold=threshold, reason=reason)


def read_costs(path: str | PathLike[str], classes: Sequence[Any]) -> NDArray[np.float64]:
    """Costs from a CSV file: a line of the predicted classes, then a line for each true class.

    Args:
        path: of the file; its first cell is not read.
        classes: the labels, which the file may have in any order.

    Returns:
        (K, K) in the order of the classes.

    Raises:
        FileError: the file cannot be read.
        DataError: a class is missing, unknown or there twice, or a cost is not a finite number; the
            message names the line and the column.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "costs.csv"
        ...     _ = file.write_text("true,yes,no\\nno,5,0\\nyes,0,1\\n")
        ...     read_costs(file, ["no", "yes"])
        array([[0., 5.],
               [1., 0.]])
    """
    place = Path(path)
    try:
        content = place.read_bytes() if place.stat().st_size <= _LARGEST_FILE else b""
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read as a table of costs ({error})") from error
    lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if any(map(str.strip, line))]
    labels = [str(label).strip() for label in classes]
    if not lines:
        raise DataError(f"{path}: is empty or too large; give a line of the predicted classes and one for each class")
    columns = _places(path, "line 1", lines[0][1:], labels)
    rows = _places(path, "column 1", [line[0] for line in lines[1:]], labels)
    costs = np.zeros((len(labels), len(labels)))
    for number, (row, line) in enumerate(zip(rows, lines[1:], strict=True), start=2):
        if len(line) != len(columns) + 1:
            raise DataError(f"{path}, line {number}: has {len(line)} cells, and line 1 has {len(columns) + 1}")
        for column, cell in zip(columns, line[1:], strict=True):
            try:
                costs[row, column] = float(cell)
            except ValueError:
                costs[row, column] = np.nan
            if not np.isfinite(costs[row, column]):
                raise DataError(f"{path}, line {number}, column {labels[column]!r}: {cell!r} is not a finite number")
    return costs


def _places(path: Any, where: str, names: list[str], labels: list[str]) -> list[int]:
    """Where each class of a table of costs is among the labels, each once."""
    for name in names:
        if name not in labels:
            raise DataError(f"{path}, {where}: {name!r} is not one of the classes {', '.join(labels[:12])}")
        if names.count(name) > 1:
            raise DataError(f"{path}, {where}: the class {name!r} is named twice")
    if missing := [label for label in labels if label not in names]:
        raise DataError(
            f"{path}, {where}: lacks the class {missing[0]!r}; give every class of {', '.join(labels[:12])}"
        )
    return [labels.index(name) for name in names]
