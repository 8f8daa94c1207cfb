"""A model card: what to know about a model before using it, as Markdown with the front matter that
model hubs read.

Reference:
    Mitchell et al., "Model cards for model reporting", Conference on Fairness, Accountability, and
    Transparency (2019).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polytome.evaluation.explain import feature_names
from polytome.models.fitted import NO_CERTIFICATE, certificate_of, learns_in_parts
from polytome.models.fitted_source import source_of
from polytome.report.contents import Judged, Measured, metric_lines
from polytome.report.facts import (
    data_facts,
    fit_in_python,
    objective_facts,
    output_labels,
    reproduction_facts,
    training_facts,
)
from polytome.report.wording import (
    certificate_sentence,
    count,
    interval,
    listing,
    number,
    percent,
    prediction_sentences,
    verdict,
)

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

__all__ = ["model_card"]

_MOST_CLASSES = 30
_FEW_ROWS = 50


def model_card(model: Fitted, found: Judged | Measured | None = None, *, name: str = "model") -> str:
    """Write the card of a fitted model.

    Args:
        model: the model; the card shows what its `training_` recorded.
        found: its quality on rows with known labels, from `report.contents.judge_any`; None if
            there are none.
        name: the name of the model.

    Returns:
        Markdown that begins with YAML between two lines of dashes.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> card = model_card(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]), name="tiny")
        >>> card.splitlines()[:3]
        ['---', 'library_name: polytome', 'pipeline_tag: "tabular-classification"']
    """
    record = source_of(model).training
    judged = found if isinstance(found, Judged) else None
    labels = output_labels(model)
    titles = {"labels": ("Labels", "label", "labels"), "numbers": ("Numbers", "number", "numbers")}
    of_labels, one, many = titles.get(model.outputs, ("Classes", "class", "classes"))
    parts = [
        _front_matter(model, judged, name),
        f"# {_plain(name)}\n",
        f"{model.kind[0].upper()}{model.kind[1:]}: {count(len(labels), one, many)}, "
        f"{count(model.n_features_in_, 'feature')}. {verdict(model)}.\n",
        f"{of_labels}: {_plain(listing(labels, _MOST_CLASSES))}.\n",
        "## Data\n",
        *_data(model),
        "## Objective\n",
        *([] if certificate_of(model) is None else [f"    {model.objective_}\n"]),
        _bullets(f"{title}: {text}" for title, text in objective_facts(model)),
        "## Certificate\n",
        *_certificate(model, judged),
        "## Metrics\n",
        *(_measured(found) if isinstance(found, Measured) else _metrics(judged)),
        "## Limits\n",
        _bullets(_limits(model, found)),
        "## How to reproduce it\n",
        f"    {fit_in_python(model) if record is None or record.command is None else record.command}\n",
    ]
    if record is not None:
        parts.append(_bullets(f"{title}: {text}" for title, text in reproduction_facts(record)))
    return "\n".join(parts)


def _front_matter(model: Fitted, judged: Judged | None, name: str) -> str:
    """What model hubs read; every text is written as JSON, which YAML reads."""
    if model.outputs == "numbers":
        task = "tabular-regression"
    else:
        task = "image-classification" if source_of(model).image_shape is not None else "tabular-classification"
    lines = ["---", "library_name: polytome", f'pipeline_tag: "{task}"', "tags:"]
    lines += [f"- {tag}" for tag in (task, *_tags(model))]
    if judged is not None and judged.training_rows == "none":
        data = json.dumps(judged.name)
        lines += ["model-index:", f"- name: {json.dumps(name)}", "  results:", "  - task:", f"      type: {task}"]
        lines += ["    dataset:", f"      name: {data}", f"      type: {data}", "    metrics:"]
        for kind in ("accuracy", "log_loss", "roc_auc", "f1", "brier_score"):
            value = getattr(judged.evaluation, {"roc_auc": "auc"}.get(kind, kind))
            if value is None:
                continue
            lines += [f"    - type: {kind}", f"      value: {value!r}"]
    return "\n".join([*lines, "---", ""])


_NO_PROOFS = "None: nothing is proved of this kind of model."


def _tags(model: Fitted) -> list[str]:
    """What else hubs find the model by."""
    return [model.kind.replace(" ", "-")] if certificate_of(model) is None else ["logistic-regression", "duality-gap"]


def _certificate(model: Fitted, judged: Judged | None) -> list[str]:
    """What is proved, or how a training without a certificate went."""
    if certificate_of(model) is None:
        why = f"None: the model {NO_CERTIFICATE}." if learns_in_parts(model) else _NO_PROOFS
        return [f"{why}\n", _bullets(map(": ".join, training_facts(model)))]
    return [
        certificate_sentence(model) + "\n",
        _bullets(_proved(model, judged)),
        f"Why the fit stopped: {model.stop_.value}.\n",
    ]


def _measured(found: Measured) -> list[str]:
    rows = [(each.name, each.model, each.null or "-") for each in found.measures]
    return [
        f"On {count(found.n_rows, 'row')}: {_plain(found.name)}. The null model predicts the same for every row.\n",
        _table(("", "Model", "Null model"), rows),
    ]


def _proved(model: Fitted, judged: Judged | None) -> list[str]:
    if judged is None:
        return prediction_sentences(model, None, None)
    return prediction_sentences(model, judged.n_settled, judged.n_known)


def _data(model: Fitted) -> list[str]:
    record = source_of(model).training
    if record is None:
        return ["This model has no record of its training data.\n"]
    counts = zip(model.classes_.tolist(), record.class_counts.tolist(), strict=True)
    parts = [_bullets(f"{title}: {text}" for title, text in data_facts(model, record))]
    if len(model.classes_) <= _MOST_CLASSES:
        rows = [(str(label), f"{rows:,}", percent(rows / record.n_rows)) for label, rows in counts]
        parts.append(_table(("Class", "Rows", "Share"), rows))
    if record.notes:
        parts.append(_bullets(record.notes))
    return parts


def _metrics(judged: Judged | None) -> list[str]:
    if judged is None:
        return ["None: the model was not evaluated on rows with known labels.\n"]
    warning = {
        "none": "",
        "some": " They include the training rows, which flatters the model.",
        "all": " They are the training rows, which flatters the model.",
    }[judged.training_rows]
    rows = [
        (
            each.name,
            each.model,
            each.interval,
            each.null,
            f"{each.gain} ({each.gain_interval})" if each.gain != "-" else "-",
        )
        for each in metric_lines(judged)
    ]
    parts = [
        f"On {count(judged.n_known, 'row')}: {_plain(judged.name)}.{warning} Intervals are 95 % intervals; the null "
        "model predicts the frequencies of the classes in these same rows.\n",
        _table(("", "Model", "Interval", "Null model", "Gain"), rows),
    ]
    if len(judged.classes) <= _MOST_CLASSES:
        qualities = [
            (
                str(each.label),
                number(each.n_rows),
                f"{percent(each.recall.value)} ({interval(each.recall, percent)})",
                f"{percent(each.precision.value)} ({interval(each.precision, percent)})",
            )
            for each in judged.classes
        ]
        parts.append(_table(("Class", "Rows", "Recall", "Precision"), qualities))
    return parts


def _limits(model: Fitted, found: Judged | Measured | None) -> list[str]:
    """Known limits of this particular model, and none that would hold for any model."""
    limits = []
    stop = vars(model).get("stop_")
    if stop is not None and not stop.succeeded:
        limits.append(f"The fit is not finished: {stop.value}.")
    if found is None or found.training_rows != "none":
        limits.append("How good it is on new rows is not known: it was not evaluated on any.")
    elif isinstance(found, Judged):
        limits += _limits_of_quality(found)
    limits += _limits_of_data(model)
    limits.append(
        "Each score is a sum over the features, so the effect of a feature does not depend on the others, and beyond "
        "the range of the training data it continues in a straight line."
    )
    return limits


def _limits_of_quality(judged: Judged) -> list[str]:
    found, limits = judged.quality, []
    if not found.accuracy_gain.low > 0:
        limits.append("It is not shown to be right more often than always predicting the most frequent class.")
    if not found.log_loss_gain.low > 0:
        limits.append("Its probabilities are not shown to be better than the frequencies of the classes.")
    worst = min((each for each in judged.classes if each.n_rows), key=lambda each: each.recall.value)
    limits.append(
        f"The class found least often is {worst.label}: {percent(worst.recall.value)} of its "
        f"{number(worst.n_rows)} {'row' if worst.n_rows == 1 else 'rows'} ({interval(worst.recall, percent)})."
    )
    outside = sum(not each.lower <= each.mean_probability <= each.upper for each in judged.bins)
    limits.append(
        f"Calibration: in {outside} of {count(len(judged.bins), 'bin')} of probability the predicted one lies outside "
        "the 95 % interval of the observed frequency."
    )
    if judged.evaluation.n_unseen:
        labels = listing(list(judged.evaluation.unseen), 8)
        limits.append(
            f"It can only predict its own classes: {count(judged.evaluation.n_unseen, 'row')} had others ({labels})."
        )
    return limits


def _limits_of_data(model: Fitted) -> list[str]:
    limits, encoder, record = [], source_of(model).encoder, source_of(model).training
    if encoder is not None and any(column.kind == "category" for column in encoder.columns):
        limits.append(
            "A level of a category that training never saw is refused."
            if encoder.unknown == "error"
            else "A level of a category that training never saw counts as none of the known levels."
        )
    if encoder is not None and encoder.has_text:
        limits.append(
            "Of a text it knows which terms occur and how often, not their order or meaning; terms that training never "
            "saw count for nothing."
        )
    if encoder is not None and encoder.missing == "mean":
        limits.append(
            "A missing number is replaced by its mean in training, a missing category is treated as a separate level."
        )
    if record is None:
        return limits
    rarest = int(record.class_counts.argmin())
    if record.class_counts[rarest] < _FEW_ROWS:
        label = model.classes_[rarest]
        limits.append(f"Training had {count(int(record.class_counts[rarest]), 'row')} of the class {label}.")
    if record.constant.size:
        n, names = int(record.constant.size), feature_names(model)
        which = (
            "" if source_of(model).image_shape is not None else f": {listing([names[j] for j in record.constant], 8)}"
        )
        limits.append(f"It has learned nothing about {count(n, 'feature')} that never changed in training{which}.")
    return limits


def _bullets(lines: Any) -> str:
    return "".join(f"- {_plain(line)}\n" for line in lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *([_plain(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(text: Any) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, one line."""
    one_line = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]<>|&~$#])", r"\\\1", one_line)
