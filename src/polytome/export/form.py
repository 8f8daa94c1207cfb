"""A fitted model in the form that all exports use: columns, one row of coefficients per class, and
labels.

Two classes are written as softmax regression with scores `(0, s)`:
`softmax(0, s) = (sigmoid(-s), sigmoid(s))`, so one form serves any number of classes, and no
probability is computed as `1 - p`. One class against the rest has the softmax of the logarithms of
its sigmoids, and numbers are the scores themselves: what a form makes of scores is its link.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome._version import __version__
from polytome.errors import ArgumentError
from polytome.evaluation.explain import feature_names
from polytome.models.calibration import calibrated_coefficients, calibration_of
from polytome.models.decision import decision_of
from polytome.models.fitted import certificate_of
from polytome.models.fitted_source import source_of
from polytome.models.model import Model
from polytome.models.one_vs_rest import OneVsRest
from polytome.models.predictions import dense_coefficients
from polytome.tables.encoder import Column
from polytome.tables.frames import MISSING_WORDS
from polytome.tables.terms import Term

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Link = Literal["softmax", "rest", "identity"]

__all__ = ["Form", "Link", "form_of"]


@dataclass(frozen=True, eq=False)
class Form:
    """What is needed to predict, and nothing else.

    Attributes:
        classes: labels: whole numbers, or texts for all other types; of numbers the names of their
            columns.
        columns: the columns of the rows to be predicted.
        coefficients: (K, d) float64; with two classes that share a score the first row is zero.
        intercepts: (K,) float64.
        unknown: what a level that training never saw does: "error" or "zero".
        link: what makes predictions of scores: "softmax", "rest" (the sigmoids divided by their
            sum), or "identity".
        facts: sentences about the model by name: version, shape of its images, objective and
            certificate.
        marks: words that mark a missing cell in a column of text.
        terms: the columns that are made of the others; their coefficients are the last ones.
        cut: of two classes the second's score from which on it is the label; None for the class of
            the largest score.
    """

    classes: tuple[int, ...] | tuple[str, ...]
    columns: tuple[Column, ...]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    unknown: str
    link: Link
    facts: dict[str, str]
    marks: tuple[str, ...] = ()
    cut: float | None = None
    terms: tuple[Column, ...] = ()

    @property
    def is_matrix(self) -> bool:
        """Whether all columns are numeric and nothing is made of them, so that rows are rows of a
        matrix."""
        return not self.terms and all(column.kind == "number" for column in self.columns)

    @property
    def placed_columns(self) -> Iterator[tuple[Column, NDArray[np.float64]]]:
        """Each column with its coefficients, of a category for each of its levels: (K, n)."""
        start = 0
        for column in self.columns:
            part = self.coefficients[:, start : start + column.width]
            yield column, part if column.kind == "number" else column.by_level(part)
            start += column.width

    @property
    def placed_terms(self) -> Iterator[tuple[Column, Term, NDArray[np.float64]]]:
        """Each column that is made of others, how, and its coefficients, (K, n)."""
        start = sum(column.width for column in self.columns)
        for column in self.terms:
            assert column.term is not None
            yield column, column.term, self.coefficients[:, start : start + column.width]
            start += column.width

    def sources(self, term: Term) -> list[int]:
        """The places of the columns that a term is made of."""
        names = [column.name for column in self.columns]
        return [names.index(name) for name in term.of]

    @property
    def fills(self) -> NDArray[np.float64]:
        """What replaces a missing number, for each numeric column; NaN if nothing does."""
        numbers = [column.fill for column in self.columns if column.kind == "number"]
        return np.array([np.nan if fill is None else fill for fill in numbers], dtype=np.float64)


def form_of(model: Fitted, *, decides: bool = False, reads_text: bool = False) -> Form:
    """The form of a fitted model.

    Args:
        model: fitted.
        decides: whether what is exported chooses labels by a cut-off, if the model has one.
        reads_text: whether what is exported finds the terms of texts.

    Raises:
        ArgumentError: this is not a model of Polytome, its predictions have no such form, or a
            coefficient is not finite.
        sklearn.exceptions.NotFittedError: the model has not been fitted.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> form = form_of(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]))
        >>> form.classes, form.columns[0].name, form.coefficients.shape
        (('no', 'yes'), 'feature_0', (2, 1))
    """
    from sklearn.utils.validation import check_is_fitted

    _refuse_other_forms(model)
    check_is_fitted(model, "coef_")
    if vars(model).get("needs_offset_", False):
        raise ArgumentError(
            "the model cannot be exported: its rows bring an offset beside their columns; export "
            "model.offset_as_columns(), which has it among them"
        )
    rule = decision_of(model)
    if rule is not None and (rule.costs is not None or not decides):
        what = "costs" if rule.costs is not None else f"a cut-off of {rule.threshold:g}"
        raise ArgumentError(
            f"the model cannot be exported: it decides by {what}, and labels would be those of the most probable "
            f"class; {'' if decides else 'export to ONNX, C or SQL, or '}set model.decision_ = None and decide by the "
            "probabilities that the export gives"
        )
    if (calibration := calibration_of(model)) is not None and calibration.is_table:
        raise ArgumentError(
            "the model cannot be exported: its probabilities are read from a table, which no other form has; "
            "recalibrate it by a temperature, or set model.calibration_ = None"
        )
    coefficients, intercepts = (
        np.atleast_2d(np.asarray(dense_coefficients(model), np.float64)),
        np.atleast_1d(np.asarray(model.intercept_, np.float64)),
    )
    if not (np.isfinite(coefficients).all() and np.isfinite(intercepts).all()):
        raise ArgumentError("the model cannot be exported: coef_ or intercept_ holds NaN or infinity; fit it again")
    coefficients, intercepts = calibrated_coefficients(model, coefficients, intercepts)
    link: Link = "identity" if model.outputs == "numbers" else "softmax"
    if isinstance(model, OneVsRest) and len(coefficients) > 1:
        link = "rest"
    if link == "softmax" and len(coefficients) == 1:
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.array([0.0, *intercepts])
    encoder = source_of(model).encoder
    for column in () if encoder is None else encoder.columns:
        if column.terms is not None and (not reads_text or column.terms.options.hashing is not None):
            what = (
                "text, whose terms ONNX alone finds as the model does"
                if not reads_text
                else ("text with hashed terms, which no other form hashes as the model does")
            )
            remedy = "export to ONNX, or predict" if not reads_text else "train without --hashing, or predict"
            raise ArgumentError(
                f"the model cannot be exported: column {column.name!r} is {what}; {remedy} with polytome predict, "
                "polytome serve, or the model itself"
            )
    names = feature_names(model)
    if encoder is not None and encoder.dates:
        raise ArgumentError(
            f"the model cannot be exported: it reads parts of the date {encoder.dates[0].name!r}, which no other form "
            "makes; make columns of the parts, and train on these"
        )
    if encoder is not None and (grouped := next((column for column in encoder.columns if column.other), None)):
        raise ArgumentError(
            f"the model cannot be exported: rare levels of column {grouped.name!r} are one, {grouped.other!r}, which "
            "no other form makes; write that word for them in the table, and train on it"
        )
    columns = tuple(Column(name, "number") for name in names) if encoder is None else encoder.read_columns
    unknown, marks = ("error", ()) if encoder is None else (encoder.unknown, encoder.marks)
    if link == "identity":
        places = range(len(coefficients))
        classes: tuple[Any, ...] = ("prediction",) if len(places) == 1 else tuple(f"prediction_{k}" for k in places)
    else:
        classes = _labels(model.classes_.tolist())
    _check_texts(classes, columns)
    return Form(
        classes,
        columns,
        coefficients,
        intercepts,
        unknown,
        link,
        _facts(model, link),
        marks,
        None if rule is None else rule.log_odds,
        () if encoder is None else encoder.columns[len(columns) :],
    )


def _refuse_other_forms(model: Any) -> None:
    """Raises ArgumentError for models whose predictions are neither a softmax, nor sigmoids of
    classes, nor numbers."""
    name = type(model).__name__
    if not isinstance(model, Model):
        raise ArgumentError(f"model is a {name}: only a model of Polytome can be exported")
    remedies = {
        "pairs": "its pairs of classes cast votes, which no other form counts: export a OneVsRest or a "
        "LogisticRegression, fitted to the same rows",
        "labels": "its labels do not exclude each other: export one LogisticRegression for each label, fitted to "
        "y[:, j]",
    }
    if model.outputs in remedies:
        raise ArgumentError(f"model is a {name}, which cannot be exported: {remedies[model.outputs]}")
    if model.outputs == "classes" and not model.has_probabilities:
        raise ArgumentError(
            f"model is a {name}, which cannot be exported: it has no probabilities; export a LogisticRegression or a "
            "SigmoidNeuron, fitted to the same rows"
        )


def _check_texts(classes: tuple[int, ...] | tuple[str, ...], columns: tuple[Column, ...]) -> None:
    """Refuse texts that other programs cannot hold, and would cut off or fail to read."""
    texts = [("class", str(label)) for label in classes]
    texts += [("column", column.name) for column in columns]
    texts += [(f"level of {column.name!r:.60}", level) for column in columns for level in column.levels]
    for what, text in texts:
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ArgumentError(
                f"the model cannot be exported: the {what} {text!r:.60} holds a character that no other program can "
                "read (NUL, or half of a surrogate pair); rename it and fit again"
            )


def _labels(classes: list[Any]) -> tuple[int, ...] | tuple[str, ...]:
    """Labels that every target knows: 64-bit whole numbers or texts."""
    classes = [label.item() if isinstance(label, np.generic) else label for label in classes]
    if all(type(label) is int and -(2**63) < label < 2**63 for label in classes):
        return tuple(classes)
    return tuple(map(str, classes))


def _facts(model: Fitted, link: Link) -> dict[str, str]:
    """What a file should say about its origin; a model made by another library may have no
    certificate."""
    facts = {"polytome_version": __version__}
    if link != "softmax":
        facts["model"] = model.kind
    source = source_of(model)
    if source.image_shape is not None:
        height, width = source.image_shape
        facts["image"] = f"each row is an image of {height} x {width} pixels, row after row"
    if (certificate := certificate_of(model)) is not None:
        facts |= {"objective": str(model.objective_), "certificate": str(certificate)}
    if (calibration := calibration_of(model)) is not None:
        facts["calibration"] = calibration.sentence(model.classes_.tolist())
    if (rule := decision_of(model)) is not None:
        facts["decision"] = rule.sentence(model.classes_.tolist())
    marks = [] if source.encoder is None else sorted(set(source.encoder.marks) - MISSING_WORDS)
    if marks:
        facts["missing"] = (
            f"in a column of numbers a missing cell is NaN or NULL: replace {', '.join(marks)} by it first"
        )
    return facts
