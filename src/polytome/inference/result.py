"""A table of coefficients with all that can be asked of it, however they were estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError
from polytome.inference.design import Design
from polytome.inference.display import Summary, number, p_text
from polytome.inference.estimate import Estimate, Refitter, two_sided, width_of
from polytome.inference.frames import frame_of
from polytome.inference.hypotheses import Hypothesis, hypothesis_of, nearest
from polytome.inference.sample import Sample, refuse_unless_nested
from polytome.inference.statistics import FitStatistics
from polytome.inference.tested import METHODS, Test, likelihood_ratio, profile_interval, robust_score, score, wald
from polytome.plain.values import plain

Array = NDArray[Any]

__all__ = ["About", "Result"]


@dataclass(frozen=True)
class About:
    """What a table says about itself.

    Attributes:
        title: the kind of model.
        response: what is predicted, as the formula names it.
        method: how the coefficients were estimated.
        covariance: the kind of the covariance.
        errors: a sentence about the standard errors.
        reference: the class that the others are compared with; None where there is none.
        formula: the formula; None for a model of columns.
        weights: a sentence about the weights; empty without any.
        n_dropped: rows left out as something was missing.
        notes: sentences that stand under the table.
        terms: for each term the places of its coefficients in an equation.
        frame: the library of the data's frame.
        only_wald: why likelihoods cannot be compared; empty where they can.
        is_proved: whether the coefficients are proved to be as near the maximum as was asked for.
    """

    title: str
    response: str
    method: str = "maximum likelihood"
    covariance: str = "observed"
    errors: str = "Standard errors from the observed information."
    reference: Any = None
    formula: str | None = None
    weights: str = ""
    n_dropped: int = 0
    notes: tuple[str, ...] = ()
    terms: Mapping[str, Sequence[int]] = field(default_factory=dict)
    frame: str | None = None
    only_wald: str = ""
    is_proved: bool = False


def check_level(level: Any) -> None:
    """Raises ArgumentError unless this is a level of confidence."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise ArgumentError(f"level={level!r}: needs a number between 0 and 1, such as 0.95")


