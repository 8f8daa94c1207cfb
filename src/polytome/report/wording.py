"""What a report says in sentences: plain text, from numbers that are computed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polytome.evaluation.explain import has_odds, reference_levels
from polytome.evaluation.settled import mean_variation_bound
from polytome.models.calibration import calibration_of
from polytome.models.decision import decision_of
from polytome.models.fitted import certificate_of
from polytome.models.fitted_source import source_of
from polytome.models.separation import separation_sentence
from polytome.numerics.outward import rounded_up
from polytome.tables.frames import listing as quoted_listing

if TYPE_CHECKING:
    from polytome.evaluation.intervals import Estimate
    from polytome.models.fitted import Fitted

__all__ = [
    "bound",
    "cell_number",
    "certificate_sentence",
    "count",
    "interval",
    "levels_sentence",
    "listing",
    "number",
    "percent",
    "points",
    "prediction_sentences",
    "rounded_up",
    "short_number",
    "terms_sentence",
    "verdict",
]


def number(value: float | int | None, digits: int = 4) -> str:
    """A number for a reader: whole numbers in full, others with a few digits, a dash for none.

    Example:
        >>> number(60000), number(0.23212003), number(1.6e-5), number(float("nan"))
        ('60,000', '0.2321', '1.6e-05', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return (
        f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3g}"
    )


def cell_number(value: float | int | None) -> str:
    """A number of a table, which may be a year: four digits are not divided.

    Example:
        >>> cell_number(1987), cell_number(1987.25), cell_number(-1987), cell_number(12345.6)
        ('1987', '1987', '-1987', '12,346')
    """
    text = number(value)
    return text.replace(",", "") if len(text.lstrip("-")) == len("1,987") else text


def short_number(value: float | None) -> str:
    """A number with three digits, trailing zeros included, so that both ends of an interval look
    alike.

    Example:
        >>> short_number(0.25), short_number(4.8e-5), short_number(1234.5)
        ('0.250', '4.80e-05', '1,234')
    """
    if value is None or not math.isfinite(value) or value == 0 or abs(value) >= 100:
        return number(value, 3)
    return f"{value:#.3g}"


def bound(value: float, digits: int = 3) -> str:
    """A bound with a few digits, rounded up so that what is printed is proved too.

    Example:
        >>> bound(0.25), bound(4.8001e-5), bound(1234.5), bound(0.040001, 2)
        ('0.250', '4.81e-05', '1,240', '0.041')
    """
    value = rounded_up(value, digits)
    return number(value, digits) if value == 0 or abs(value) >= 100 else f"{value:#.{digits}g}".rstrip(".")


def levels_sentence(model: Fitted) -> str | None:
    """What the coefficient of a level of a category is compared with; None for a model without
    categories, or without an intercept.

    Example:
        >>> import pandas, polytome
        >>> people = pandas.DataFrame({"hue": ["red", "red", "blue", "blue"] * 2, "y": list("ababbaaa")})
        >>> levels_sentence(polytome.train(people, "y")).partition(":")[0]
        'All levels of a category stay in under the penalty, none is the reference'
    """
    encoder = source_of(model).encoder
    if encoder is None or not any(column.kind == "category" for column in encoder.columns):
        return None
    steps = [column for column in encoder.columns if column.steps]
    if len(steps) < len(reference_levels(model)):
        return "Of a category one level is left out, and the coefficients of the others compare them with it."
    if steps:
        told = f"A step, such as {steps[0].name}>={steps[0].steps[1]}, compares a level with the one before it."
        full = any(column.kind == "category" and not column.steps for column in encoder.columns)
        others = _full_levels(model, "other categories") if full else None
        return told if others is None else f"{told} {others}"
    return _full_levels(model, "a category")


def _full_levels(model: Fitted, of: str) -> str | None:
    """How to read coefficients of categories that leave no level out."""
    if vars(model).get("fit_intercept") is False or certificate_of(model) is None:
        return None
    how = "the quotient of their odds ratios" if has_odds(model) else "the difference of their coefficients"
    if model.objective_.strength > 0:
        return (
            f"All levels of {of} stay in under the penalty, none is the reference: a coefficient is shrunk "
            f"towards a middle of the levels, and two levels are compared by {how}."
        )
    return (
        f"All levels of {of} stay in, and nothing decides between their coefficients and the intercept: two "
        f"levels are compared by {how}, and a coefficient alone means nothing."
    )


