"""The contents of a report as plain data: gathered from the model and from rows with known labels,
not yet drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polytome.errors import DataError
from polytome.evaluation import curves
from polytome.evaluation.diagnosis import JudgedRow, confidently_wrong_rows, confused_rows, least_certain_rows
from polytome.evaluation.explain import cells_of, contributions, output_names
from polytome.evaluation.intervals import ClassQuality, Estimate, Quality, class_qualities, quality
from polytome.evaluation.metrics import ConfusedPair, Evaluation, class_codes, confused_pairs, evaluate, one_label_each
from polytome.evaluation.ordering import largest
from polytome.evaluation.settled import settled_rows
from polytome.files.training_record import data_hash
from polytome.models.features import checked_rows
from polytome.models.fitted_source import source_of
from polytome.models.labels import label_table, row_weights
from polytome.models.linear import targets
from polytome.report.wording import cell_number, interval, number, percent, points, short_number

if TYPE_CHECKING:
    from polytome.evaluation.curves import Bin, Curve
    from polytome.models.fitted import Fitted

Array = NDArray[Any]

__all__ = ["Judged", "Line", "Measured", "Pair", "Reason", "Shown", "judge", "judge_any", "measure", "metric_lines"]

_PAIRS = 8
_EXAMPLES = 8
_REASONS = 4
_LONGEST_TEXT = 300  # characters
_MOST_MEASURED = 40


class Reason(NamedTuple):
    """What a column of a row adds to the log odds between its predicted class and another."""

    column: str
    value: str
    contribution: float
    """Measured from the mean in training, if that was recorded; positive for the predicted
    class."""


@dataclass(frozen=True)
class Shown:
    """A row that the report shows.

    Attributes:
        name: "row" and its number in the file, counted from 1; or the name of its file, if it has
            its own.
        judged: the model's probabilities for it.
        other: the position of the class with which the predicted one is compared: the true class,
            or if that was predicted, the runner-up.
        reasons: the largest contributions between these two classes, largest first; none for
            images.
        values: its features if it is an image, else None.
        text: the text that it is, shortened; None for other rows.
    """

    name: str
    judged: JudgedRow
    other: int
    reasons: tuple[Reason, ...]
    values: Array | None
    text: str | None = None


@dataclass(frozen=True)
class Pair:
    """Two classes that are confused, with rows in which that happened."""

    pair: ConfusedPair
    rows: tuple[Shown, ...]


@dataclass(frozen=True)
class Judged:
    """A model on rows with known labels.

    Attributes:
        name: where the rows come from.
        training_rows: how many of them the model was fitted to, as far as is known: "none", "some"
            or "all".
        evaluation: metrics, null model, confusion, unseen labels.
        quality: metrics with intervals.
        classes: the same for each class.
        pairs: what is confused with what, the most frequent first.
        bins: the bins of the calibration.
        event_class: the class whose probability the bins judge; None for the predicted class.
        roc: a curve for each class that some rows have and others have not.
        precision_recall: curves for the same classes.
        least_certain: rows close to a tie.
        confidently_wrong: rows whose true class the model thought least possible.
        n_settled: rows that are proved to keep their class at the exact minimum; None if the
            training was not recorded.
    """

    name: str
    training_rows: Literal["none", "some", "all"]
    evaluation: Evaluation
    quality: Quality
    classes: list[ClassQuality]
    pairs: list[Pair]
    bins: tuple[Bin, ...]
    event_class: Any
    roc: Mapping[Any, Curve]
    precision_recall: Mapping[Any, Curve]
    least_certain: tuple[Shown, ...]
    confidently_wrong: tuple[Shown, ...]
    n_settled: int | None

    @property
    def n_known(self) -> int:
        """The number of rows whose label is a class of the model."""
        return self.evaluation.n_rows - self.evaluation.n_unseen


class Line(NamedTuple):
    """A line of the table of metrics, as text; what there is nothing of is a dash."""

    name: str
    model: str
    interval: str
    null: str
    gain: str
    gain_interval: str


_SHARES = ("accuracy", "balanced accuracy", "top-")


def metric_lines(judged: Judged) -> list[Line]:
    """The table of metrics: the model beside the null model, with what is gained where rows are
    paired.

    Args:
        judged: a model on rows with known labels.
    """
    found, lines = judged.quality, []
    gains = {"accuracy": (found.accuracy_gain, points), "log loss, nats": (found.log_loss_gain, short_number)}
    for each in judged.evaluation.metrics():
        form = percent if each.name.startswith(_SHARES) else number
        ends = (
            "-" if each.low is None or each.high is None else interval(Estimate(each.value, each.low, each.high), form)
        )
        gain, gain_interval = "-", "-"
        if each.name in gains:
            estimate, gain_form = gains[each.name]
            gain, gain_interval = gain_form(estimate.value), interval(estimate, gain_form)
        null = "-" if each.null is None else form(each.null)
        lines.append(Line(f"{each.name[0].upper()}{each.name[1:]}", form(each.value), ends, null, gain, gain_interval))
    return lines


class Measure(NamedTuple):
    """One measure of how good predictions are, as text."""

    name: str
    model: str
    null: str
    """What the best constant prediction reaches; empty where there is nothing to compare."""


@dataclass(frozen=True)
class Measured:
    """A model that has no distribution over classes, on rows with what was to be predicted.

    Attributes:
        name: where the rows come from.
        training_rows: how many of them the model was fitted to, as far as is known: "none", "some"
            or "all".
        n_rows: how many there are.
        measures: how good the predictions are.
    """

    name: str
    training_rows: Literal["none", "some", "all"]
    n_rows: int
    measures: tuple[Measure, ...]


def judge_any(
    model: Any,
    X: Any,
    y: Any,
    *,
    name: str,
    row_names: Any = None,
    sample_weight: Any = None,
    texts: Sequence[str] | None = None,
) -> Judged | Measured:
    """What there is to say of any model on rows with known labels, or numbers.

    Args:
        model: a fitted model.
        X: features, shape (n, d).
        y: what was to be predicted, as in `fit`.
        name: where the rows come from.
        row_names: as in `judge`.
        sample_weight: as in `judge`; for classifiers alone.
        texts: as in `judge`.
    """
    if model.outputs == "classes" and model.has_probabilities:
        return judge(model, X, y, name=name, row_names=row_names, sample_weight=sample_weight, texts=texts)
    return measure(model, X, y, name=name)


def measure(model: Any, X: Any, y: Any, *, name: str) -> Measured:
    """How good a model's predictions are, beside the best constant ones: of classes, of labels, or
    of numbers.

    Args:
        model: a fitted model.
        X: features, shape (n, d).
        y: what was to be predicted, as in `fit`.
        name: where the rows come from.

    Raises:
        DataError: X or y does not suit the model.

    Example:
        >>> from polytome import LinearRegression
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0])
        >>> measure(LinearRegression().fit(X, y), X, y, name="rows").measures[0]
        Measure(name='Share of the variance that is explained', model='100 %', null='0 %')
    """
    X = X if hasattr(X, "shape") else np.asarray(X)
    training_rows: Literal["none", "some", "all"] = "none"
    if model.outputs == "numbers":
        found = _of_numbers(model, np.asarray(model.predict(X), np.float64), y)
    elif model.outputs == "labels":
        found = _of_labels(model, X, y)
    else:
        found = _of_classes(evaluate(model, X, y))
        training_rows = _training_rows(model, X, one_label_each(y, X.shape[0]), name)
    return Measured(name, training_rows, int(X.shape[0]), tuple(found))


def _of_classes(evaluation: Evaluation) -> list[Measure]:
    found = [Measure("Accuracy", percent(evaluation.accuracy), percent(evaluation.null_accuracy))]
    for quality_of_one in class_qualities(evaluation.confusion, evaluation.classes)[:_MOST_MEASURED]:
        if quality_of_one.n_rows:
            found.append(Measure(f"Found of class {quality_of_one.label}", percent(quality_of_one.recall.value), ""))
    return found


def _of_labels(model: Any, X: Any, y: Any) -> list[Measure]:
    truth, predicted, names = label_table(y), model.predict(X), output_names(model)
    if truth.shape != predicted.shape:
        raise DataError(f"y has shape {truth.shape}: the model has {len(names)} labels for {X.shape[0]} rows")
    right = predicted == (truth > 0.5)
    common = np.maximum(truth.mean(axis=0), 1 - truth.mean(axis=0))
    found = [Measure("Rows whose labels are all right", percent(float(right.all(axis=1).mean())), "")]
    found += [
        Measure(f"Right of label {each}", percent(float(right[:, j].mean())), percent(float(common[j])))
        for j, each in enumerate(names[:_MOST_MEASURED])
    ]
    return found


def _of_numbers(model: Any, predicted: Array, y: Any) -> list[Measure]:
    truth = targets(y)
    if truth.shape != predicted.shape:
        raise DataError(f"y has shape {truth.shape}: the model predicts numbers of shape {predicted.shape}")
    truth, predicted = truth.reshape(len(truth), -1), predicted.reshape(len(predicted), -1)
    found = []
    for j in range(min(truth.shape[1], _MOST_MEASURED)):
        of = f" of number {j}" if truth.shape[1] > 1 else ""
        error = float(np.sqrt(np.mean((predicted[:, j] - truth[:, j]) ** 2)))
        spread = float(np.std(truth[:, j]))
        share = 1 - (error / spread) ** 2 if spread > 0 else float("nan")
        found.append(Measure(f"Share of the variance{of} that is explained", percent(share), "0 %"))
        found.append(Measure(f"Root of the mean squared error{of}", number(error), number(spread)))
    return found


def judge(
    model: Fitted,
    X: Any,
    y: Any,
    *,
    name: str,
    row_names: Any = None,
    sample_weight: Any = None,
    texts: Sequence[str] | None = None,
) -> Judged:
    """Compute everything that a report says about rows with known labels.

    Args:
        model: a fitted model.
        X: features, shape (n, d).
        y: labels, shape (n,); rows with a label that the model never saw are counted and left out.
        name: where they come from.
        row_names: the number of each row in its file, or the name of its own file; None counts them
            from 1.
        sample_weight: of each row, shape (n,), for metrics, their intervals, curves and bins; None
            for equal ones.
        texts: what each row is, in words; None for rows that are no texts.

    Raises:
        DataError: X does not suit the model, or no label is one of its classes.

    Example:
        >>> from polytome.tables.datasets import load_dataset
        >>> from polytome.models.logistic import LogisticRegression
        >>> iris = load_dataset("iris")
        >>> judged = judge(LogisticRegression().fit(iris.X, iris.y), iris.X, iris.y, name="iris")
        >>> judged.pairs[0].pair.true, judged.pairs[0].pair.predicted, judged.least_certain[0].name
        ('versicolor', 'virginica', 'row 107')
    """
    X = X if hasattr(X, "shape") else np.asarray(X)
    y = one_label_each(y, X.shape[0])
    training_rows = _training_rows(model, X, y, name)
    weight = None if sample_weight is None else row_weights(sample_weight, X.shape[0])
    evaluation = evaluate(model, X, y, weight)
    codes = class_codes(y, model.classes_)
    known = np.flatnonzero(codes >= 0)
    names = np.arange(1, len(y) + 1) if row_names is None else np.asarray(row_names)
    if texts is not None and len(texts) != len(y):
        raise DataError(f"texts has {len(texts)} texts for {len(y)} rows: give one for each")
    if len(known) < len(y):
        X, y, codes, names = _rows(X, known), y[known], codes[known], names[known]
        weight = None if weight is None else weight[known]
        texts = None if texts is None else [texts[row] for row in known.tolist()]
    log_probabilities = model.predict_log_proba(X)
    decided = class_codes(model.predict(X), model.classes_)
    show = _Window(model, X, names, texts)
    bins, event_class = _calibration(model, codes, np.exp(log_probabilities), weight)
    roc, precision_recall = _curves(model, X, y, weight)
    return Judged(
        name=name,
        training_rows=training_rows,
        evaluation=evaluation,
        quality=quality(codes, log_probabilities, decided, weight),
        classes=evaluation.per_class,
        pairs=_pairs(evaluation, codes, log_probabilities, decided, show),
        bins=bins,
        event_class=event_class,
        roc=roc,
        precision_recall=precision_recall,
        least_certain=show.all(least_certain_rows(codes, log_probabilities, _EXAMPLES, decided)),
        confidently_wrong=show.all(confidently_wrong_rows(codes, log_probabilities, _EXAMPLES, decided)),
        n_settled=int(settled_rows(model, X).sum()) if source_of(model).training is not None else None,
    )


def _training_rows(model: Fitted, X: Any, y: Array, name: str) -> Literal["none", "some", "all"]:
    """How many of the rows the model was fitted to, according to the record of its training."""
    record = source_of(model).training
    if record is None:
        return "none"
    if len(y) == record.n_rows and data_hash(checked_rows(model, X), y) == record.data_sha256:
        return "all"
    whole = record.test_fraction is not None and len(y) == record.n_rows + record.n_test_rows
    return "some" if whole and name == record.source else "none"


@dataclass(frozen=True)
class _Window:
    """The rows themselves, of which a few are shown."""

    model: Fitted
    X: Any
    names: Array
    texts: Sequence[str] | None

    def all(self, judged: list[JudgedRow]) -> tuple[Shown, ...]:
        return tuple(self._one(each) for each in judged)

    def _one(self, judged: JudgedRow) -> Shown:
        row = _rows(self.X, [judged.row])
        other = judged.runner_up if judged.true == judged.predicted else judged.true
        name = self.names[judged.row]
        name = str(name) if isinstance(name, str) else f"row {name:,}"
        if source_of(self.model).image_shape is not None:
            return Shown(name, judged, other, (), np.asarray(row, dtype=np.float64).ravel())
        text = None if self.texts is None else _shortened(self.texts[judged.row])
        return Shown(name, judged, other, self._reasons(row, judged.predicted, other), None, text)

    def _reasons(self, row: Any, predicted: int, other: int) -> tuple[Reason, ...]:
        labels, encoder = self.model.classes_.tolist(), source_of(self.model).encoder
        found = contributions(self.model, row).between(labels[predicted], labels[other])
        given = np.asarray(row.toarray() if hasattr(row, "toarray") else row, dtype=np.float64).ravel()
        cells: Sequence[float | str] = given.tolist()
        if encoder is not None:
            found, known = found.by_column(encoder), cells_of(encoder, given)
            cells = [known[name] for name in found.features]
        values = found.values[0, 0]
        chosen = largest(np.abs(values), _REASONS, found.features).tolist()
        return tuple(Reason(found.features[j], _text(cells[j]), float(values[j])) for j in chosen if values[j] != 0)


def _shortened(text: str) -> str:
    """A text in one line, cut where it is long."""
    line = " ".join(text[: 2 * _LONGEST_TEXT].split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]} ..."


def _text(cell: float | str) -> str:
    return cell if isinstance(cell, str) else cell_number(cell)


def _rows(X: Any, rows: Any) -> Any:
    """Some rows of an array, a sparse matrix or a frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _pairs(evaluation: Evaluation, codes: Array, log_probabilities: Array, decided: Array, show: _Window) -> list[Pair]:
    found = []
    for pair in confused_pairs(evaluation.confusion, evaluation.classes, most=_PAIRS):
        labels = evaluation.classes.tolist()
        true, predicted = labels.index(pair.true), labels.index(pair.predicted)
        found.append(Pair(pair, show.all(confused_rows(codes, log_probabilities, true, predicted, decided=decided))))
    return found


def _calibration(
    model: Fitted, codes: Array, probabilities: Array, weight: Array | None
) -> tuple[tuple[Bin, ...], Any]:
    """With two classes the probability of the second is judged, with more that of the predicted
    class."""
    if len(model.classes_) == 2:
        bins = curves.calibration_bins(codes == 1, probabilities[:, 1], sample_weight=weight)
        return bins, model.classes_.tolist()[1]
    return curves.calibration_bins(*curves.confidence(codes, probabilities), sample_weight=weight), None


def _curves(model: Fitted, X: Any, y: Array, weight: Array | None) -> tuple[dict[Any, Curve], dict[Any, Curve]]:
    """ROC and precision-recall curves of the classes that have rows of both kinds."""
    counts = np.ones(len(y), dtype=bool) if weight is None else weight > 0
    kinds = {
        label: each
        for label, each in curves.one_against_rest(model, X, y).items()
        if 0 < each[0][counts].sum() < counts.sum()
    }
    return (
        {label: curves.roc_curve(*each, sample_weight=weight) for label, each in kinds.items()},
        {label: curves.precision_recall_curve(*each, sample_weight=weight) for label, each in kinds.items()},
    )