@dataclass(frozen=True, eq=False)
class Result:
    """A table of coefficients: prints in 80 columns, and shows itself in notebooks.

    Attributes:
        estimate: the coefficients, their covariance and how to estimate them again.
        about: what the table says about itself.
        statistics: how well the model fits.
        sample: the rows it is about; None where they are not kept.
        design: how columns are made of data; None for a model of columns.
    """

    estimate: Estimate
    about: About
    statistics: FitStatistics
    sample: Sample | None
    design: Design | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    @property
    def coefficients(self) -> Array:
        """One row for each equation, one column for each term."""
        return self.estimate.coefficients

    @property
    def standard_errors(self) -> Array:
        """Of the shape of `coefficients`."""
        return self.estimate.standard_errors

    @property
    def covariance(self) -> Array:
        """Of the coefficients, equation by equation, in the order of `labels`."""
        return self.estimate.covariance

    @property
    def labels(self) -> list[tuple[Any, str]]:
        """Equation and term of each coefficient, in the order of `covariance` and of `table`."""
        return self.estimate.labels

    @property
    def z(self) -> Array:
        """Coefficients over their standard errors; NaN for what has no finite estimate."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(np.isfinite(self.coefficients), self.coefficients / self.standard_errors, np.nan)

    @property
    def p_values(self) -> Array:
        """Of Wald's test that a coefficient is 0, two-sided; with errors by cluster by Student's
        t."""
        return two_sided(self.z, self.estimate.own_df)

    @property
    def table(self) -> Any:
        """The table as a frame of the data's library: a row for each coefficient."""
        lower, upper = self._wald_ends(0.95)
        values = (self.coefficients, self.standard_errors, self.z, self.p_values, lower, upper)
        names = ("coefficient", "std_error", "z", "p_value", "lower", "upper")
        columns = {name: value.ravel() for name, value in zip(names, values, strict=True)}
        if isinstance(self.estimate.own_df, np.ndarray):
            columns["df"] = self.estimate.own_df.ravel()
        return frame_of(self._label_columns() | columns, self.about.frame)

    @property
    def covariance_table(self) -> Any:
        """The covariance as a frame: a row and a column for each coefficient, in the same order."""
        columns = {self._label(*label): column for label, column in zip(self.labels, self.covariance.T, strict=True)}
        return frame_of(self._label_columns() | columns, self.about.frame)

    def summary(self, *, odds_ratios: bool = False, level: float = 0.95, intervals: str = "wald") -> Summary:
        """The table to be shown.

        Args:
            odds_ratios: whether `exp` of coefficients and of their intervals is shown, with
                standard errors by the delta method.
            level: of the intervals.
            intervals: "wald" or "profile".

        Returns:
            What prints as text and has `to_markdown`, `to_latex` and HTML for notebooks.
        """
        lower, upper = self._ends(level, intervals)
        values, errors = self.coefficients, self.standard_errors
        if odds_ratios:
            with np.errstate(over="ignore", invalid="ignore"):
                values, lower, upper = np.exp(values), np.exp(lower), np.exp(upper)
                errors = values * errors
        z, p = self.z, self.p_values
        groups = []
        for e, equation in enumerate(self.estimate.equations):
            rows = [
                (
                    term,
                    number(values[e, j], 6),
                    number(errors[e, j]),
                    p_text(np.nan) if np.isnan(z[e, j]) else f"{z[e, j]:.3f}",
                    p_text(p[e, j]),
                    number(lower[e, j]),
                    number(upper[e, j]),
                )
                for j, term in enumerate(self.estimate.terms)
            ]
            groups.append((self._equation_heading(equation), tuple(rows)))
        percent = f"{100 * level:g} %"
        kind = "" if intervals == "wald" else "profile "
        statistic = "z" if np.isinf(self.estimate.df) else "t"
        headings = "std. error", statistic, "p", f"{kind}{percent} from", "to"
        columns = ("", "odds ratio" if odds_ratios else "coefficient", *headings)
        return Summary(self._title(), self._facts(), columns, tuple(groups), self.about.notes)

    def to_markdown(self, **options: Any) -> str:
        """`summary` as Markdown, with its options."""
        return self.summary(**options).to_markdown()

    def to_latex(self, **options: Any) -> str:
        """`summary` for LaTeX, with its options."""
        return self.summary(**options).to_latex()

    def confidence_intervals(
        self, level: float = 0.95, *, method: str = "wald", terms: str | Sequence[str] | None = None
    ) -> Any:
        """Intervals of coefficients, as a frame.

        Args:
            level: of confidence.
            method: "wald", or "profile": the values that a likelihood-ratio test does not reject.
                An end is infinite where no value is rejected.
            terms: of which coefficients; all, if None.
        """
        chosen = self._chosen_terms(terms)
        lower, upper = self._ends(level, method, chosen)
        keep = np.isin(np.tile(np.arange(len(self.estimate.terms)), len(self.estimate.equations)), chosen)
        columns = {"coefficient": self.coefficients.ravel(), "lower": lower.ravel(), "upper": upper.ravel()}
        everything: dict[str, Any] = self._label_columns() | columns
        kept: dict[str, Any] = {name: np.asarray(value)[keep] for name, value in everything.items()}
        return frame_of(kept, self.about.frame)

    def test(self, hypothesis: Any, method: str = "wald") -> Test:
        """Test a term, or any linear hypothesis.

        Args:
            hypothesis: the name of a term or of a coefficient, for all that it has in every class;
                text such as "read = write", "[general]read = 2 * [vocation]read, write = 0"; or a
                matrix (r, n_coefficients) in the order of `labels`, or a pair of it and the right
                sides.
            method: "wald", "likelihood-ratio" or "score"; beside robust errors the generalised
                score test, which allows for the same.
        """
        if method not in METHODS:
            raise ArgumentError(f"method={method!r}: needs one of {', '.join(METHODS)}")
        read = self._hypothesis(hypothesis)
        if method == "wald":
            return wald(self.estimate, read)
        if method == "score" and self.estimate.robust_score is not None:
            return robust_score(self.estimate, read)
        refit = self._refit(f"method={method!r}")
        return (score if method == "score" else likelihood_ratio)(self.estimate, read, refit)

    def compare(self, smaller: Result | str) -> Test:
        """The likelihood-ratio test of a smaller model, which is a special case of this one.

        Args:
            smaller: the result of another fit to the same rows; or its formula, which is then
                fitted to the rows of this one.

        Raises:
            ArgumentError: it is not nested in this model, or was fitted to other rows or otherwise.
        """
        smaller = self._fitted(smaller)
        for result in (self, smaller):
            if result.about.only_wald:
                raise ArgumentError(f"smaller: likelihoods cannot be compared, {result.about.only_wald}; test(...) can")
        if (smaller.about.title, smaller.about.method) != (self.about.title, self.about.method):
            raise ArgumentError(
                f"smaller is a {smaller.about.title.lower()} by {smaller.about.method}, this one a "
                f"{self.about.title.lower()} by {self.about.method}: compare fits of one kind"
            )
        if self.sample is None or smaller.sample is None:
            raise ArgumentError("smaller: the rows of a fit are not known, so that nothing says they are the same")
        refuse_unless_nested(smaller.sample, self.sample)
        df = self.statistics.n_coefficients - smaller.statistics.n_coefficients
        if df <= 0:
            raise ArgumentError("smaller has as many coefficients as this model: they are the same model")
        statistic = 2 * (self.estimate.log_likelihood - smaller.estimate.log_likelihood)
        text = smaller.about.formula or f"the model of {smaller.statistics.n_coefficients} coefficients"
        return Test.of("likelihood ratio", text, statistic, df)

    def _fitted(self, smaller: Result | str) -> Result:
        """The result that is meant; that of a formula is fitted to the rows of this one."""
        if isinstance(smaller, str) and self.design is not None:
            if self.about.only_wald:
                raise ArgumentError(f"smaller: likelihoods cannot be compared, {self.about.only_wald}; test(...) can")
            smaller = self.design.fit_smaller(self, smaller)
        if isinstance(smaller, str):
            raise ArgumentError("smaller is a formula, and this model has none: give the result of another fit")
        if not isinstance(smaller, Result):
            raise ArgumentError(f"smaller is {smaller!r:.60}: give the result of another fit")
        return smaller

    def to_json(self, level: float = 0.95, *, odds_ratios: bool = False) -> dict[str, Any]:
        """The table and all about it, for programs.

        Args:
            level: of the intervals.
            odds_ratios: whether `exp` of coefficients and of their intervals is given too, with
                standard errors by the delta method.
        """
        lower, upper = self._ends(level, "wald")
        values = [self.coefficients, self.standard_errors, self.z, self.p_values, lower, upper]
        names = ["coefficient", "std_error", "z", "p_value", "lower", "upper"]
        if isinstance(self.estimate.own_df, np.ndarray):
            names, values = [*names, "df"], [*values, self.estimate.own_df]
        if odds_ratios:
            names += ["odds_ratio", "odds_ratio_std_error", "odds_ratio_lower", "odds_ratio_upper"]
            with np.errstate(over="ignore", invalid="ignore"):
                ratios = np.exp(self.coefficients)
                values += [ratios, ratios * self.standard_errors, np.exp(lower), np.exp(upper)]
        rows = [
            {"equation": plain(equation), "term": term}
            | {name: plain(value.ravel()[i], words=True) for name, value in zip(names, values, strict=True)}
            for i, (equation, term) in enumerate(self.labels)
        ]
        about = self.about
        return {
            "model": about.title,
            "response": about.response,
            "reference": plain(about.reference),
            "formula": about.formula,
            "method": about.method,
            "covariance_kind": about.covariance,
            "df": None if np.isinf(self.estimate.df) else self.estimate.df,
            "n_dropped": about.n_dropped,
            "level": level,
            "statistics": plain(self.statistics.to_json()),
            "coefficients": rows,
            "covariance": plain(self.covariance),
            "notes": list(about.notes),
        }

    def _hypothesis(self, given: Any) -> Hypothesis:
        terms = {term: (j,) for j, term in enumerate(self.estimate.terms)}
        return hypothesis_of(given, self.estimate, terms | dict(self.about.terms))

    def _refit(self, what: str) -> Refitter:
        if self.about.only_wald:
            raise ArgumentError(
                f"{what} compares likelihoods, which cannot be done here: {self.about.only_wald}; leave it out"
            )
        if self.estimate.refit is None:
            raise ArgumentError(f"{what} needs the fit to be repeated, which this one cannot be")
        return self.estimate.refit

    def _chosen_terms(self, terms: str | Sequence[str] | None) -> Array:
        if terms is None:
            return np.arange(len(self.estimate.terms))
        known = {term: (j,) for j, term in enumerate(self.estimate.terms)} | dict(self.about.terms)
        chosen: list[int] = []
        for term in [terms] if isinstance(terms, str) else terms:
            if term not in known:
                raise ArgumentError(f"terms: no coefficient is {term!r}{nearest(term, list(known))}")
            chosen += known[term]
        return np.unique(chosen)

    def _ends(self, level: float, method: str, chosen: Array | None = None) -> tuple[Array, Array]:
        check_level(level)
        if method == "wald":
            return self._wald_ends(level)
        if method != "profile":
            raise ArgumentError(f"method={method!r}: intervals are 'wald' or 'profile'")
        refit = self._refit("method='profile'")
        ends = np.full((2, self.coefficients.size), np.nan)
        p = len(self.estimate.terms)
        for place in self.estimate.estimated:
            if chosen is None or place % p in chosen:
                ends[:, place] = profile_interval(self.estimate, int(place), level, refit)
        return ends[0].reshape(self.coefficients.shape), ends[1].reshape(self.coefficients.shape)

    def _wald_ends(self, level: float) -> tuple[Array, Array]:
        width = width_of(level, self.estimate.own_df) * self.standard_errors
        centre = np.where(np.isfinite(self.coefficients), self.coefficients, np.nan)
        return centre - width, centre + width

    def _label(self, equation: Any, term: str) -> str:
        return term if len(self.estimate.equations) == 1 else f"[{equation}]{term}"

    def _label_columns(self) -> dict[str, Any]:
        equations, terms = zip(*self.labels, strict=True)
        return {"equation": list(equations), "term": list(terms)}

    def _equation_heading(self, equation: Any) -> str:
        return "" if len(self.estimate.equations) == 1 else f"{self.about.response} = {equation}"

    def _title(self) -> str:
        about = self.about
        own = f" = {self.estimate.equations[0]}" if len(self.estimate.equations) == 1 else ""
        against = "" if about.reference is None else f" against {about.reference}"
        return f"{about.title}: {about.response}{own}{against} ({about.method})"

    def _against_null(self) -> str:
        """The test against intercepts alone: by likelihoods, or by Wald where these cannot be
        compared."""
        s = self.statistics
        if not self.about.only_wald:
            found = f"chi2({s.df}) = {s.likelihood_ratio:.2f}, p {p_text(s.p_value)}"
            return f"Likelihood ratio against intercepts alone: {found}"
        values = self.coefficients.ravel()
        slopes = [j for j, (_, term) in enumerate(self.labels) if term != "Intercept" and not np.isnan(values[j])]
        try:
            test = self.test(np.eye(values.size)[slopes])
        except ArgumentError:
            return "No test against intercepts alone"
        return f"Wald against intercepts alone: {test.law} = {test.statistic:.2f}, p {p_text(test.p_value)}"

    def _facts(self) -> tuple[str, ...]:
        about, s = self.about, self.statistics
        rows = f"{s.n_observations:,.10g} rows"
        if about.n_dropped:
            rows += f", {about.n_dropped:,} more left out as something is missing"
        fits = f"{s.log_likelihood:.4f}, {s.null_log_likelihood:.4f} with intercepts alone"
        if s.is_pseudo:
            fits = f"{rows}; pseudo log-likelihood {fits}"
        else:
            fits = f"{rows}; log-likelihood {fits}; AIC {s.aic:.3f}, BIC {s.bic:.3f}"
        measures = f"McFadden {s.mcfadden:.4f}, Cox and Snell {s.cox_snell:.4f}, Nagelkerke {s.nagelkerke:.4f}"
        if s.tjur is not None:
            measures += f", Tjur {s.tjur:.4f}"
        if s.df > 0:
            measures = f"{self._against_null()}; {measures}"
        return (fits, measures, *([about.weights] if about.weights else []), about.errors)