def terms_sentence(model: Fitted) -> str | None:
    """Which columns cannot change alone, as others are made of them; None where there are no terms.

    Example:
        >>> import pandas, polytome
        >>> people = pandas.DataFrame({"age": range(8), "y": list("ababbaaa")})
        >>> terms_sentence(polytome.train(people, "y", powers={"age": 2}))
        "'age^2' is made of other columns and changes with them: their coefficients mean something together only."
    """
    encoder = source_of(model).encoder
    titles = [] if encoder is None else [column.term.title for column in encoder.columns if column.term is not None]
    if not titles:
        return None
    names = list(dict.fromkeys(titles))
    are = "is made of other columns and changes" if len(names) == 1 else "are made of other columns and change"
    return f"{quoted_listing(names)} {are} with them: their coefficients mean something together only."


def percent(share: float) -> str:
    """A share in per cent; shares close to 0 or 1 are not rounded to 0 % or 100 %.

    Example:
        >>> percent(0.9264), percent(0.000057), percent(0.99998), percent(1.0)
        ('92.6 %', '0.0057 %', '99.998 %', '100 %')
    """
    if math.isnan(share):
        return "-"
    return f"{_points(100 * share)} %"


def points(difference: float) -> str:
    """A difference of two shares, in percentage points.

    Example:
        >>> points(0.6), points(-0.0123)
        ('+60.0 points', '-1.2 points')
    """
    return "-" if math.isnan(difference) else f"{'+' if difference > 0 else ''}{_points(100 * difference)} points"


def _points(value: float) -> str:
    if value in (0, 100):
        return f"{value:.0f}"
    if abs(value) < 0.995:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.5g}"


