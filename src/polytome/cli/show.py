"""Results as text of 80 columns, without boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any

from polytome.cli.output import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from polytome.certificates.certificate import Certificate
    from polytome.evaluation.explain import Coefficient
    from polytome.evaluation.intervals import Estimate
    from polytome.evaluation.metrics import Evaluation
    from polytome.models.fitted import Fitted

__all__ = [
    "balance",
    "coefficients_title",
    "model_line",
    "show_certificate",
    "show_coefficients",
    "show_evaluation",
    "show_facts",
    "show_table",
]

_FEW_CLASSES = 8
_MOST_CLASSES = 20


def show_facts(console: Console, facts: Mapping[str, str | Text]) -> None:
    """Print names on the left and their values on the right."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, width=11)
    grid.add_column()
    for name, fact in facts.items():
        grid.add_row(name, fact if isinstance(fact, Text) else Text(printable(fact)))
    console.print(grid)


def show_table(
    console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[object]], whole: str = ""
) -> None:
    """Print a table; columns whose cells are all numbers are aligned to the right, and the cells of
    the column `whole`, which are to be copied, are never divided."""
    from rich.table import Table
    from rich.text import Text

    console.print()
    console.print(Text(printable(title), style="bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for place, head in enumerate(heads):
        is_number = all(isinstance(row[place], int | float) for row in rows)
        table.add_column(
            Text(printable(head)), justify="right" if is_number else "left", overflow="fold", no_wrap=head == whole
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def show_certificate(console: Console, certificate: Certificate) -> None:
    """Print the sentence of a certificate, green where it holds."""
    from rich.text import Text

    style = "green" if certificate.holds else "yellow"
    show_facts(console, {"Certificate": Text(str(certificate), style=style)})


def balance(counts: Mapping[Any, int]) -> str:
    """How many rows each class has; with many classes, the smallest and the largest.

    Example:
        >>> balance({"no": 2, "yes": 1})
        'no 2, yes 1'
    """
    if len(counts) <= _FEW_CLASSES:
        return ", ".join(f"{label} {count:,}" for label, count in counts.items())
    least, most = min(counts, key=lambda label: counts[label]), max(counts, key=lambda label: counts[label])
    return f"from {counts[least]:,} rows (class {least}) to {counts[most]:,} (class {most})"


def model_line(model: Fitted) -> str:
    """The kind, size and penalty of a model, in one line."""
    import numpy as np

    from polytome.models.fitted import certificate_of

    intercepts = 0 if vars(model).get("fit_intercept") is False else np.size(model.intercept_)
    # Those of an offset are 1, and were not learned.
    learned = model.coef_.size - len(model.coef_) * len(vars(model).get("offset_columns_", ()))
    size = f"{learned + intercepts:,} coefficients"
    if certificate_of(model) is None:
        return f"{model.kind}, {size}"
    strength = f"C = {model.objective_.C:.6g}" if model.objective_.strength > 0 else "no penalty"
    if model.objective_.l1_ratio > 0:
        zeros = int((model.coef_ == 0).sum())
        strength += f", l1_ratio = {model.objective_.l1_ratio:g}"
        if model.objective_.groups != "none":
            strength += f", groups = {model.objective_.groups}"
            if model.objective_.group_ratio < 1:
                strength += f", group_ratio = {model.objective_.group_ratio:g}"
        strength += f": {zeros:,} of {model.coef_.size:,} coefficients are 0"
    if model.objective_.bounds != "none":
        at_bound = int(vars(model)["at_bound_"].sum())
        strength += f", {model.objective_.bounds}: {at_bound:,} of {model.coef_.size:,} coefficients at a bound"
    return f"{model.kind}, {size}, {strength}"


def coefficients_title(model: Fitted) -> str:
    """What the coefficients of a model mean, in one line."""
    from polytome.evaluation.explain import has_odds

    if has_odds(model):
        first, second = model.classes_.tolist()
        return f"Largest coefficients: change of the log odds of {second} against {first}"
    what = {"classes": "class's score", "pairs": "pair's score", "labels": "label's score", "numbers": "number"}
    return f"Largest coefficients: change of the {what[model.outputs]} per unit of the feature"


def show_evaluation(console: Console, evaluation: Evaluation, what: str) -> None:
    """Print all metrics beside those of the null model, unseen labels, the quality of classes, and
    what is confused with what."""
    known = evaluation.n_rows - evaluation.n_unseen
    rows = [
        (printable(each.name), f"{each.value:.4f}", _decimals(each.null), _interval(each.low, each.high))
        for each in evaluation.metrics()
    ]
    weighted = ", each with its weight" if evaluation.confusion.dtype.kind == "f" else ""
    show_table(console, f"On {known:,} {what}{weighted}", ("", "model", "null model", "95 % interval"), rows)
    if evaluation.n_unseen:
        labels = ", ".join(f"{label} {count:,}" for label, count in list(evaluation.unseen.items())[:_FEW_CLASSES])
        more = len(evaluation.unseen) - _FEW_CLASSES
        console.print(
            printable(
                f"{evaluation.n_unseen:,} more rows have labels that training never saw: {labels}"
                f"{f' and {more} more' if more > 0 else ''}. With these as errors the accuracy is "
                f"{evaluation.accuracy_of_all:.4f}."
            )
        )
    _show_classes(console, evaluation)
    _show_confusion(console, evaluation)


def _decimals(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or low != low else f"{low:.4f} to {high:.4f}"


def _show_classes(console: Console, evaluation: Evaluation) -> None:
    """Print the quality of each class, or of many of those with the lowest recall."""
    found = [each for each in evaluation.per_class if each.n_rows or each.n_predicted]
    title = "Each class, with 95 % intervals"
    if len(found) > _MOST_CLASSES:
        found = sorted((each for each in found if each.n_rows), key=lambda each: each.recall.value)[:_FEW_CLASSES]
        title = f"The {len(found)} of {len(evaluation.classes)} classes with the lowest recall, with 95 % intervals"
    rows = [
        (str(each.label), each.n_rows, _share(each.precision), _share(each.recall), f"{each.f1:.3f}") for each in found
    ]
    show_table(console, title, ("class", "rows", "precision", "recall", "F1"), rows)


def _share(estimate: Estimate) -> str:
    if estimate.value != estimate.value:
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _show_confusion(console: Console, evaluation: Evaluation) -> None:
    """Print the whole table where it fits, or else the pairs that are confused most often."""
    from polytome.evaluation.metrics import confused_pairs

    labels = [printable(label) for label in evaluation.classes.tolist()]
    counts = evaluation.confusion.tolist()
    largest = max(len(_cell(count)) for row in counts for count in row)
    if max(map(len, labels)) + 2 + sum(max(len(label), largest) + 2 for label in labels) <= console.width:
        rows = [(label, *row) for label, row in zip(labels, counts, strict=True)]
        show_table(console, "Confusion: true classes in rows, predicted in columns", ("", *labels), rows)
        return
    pairs = confused_pairs(evaluation.confusion, evaluation.classes)
    if not pairs:
        console.print("\nNo class is confused with another.")
        return
    pair_rows = [(str(pair.true), str(pair.predicted), pair.n_rows, f"{pair.share:.1%}") for pair in pairs]
    show_table(console, "Most confused pairs", ("true", "predicted", "rows", "of the class"), pair_rows)


def show_coefficients(
    console: Console,
    coefficients: Sequence[Coefficient],
    title: str,
    about_levels: str | None = None,
    about_terms: str | None = None,
) -> None:
    """Print coefficients class by class; in a binary model with their odds ratios; those of levels
    with the level that they are against, or what a level is compared with; where deviations are
    known their effect per deviation; and what is said of terms."""
    from rich.text import Text

    if not coefficients:
        console.print("\nEvery coefficient is zero.")
        return
    binary = any(coefficient.odds_ratio is not None for coefficient in coefficients)
    compares = any(coefficient.against is not None for coefficient in coefficients)
    rows: list[tuple[object, ...]] = []
    previous: Any = None
    for coefficient in coefficients:
        label = "" if coefficient.label == previous else str(coefficient.label)
        previous = coefficient.label
        row: tuple[object, ...] = (label, coefficient.feature, coefficient.value)
        row = (*row[1:], coefficient.odds_ratio) if binary else row
        row = row if coefficient.per_deviation is None else (*row, coefficient.per_deviation)
        rows.append((*row, coefficient.against or "") if compares else row)
    heads: tuple[str, ...] = ("feature", "coefficient", "odds ratio") if binary else ("class", "feature", "coefficient")
    if any(coefficient.per_deviation is not None for coefficient in coefficients):
        heads = (*heads, "per deviation")
    show_table(console, title, (*heads, "against") if compares else heads, rows)
    if about_levels is not None and not compares:
        console.print(Text(about_levels, style="dim"))
    if about_terms is not None:
        console.print(Text(about_terms, style="dim"))


def _cell(value: object) -> str:
    """Text unchanged, whole numbers in full, others with four digits, or where these are those of 1
    with two of how far it is from 1, as odds ratios of columns with large numbers are near it."""
    if isinstance(value, float):
        text = f"{value:.4g}"
        return text if text != "1" or value == 1 else f"{value:.{2 - floor(log10(abs(value - 1)))}g}"
    return f"{value:,}" if isinstance(value, int) else printable(value)
