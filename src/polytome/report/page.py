"""A report as one HTML page: the template, and the functions that it calls."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polytome.errors import MissingExtraError
from polytome.evaluation.diagnosis import largest_effects
from polytome.evaluation.explain import feature_names, has_odds, output_names
from polytome.evaluation.ordering import largest
from polytome.models.fitted import certificate_of
from polytome.models.fitted_source import source_of
from polytome.pages import base_styles, document
from polytome.report import wording
from polytome.report.contents import Judged, Measured, metric_lines
from polytome.report.facts import (
    data_facts,
    fit_in_python,
    objective_facts,
    output_labels,
    reproduction_facts,
    training_facts,
)
from polytome.report.pictures import Picture, figure, row_picture
from polytome.report.tuned import Tuned

if TYPE_CHECKING:
    from jinja2 import Template

    from polytome.models.fitted import Fitted
    from polytome.report.contents import Shown

__all__ = ["report_page"]

_FEW_CLASSES = 12
_MOST_LISTED = 40
_MOST_COLUMNS = 60
_LONGEST_NAME = 32


def report_page(model: Fitted, found: Judged | Measured | None, title: str, tuned: Tuned | None = None) -> str:
    """The whole page.

    Args:
        model: a fitted model.
        found: its quality on rows with known labels; None if there are none.
        title: the title of the page.
        tuned: how its penalty was chosen; None if it was given.

    Raises:
        MissingExtraError: Jinja2, Matplotlib or Pillow is not installed.
    """
    record, certificate = source_of(model).training, certificate_of(model)
    judged = found if isinstance(found, Judged) else None
    measured = found if isinstance(found, Measured) else None
    body = _template().render(
        model=model,
        certificate=certificate,
        formula=None if certificate is None else model.objective_,
        stop=vars(model).get("stop_"),
        measured=measured,
        tuned=tuned,
        binary=has_odds(model),
        about_levels=wording.levels_sentence(model),
        about_terms=wording.terms_sentence(model),
        training_facts=training_facts(model) if certificate is None else [],
        record=record,
        judged=judged,
        say=wording,
        figures=_figures(model, judged) | ({} if tuned is None else tuned.figures()),
        classes=_classes(model),
        columns=_columns(model),
        effects=_effects(model),
        class_table=_class_table(judged),
        metric_lines=[] if judged is None else metric_lines(judged),
        ink=lambda shown: _ink(model, shown),
        source=Path(record.source).name if record is not None and record.source else "",
        labels=[str(label) for label in output_labels(model)],
        objective_facts=objective_facts(model),
        data_facts=[] if record is None else data_facts(model, record),
        reproduction_facts=[] if record is None else reproduction_facts(record),
        in_python=fit_in_python(model),
        is_image=source_of(model).image_shape is not None,
    )
    sheet = files("polytome.report").joinpath("report.css").read_text(encoding="utf-8")
    head = f"<style>\n{base_styles()}{sheet}</style>"
    return document(
        title,
        wording.verdict(model) + ".",
        body,
        head=head,
        navigation=_contents(model, judged, measured, tuned is not None),
        kind="report",
    )


@cache
def _template() -> Template:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError('a report needs Jinja2: pip install "polytome[report]"') from error
    environment = Environment(
        loader=PackageLoader("polytome.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in ("interval", "number", "percent", "points")}
    return environment.get_template("report.html")


def _contents(model: Fitted, judged: Judged | None, measured: Measured | None, is_tuned: bool) -> str:
    """Links to the sections of this report."""
    sections = {"objective": "Objective", "data": "Data"}
    if certificate_of(model) is not None:
        sections["certificate"] = "Certificate"
    if is_tuned:
        sections["choice"] = "Choice"
    if measured is not None:
        sections["quality"] = "Quality"
    if judged is not None:
        sections |= {"quality": "Quality", "calibration": "Calibration", "confusion": "Confusion"}
    sections["effects"] = "What it has learnt"
    if judged is not None:
        sections["rows"] = "Rows to look at"
    sections |= {"fit": "How the fit went", "reproduce": "Reproduce"}
    links = "".join(f'<li><a href="#{place}">{name}</a></li>' for place, name in sections.items())
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _figures(model: Fitted, judged: Judged | None) -> dict[str, Picture]:
    """All figures, by name."""
    from polytome.plots import (
        CalibrationDisplay,
        CoefficientsDisplay,
        ConfusionDisplay,
        ConvergenceDisplay,
        PrecisionRecallDisplay,
        RocDisplay,
    )

    found = {}
    if certificate_of(model) is not None:
        found["convergence"] = figure(ConvergenceDisplay.from_estimator(model))
    if source_of(model).image_shape is not None:
        found["coefficients"] = figure(CoefficientsDisplay.from_estimator(model))
    if judged is None:
        return found
    names = _names_in_figures(model)
    event = "the predicted class" if judged.event_class is None else repr(names[judged.event_class])
    classes = np.array([names[label] for label in judged.evaluation.classes.tolist()])
    found["calibration"] = figure(CalibrationDisplay(judged.bins, event).plot())
    found["confusion"] = figure(ConfusionDisplay(judged.evaluation.confusion, classes).plot())
    if judged.roc:
        roc, precision_recall = (
            {names[label]: curve for label, curve in curves.items()} for curves in (judged.roc, judged.precision_recall)
        )
        found["roc"] = figure(RocDisplay(roc).plot())
        found["precision_recall"] = figure(PrecisionRecallDisplay(precision_recall).plot())
    return found


def _names_in_figures(model: Fitted) -> dict[Any, str]:
    """Each class's name, cut to fit a figure; long names end with their position, so that all
    differ."""
    names = {}
    for k, label in enumerate(model.classes_.tolist()):
        text = " ".join(str(label).split())
        names[label] = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 10]}... ({k + 1})"
    return names


def _classes(model: Fitted) -> dict[str, Any] | None:
    """Rows of each class: all classes if they are few, else the rarest and the most frequent."""
    record = source_of(model).training
    if record is None:
        return None
    counts = list(zip(map(str, model.classes_.tolist()), record.class_counts.tolist(), strict=True))
    if len(counts) <= _MOST_LISTED:
        return {"all": True, "counts": counts}
    counts.sort(key=lambda each: each[1])
    return {"all": False, "counts": counts[:5] + counts[-5:]}


def _columns(model: Fitted) -> list[tuple[str, float, float, float]]:
    """Name, smallest value, mean and largest value of the numeric columns, if they are few enough
    to be read."""
    record, encoder = source_of(model).training, source_of(model).encoder
    if record is None or source_of(model).image_shape is not None:
        return []
    positions, place = list(range(model.n_features_in_)), 0
    if encoder is not None:
        positions = []
        for column in encoder.columns:
            if column.kind == "number":
                positions.append(place)
            place += column.width
    if len(positions) > _MOST_COLUMNS:
        return []
    names = feature_names(model)
    return [(names[j], float(record.low[j]), float(record.mean[j]), float(record.high[j])) for j in positions]


def _effects(model: Fitted) -> list[Any]:
    """The largest effects: some for each class if these are few, else the largest of all
    classes."""
    if source_of(model).image_shape is not None:
        return []
    n_outputs = len(output_names(model))
    if n_outputs == 1:
        return largest_effects(model, most=15)[0]
    found = [each for effects in largest_effects(model, most=5) for each in effects]
    if n_outputs > _FEW_CLASSES:
        known = source_of(model).training is not None
        sizes = [abs(each.over_range if known else each.coefficient) for each in found]
        names = [(each.feature, place) for place, each in enumerate(found)]
        found = [found[j] for j in largest(sizes, 30, names)]
    return found


def _class_table(judged: Judged | None) -> dict[str, Any]:
    """Quality of each class; if they are many, of those with the lowest recall."""
    if judged is None:
        return {"all": True, "rows": []}
    rows = [each for each in judged.classes if each.n_rows or each.n_predicted]
    if len(rows) <= _MOST_LISTED:
        return {"all": True, "rows": rows}
    present = [each for each in rows if each.n_rows > 0]
    return {"all": False, "rows": [present[k] for k in largest([1 - each.recall.value for each in present], 20)]}


def _ink(model: Fitted, shown: Shown) -> Picture:
    """A row of pixels as a picture."""
    record, shape = source_of(model).training, source_of(model).image_shape or (1, len(shown.values or ()))
    values = np.asarray(shown.values)
    full = float(values.max()) if record is None else float(record.high.max())
    true, predicted = (str(model.classes_[k]) for k in (shown.judged.true, shown.judged.predicted))
    alt = f"{shown.name}: {true}" if true == predicted else f"{shown.name}: {true}, predicted as {predicted}"
    return row_picture(values, shape, full, alt)