def interval(estimate: Estimate, form: Callable[[float], str]) -> str:
    """The ends of an interval, from low to high, each in the given form.

    Example:
        >>> from polytome.evaluation.intervals import wilson_interval
        >>> interval(wilson_interval(9, 10), percent)
        '59.6 % to 98.2 %'
    """
    if math.isnan(estimate.low):
        return "-"
    return f"{form(estimate.low)} to {form(estimate.high)}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """A number of things.

    Example:
        >>> count(1, "row"), count(2000, "row"), count(2, "class", "classes")
        ('1 row', '2,000 rows', '2 classes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(names: Sequence[Any], most: int = 12) -> str:
    """Names as messages list them, but without quotes.

    Example:
        >>> listing(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    return quoted_listing(names, most, str)


def verdict(model: Fitted) -> str:
    """The certificate in a few words.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> verdict(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"]))
        'Proved to be at its minimum within the tolerance'
    """
    certificate = certificate_of(model)
    if certificate is None:
        return "Without a certificate"
    if certificate.is_of_separation:
        return "Proved to have no minimum: the classes are separated"
    if not certificate.holds:
        return "NOT shown to be at its minimum within the tolerance"
    if certificate.kind == "estimate":
        return "Estimated, not proved, to be at its minimum within the tolerance"
    return "Proved to be at its minimum within the tolerance"


def certificate_sentence(model: Fitted) -> str:
    """What the certificate says about the objective, for a reader who does not know duality.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"])
        >>> certificate_sentence(model).split(",")[0]
        'It is proved that no other coefficients bring the objective'
    """
    certificate = model.certificate_
    is_proof = certificate.kind == "proof"
    reached, asked = bound(certificate.gap) if is_proof else short_number(certificate.gap), percent(certificate.tol)
    share = percent(rounded_up(certificate.relative_gap, 2)) if math.isfinite(certificate.gap) else "-"
    if certificate.is_of_separation:
        return (
            "These coefficients classify every training row correctly, which proves that the classes can be "
            "separated perfectly. Without a penalty there are then no finite optimal coefficients: the larger the "
            f"factor by which these are multiplied, the closer the objective, now {number(certificate.objective)} "
            "nats, comes to 0."
        )
    if not math.isfinite(certificate.gap):
        return "No distance from the minimum could be proved: the fit stopped before its intercept was exact."
    if not is_proof:
        told = (
            "Without a penalty nothing was proved. From the curvature at these coefficients it is estimated that the "
            f"objective, {number(certificate.objective)} nats, is {reached} nats above its minimum, {share} of the "
            f"objective of the null model."
        )
    else:
        told = (
            f"It is proved that no other coefficients bring the objective, {number(certificate.objective)} nats, down "
            f"by more than {reached} nats, {share} of the objective of the null model."
        )
        if certificate.is_of_curvature:
            told += " Without a penalty, that follows from the curvature at these coefficients."
    told += f" {'That is within' if certificate.holds else 'That is NOT within'} the {asked} that were asked for."
    return f"{told} {separation_sentence(model)}".rstrip()


def prediction_sentences(model: Fitted, n_settled: int | None, n_rows: int | None) -> list[str]:
    """What the certificate means for predictions; "proved" is said only of what is proved.

    Args:
        model: a fitted model.
        n_settled: how many of the other rows are proved to keep their class; None if there are no
            other rows.
        n_rows: the number of other rows.

    Example:
        >>> from polytome.files.sources import fit_source, open_source
        >>> from polytome.models.logistic import LogisticRegression
        >>> prediction_sentences(fit_source(LogisticRegression(), open_source("iris")), None, None)[1]
        'Proved: at the exact minimum every training row would be given the class that it is given now.'
    """
    certificate, record = model.certificate_, source_of(model).training
    if certificate.is_of_separation:
        return ["Nothing is proved about predictions: separated classes have no exact minimum to compare with."]
    if certificate.kind != "proof" or not math.isfinite(certificate.gap):
        return ["Nothing is proved about predictions: that requires a proof, and a finite gap."]
    columns = "columns scaled as in the penalty" if certificate.strength > 0 else "columns divided by their scale"
    coefficients = (
        f"Proved: the coefficients are within a distance of {bound(certificate.coefficient_bound)} of the optimal "
        f"ones (root of the sum of squares, for {columns})."
    )
    if not math.isfinite(certificate.coefficient_bound):
        coefficients = (
            "Not proved: how far the coefficients are from optimal ones. Without a penalty there can be others that "
            "are as good, or none that are finite."
        )
    if certificate.l1_ratio == 1:
        sums = "absolute values" if model.objective_.groups == "none" else "norms of groups"
        sums += " and absolute values" if model.objective_.group_ratio < 1 else ""
        coefficients = (
            f"Not proved: how far the coefficients are from optimal ones. Under a penalty of {sums} alone there can be "
            "others that are as good."
        )
    if model.objective_.loss not in ("softmax", "logistic"):
        return [coefficients]
    average = bound(100 * mean_variation_bound(certificate.gap), 2)
    rule, calibration = decision_of(model), calibration_of(model)
    what = "predicted probabilities" if calibration is None else "probabilities of the fit, before their correction,"
    told = [
        f"Proved: on average over the training rows, each with its weight, the {what} differ from those of the exact "
        f"minimum by at most {average} percentage points (total variation)."
    ]
    is_table = calibration is not None and calibration.is_table
    if rule is None and calibration is not None and (is_table or calibration.shift is not None):
        told.append(
            "Not proved: that training rows keep their class by the corrected probabilities, as the correction was "
            "chosen after the fit."
        )
    elif rule is not None:
        what = "costs" if rule.costs is not None else "cut-off"
        told.append(
            f"Not proved: that training rows keep their class by the {what} in force, which was chosen after the fit; "
            "probabilities do not depend on it."
        )
    elif record is not None and record.could_change is not None:
        told.append(_training_sentence(record.could_change, record.n_rows))
    if (
        record is not None
        and record.centre_bounds.size
        and n_settled is not None
        and n_rows
        and (rule is None or rule.costs is None)
        and not is_table
    ):
        told.append(_new_rows_sentence(n_settled, n_rows))
    told.append(coefficients)
    if certificate.estimate is not None and certificate.estimate < certificate.gap:
        told.append(
            f"Estimated, not proved: the curvature suggests that the objective is only "
            f"{short_number(certificate.estimate)} nats above its minimum."
        )
    return told


def _training_sentence(could_change: int, n_rows: int) -> str:
    if could_change == 0:
        return "Proved: at the exact minimum every training row would be given the class that it is given now."
    if could_change == n_rows:
        return "Not proved: that any training row would be given the same class at the exact minimum."
    return (
        f"Proved: of the {n_rows:,} training rows at most {could_change:,} ({percent(could_change / n_rows)}) would "
        "be given another class at the exact minimum."
    )


def _new_rows_sentence(n_settled: int, n_rows: int) -> str:
    if n_settled == n_rows:
        return f"Proved: each of the {n_rows:,} rows below would be given the same class at the exact minimum."
    remedy = "The bound for rows outside the training data is coarse; a smaller tolerance (tol) proves more."
    if n_settled == 0:
        return f"Not proved: that any of the {n_rows:,} rows below would keep its class at the exact minimum. {remedy}"
    return (
        f"Proved: of the {n_rows:,} rows below {n_settled:,} ({percent(n_settled / n_rows)}) keep their class at the "
        f"exact minimum; about the others nothing is proved. {remedy}"
    )
