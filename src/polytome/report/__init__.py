"""A report on a fitted model: one HTML file that can be read without a network, without scripts,
and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polytome.files.atomic_files import atomic_output
from polytome.models.fitted_source import source_of
from polytome.report.facts import output_labels

if TYPE_CHECKING:
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.fitted import Fitted
    from polytome.models.path import RegularizationPath

__all__ = ["Report", "make_report"]


class Report:
    """A finished report.

    A notebook shows it in a separate frame, so that its style does not affect the notebook's.

    Attributes:
        html: the whole page.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, whole or not at all.

        Raises:
            FileError: the file cannot be written; an existing one is unchanged.
        """
        with atomic_output(path) as stream:
            stream.write(self.html.encode())

    def _repr_html_(self) -> str:
        frame = 'style="width: 100%; height: 40rem; border: 1px solid #d0d7de" sandbox title="Report"'
        return f'<iframe {frame} srcdoc="{escape(self.html)}"></iframe>'


def make_report(
    model: Fitted | LogisticRegressionCV,
    X: Any = None,
    y: Any = None,
    *,
    name: str = "rows given in Python",
    row_names: Any = None,
    sample_weight: Any = None,
    title: str | None = None,
    path: RegularizationPath | None = None,
    texts: Sequence[str] | None = None,
) -> Report:
    """Write the report on a fitted model.

    Args:
        model: the model; the report shows what its `training_` recorded, and says if there is no
            record.
        X: features of rows with known labels, preferably not used in the fit (the report says
            plainly if the record of training shows that they were), shape (n, d), or a data frame
            for a model that was trained on a table; rows of `open_rows` (of many some, drawn at
            random). None takes the rows that training held out, if there are any.
        y: their labels, shape (n,); None where X has them.
        name: where these rows come from.
        row_names: the number of each row in its file, or the name of its own file; None counts them
            from 1.
        sample_weight: of each of these rows, for the metrics; None for equal ones.
        title: the title of the page; None makes one from the data.
        path: of a `LogisticRegressionCV` the path on all rows with the chosen l1_ratio, to be
            drawn.
        texts: of a model of texts the text of each row, to be shown with the rows that are judged
            worst; None for none.

    Raises:
        ArgumentError: the model is of another kind, or only one of X and y is given.
        DataError: X does not suit the model, or no label is one of its classes.
        MissingExtraError: Jinja2, Matplotlib or Pillow is not installed.
        sklearn.exceptions.NotFittedError: the model has not been fitted.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"])
        >>> "<h1>Report on a model of 2 classes</h1>" in make_report(model).html
        True
    """
    from polytome.errors import ArgumentError
    from polytome.files.streamed_predictions import sample_of_test_rows
    from polytome.models.cross_validation import LogisticRegressionCV
    from polytome.models.framed import table_of
    from polytome.report.contents import judge_any
    from polytome.report.facts import check_reported
    from polytome.report.page import report_page
    from polytome.report.tuned import Tuned
    from polytome.tables.streams.table import StreamedTable

    check_reported(model)
    tuned = None
    if isinstance(model, LogisticRegressionCV):
        tuned, model = Tuned(model, path), model.best_model()
    if X is None and y is None and (held_out := source_of(model).held_out) is not None:
        X, y, name, row_names = held_out.X, held_out.y, held_out.name, held_out.row_names
        sample_weight = held_out.weight
    if isinstance(X, StreamedTable):
        X, y, row_names, sample_weight = sample_of_test_rows(X, 0)
    elif X is not None and (table := table_of(model, X, y)) is not None:
        X, y = table.X, table.y
    if (X is None) != (y is None):
        raise ArgumentError("X, y: a report on rows needs both features and labels; give both or neither")
    judged = None
    if X is not None:
        how: dict[str, Any] = {"row_names": row_names, "sample_weight": sample_weight, "texts": texts}
        judged = judge_any(model, X, y, name=name, **how)
    return Report(report_page(model, judged, title or _title(model), tuned))


def _title(model: Fitted) -> str:
    """A title from the record of training, or else from the model."""
    record = source_of(model).training
    if record is None or record.source is None:
        counted = {"labels": "labels", "numbers": "numbers"}.get(model.outputs, "classes")
        return f"Report on a model of {len(output_labels(model))} {counted}"
    return f"Report on a model of {Path(record.source).name}"
