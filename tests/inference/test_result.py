"""Tests, intervals and comparisons of a table, and how it shows itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.stats import chi2

from inference_data import people
from polytome.errors import ArgumentError
from polytome.inference import About, Estimate, FitStatistics, LogisticResult, Result, fit_formula

FORMULA = "vote ~ town + age + wage"


@pytest.fixture(scope="module")
def three() -> LogisticResult:
    return fit_formula(FORMULA, people(), reference="no")


@pytest.fixture(scope="module")
def two() -> LogisticResult:
    frame = people()
    return fit_formula(FORMULA, frame.assign(vote=frame["vote"] == "no"))


def test_hypotheses_in_words_are_matrices(three: LogisticResult) -> None:
    names = list(three.estimate.terms)
    p = len(names)

    def row(**factors: float) -> np.ndarray:
        made = np.zeros(2 * p)
        for name, factor in factors.items():
            equation, term = name.split("_")
            made[{"b": 0, "y": p}[equation] + {"age": 3, "wage": 4, "south": 1, "west": 2}[term]] = factor
        return made

    both = {
        "age": [row(b_age=1), row(y_age=1)],
        "age = wage": [row(b_age=1, b_wage=-1), row(y_age=1, y_wage=-1)],
        "[blank]age": [row(b_age=1)],
        "[blank]age = [yes]age": [row(b_age=1, y_age=-1)],
        "town": [row(b_south=1), row(b_west=1), row(y_south=1), row(y_west=1)],
        "town[south] = town[west], [yes]wage": [row(b_south=1, b_west=-1), row(y_south=1, y_west=-1), row(y_wage=1)],
        "2 * [blank]age - [yes]wage / 4": [row(b_age=2, y_wage=-0.25)],
        "[yes]age = [yes]wage = [blank]wage": [row(y_age=1, y_wage=-1), row(y_wage=1, b_wage=-1)],
    }
    for text, rows in both.items():
        for method in ("wald", "likelihood-ratio", "score"):
            said, made = three.test(text, method), three.test(np.array(rows), method)
            assert_allclose(said.statistic, made.statistic, rtol=1e-8)
            assert said.df == made.df == len(rows)
            assert_allclose(said.p_value, chi2.sf(said.statistic, said.df))
    shifted = three.test("[blank]age = 0.5")
    assert_allclose(shifted.statistic, ((three.coefficients[0, 3] - 0.5) / three.standard_errors[0, 3]) ** 2, rtol=1e-9)
    again = three.test((np.array([row(b_age=1), row(b_age=2)]), np.array([0.5, 1.0])))
    assert (again.df, pytest.approx(again.statistic)) == (1, shifted.statistic)


@pytest.mark.parametrize(
    ("hypothesis", "said"),
    [
        ("agee", "no coefficient or term is 'agee'; did you mean 'age'"),
        ("age = wages", "no coefficient or term is 'wages'; did you mean 'wage'"),
        ("[maybe]age", "no class is 'maybe'; there are 'blank', 'yes'"),
        ("age * wage", "it is not linear"),
        ("1 / age", "it is not linear"),
        ("age / 0", "it divides by 0"),
        ("age = [yes]wage", "name the class of every coefficient"),
        ("age + [yes]wage", "name the class of every coefficient"),
        ("1 = 1", "says nothing about any coefficient"),
        ("", "a side of it is empty"),
        ("age =", "a side of it is empty"),
        ("age +", "it ends too early"),
        ("age wage", "'wage' cannot be read"),
        ("age = 1, age = 2", "its parts contradict each other"),
        (np.ones((1, 3)), "a column for each of 10 coefficients"),
        (np.full((1, 10), np.nan), "finite numbers"),
        (object(), "give text, or a matrix"),
    ],
)
def test_hypotheses_that_say_nothing_are_refused(three: LogisticResult, hypothesis: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        three.test(hypothesis)


def test_a_refit_without_a_column_is_the_smaller_model(three: LogisticResult) -> None:
    smaller = fit_formula("vote ~ town + age", people(), reference="no")
    compared = three.compare(smaller)
    assert compared.df == 2
    expected = 2 * (three.statistics.log_likelihood - smaller.statistics.log_likelihood)
    assert_allclose(compared.statistic, expected, rtol=1e-9)
    assert_allclose(three.test("wage", "likelihood-ratio").statistic, expected, rtol=1e-7)
    assert_allclose(three.compare("vote ~ age + town").statistic, expected, rtol=1e-7)
    # The same space of columns written otherwise, and another reference.
    other = fit_formula("vote ~ C(town, Sum) + age", people(), reference="yes")
    assert_allclose(three.compare(other).statistic, expected, rtol=1e-7)
    assert_allclose(three.compare("vote ~ 1").statistic, three.statistics.likelihood_ratio, rtol=1e-9)


def test_a_profile_interval_inverts_the_likelihood_ratio_test(three: LogisticResult, two: LogisticResult) -> None:
    for result in (three, two):
        ends = result.confidence_intervals(0.9, method="profile")
        assert len(ends) == result.coefficients.size
        for place, (lower, upper) in enumerate(zip(ends["lower"], ends["upper"], strict=True)):
            row = np.eye(result.coefficients.size)[[place]]
            for end in (lower, upper):
                test = result.test((row, [end]), "likelihood-ratio")
                assert_allclose(test.p_value, 0.1, rtol=1e-7)
            assert lower < result.coefficients.ravel()[place] < upper
    chosen = three.confidence_intervals(0.9, method="profile", terms="town")
    assert chosen["term"].tolist() == ["town[south]", "town[west]"] * 2
    assert_allclose(chosen["lower"], ends_of(three, 0.9, ["town[south]", "town[west]"]))


def ends_of(result: LogisticResult, level: float, terms: list[str]) -> list[float]:
    found = result.confidence_intervals(level, method="profile", terms=terms)
    return list(found["lower"])


def test_ends_without_a_limit_are_infinite() -> None:
    # Whoever is exposed is ill: a certain upper end. With everybody told apart nothing has a limit.
    frame = pd.DataFrame({"ill": [0, 1, 1, 0, 1, 1, 0, 1], "exposed": [0, 0, 1, 0, 1, 1, 0, 0]})
    result = fit_formula("ill ~ exposed", frame)
    assert result.coefficients[0, 1] == np.inf
    assert np.isnan(result.standard_errors[0, 1])
    assert_allclose(result.coefficients[0, 0], np.log(2 / 3), rtol=1e-9)
    ends = result.confidence_intervals(method="profile")
    assert ends["upper"][1] == np.inf
    # The unexposed have 2 of 5; at the lower end the 3 exposed have so small a probability that it
    # costs 1.92.
    test = result.test((np.array([[0.0, 1.0]]), [ends["lower"][1]]), "likelihood-ratio")
    assert_allclose(test.statistic, chi2.ppf(0.95, 1), rtol=1e-6)
    with pytest.raises(ArgumentError, match="has no finite estimate, so Wald's test says nothing"):
        result.test("exposed")
    assert "'exposed' to +infinity" in " ".join(str(result).split())
    complete = fit_formula("ill ~ x", {"ill": [0, 0, 1, 1], "x": [1.0, 2.0, 3.0, 4.0]})
    ends = complete.confidence_intervals(method="profile", terms="x")
    assert (complete.coefficients[0, 1], ends["upper"][0]) == (np.inf, np.inf)
    assert np.isfinite(ends["lower"][0])
    assert "Separated completely" in str(complete)


def test_what_is_far_from_the_maximum_is_found_too() -> None:
    # Three classes of one column, the first of them separated: hypotheses under which scores are in
    # the hundreds.
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 2, 40), rng.normal(4, 0.5, 40), rng.normal(5, 0.5, 40)])
    y = np.repeat([0, 1, 2], 40)
    result = fit_formula("y ~ x", {"y": y, "x": x})
    own = np.eye(3)[y]

    def loss(free: np.ndarray, value: float) -> tuple[float, np.ndarray]:
        b1, b2, w2 = free
        scores = np.column_stack([0 * x, b1 + value * x, b2 + w2 * x])
        total = np.logaddexp.reduce(scores, axis=1)
        left = np.exp(scores - total[:, None]) - own
        return float((total - (own * scores).sum(axis=1)).sum()), np.array(
            [left[:, 1].sum(), left[:, 2].sum(), left[:, 2] @ x]
        )

    for value in (-60.0, -5.0, 0.0, 4.0):
        test = result.test((np.eye(4)[[1]], [value]), "likelihood-ratio")
        starts = ([0, 0, 0], [-30 * value, 0, 0], [0, -20, 6])
        best = min(minimize(loss, start, (value,), "BFGS", True, options={"gtol": 1e-9}).fun for start in starts)
        assert_allclose(test.statistic, 2 * (best + result.statistics.log_likelihood), rtol=1e-5)


def test_models_that_are_not_nested_are_not_compared(three: LogisticResult, two: LogisticResult) -> None:
    frame = people()
    with pytest.raises(ArgumentError, match="not nested in this model: 'member'"):
        three.compare(fit_formula("vote ~ member", frame, reference="no"))
    with pytest.raises(ArgumentError, match="'member' is not a variable of this model"):
        three.compare("vote ~ member")
    with pytest.raises(ArgumentError, match="it predicts 'town', this model 'vote'"):
        three.compare("town ~ age")
    with pytest.raises(ArgumentError, match="fitted to 100 rows, this model to 120"):
        three.compare(fit_formula("vote ~ age", frame[:100], reference="no"))
    with pytest.raises(ArgumentError, match="its classes are"):
        two.compare(fit_formula("vote ~ age", frame.assign(vote=np.where(frame["vote"] == "no", "a", "b"))))
    with pytest.raises(ArgumentError, match="its rows have other classes"):
        three.compare(fit_formula("vote ~ age", frame.assign(vote=frame["vote"].to_numpy()[::-1]), reference="no"))
    with pytest.raises(ArgumentError, match="other weights"):
        three.compare(fit_formula("vote ~ age", frame, weights="count", weights_are="importance", reference="no"))
    with pytest.raises(ArgumentError, match="they are the same model"):
        three.compare(three)
    with pytest.raises(ArgumentError, match="is a logistic regression"):
        three.compare(two)
    with pytest.raises(ArgumentError, match="HC1 errors allow for rows"):
        fit_formula(FORMULA, frame, covariance="HC1").test("age", "likelihood-ratio")
    with pytest.raises(ArgumentError, match="give the result of another fit"):
        three.compare(3)  # type: ignore[arg-type]


def test_the_table_shows_itself(three: LogisticResult, two: LogisticResult) -> None:
    text = str(three)
    assert max(map(len, text.splitlines())) <= 80
    assert "vote = blank" in text
    assert "vote = yes" in text
    assert "Proved: the log-likelihood is within" in text
    frame, covariance = three.table, three.covariance_table
    assert frame["equation"].tolist() == ["blank"] * 5 + ["yes"] * 5
    assert frame["term"].tolist() == list(three.estimate.terms) * 2
    assert list(covariance.columns[2:]) == [f"[{equation}]{term}" for equation, term in three.labels]
    assert_allclose(np.sqrt(np.diag(covariance.iloc[:, 2:])), frame["std_error"])
    assert_allclose(frame["coefficient"] + 1.959963984540054 * frame["std_error"], frame["upper"], rtol=1e-12)
    shown = two.summary(odds_ratios=True, level=0.99)
    line = next(line for line in str(shown).splitlines() if line.startswith("age"))
    assert line.split()[1] == f"{np.exp(two.coefficients[0, 3]):.6g}"
    assert "99 % from" in str(shown)
    assert three.to_markdown().count("|:--|") == 2
    latex = three.to_latex()
    assert latex.count(r"\end{tabular}") == 1
    assert r"town[south]" in latex
    html = three._repr_html_()
    assert html.count("<tbody>") == html.count("</tbody>") == 2
    found = json.loads(json.dumps(three.to_json()))
    assert found["coefficients"][0]["equation"] == "blank"
    assert len(found["covariance"]) == 10


def test_names_cannot_break_a_table() -> None:
    frame = people().rename(columns={"age": "<b>age_in_years & more than fits into one line of a table</b>"})
    result = fit_formula("vote ~ `<b>age_in_years & more than fits into one line of a table</b>`", frame)
    assert max(map(len, str(result).splitlines())) <= 80
    assert "&lt;b&gt;age_in_years &amp;" in result._repr_html_()
    assert r"age\_in\_years \& more" in result.to_latex()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda result: result.test("age", "exact"), "method='exact': needs one of wald"),
        (lambda result: result.confidence_intervals(95), "level=95: needs a number between 0 and 1"),
        (lambda result: result.confidence_intervals(method="exact"), "intervals are 'wald' or 'profile'"),
        (lambda result: result.confidence_intervals(terms="agee"), "no coefficient is 'agee'; did you mean 'age'"),
    ],
)
def test_wrong_settings_are_refused(three: LogisticResult, call: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        call(three)


def test_a_result_needs_no_rows() -> None:
    # Whoever estimates otherwise makes a table of coefficients and their covariance.
    estimate = Estimate(("a", "b"), ("cut",), np.array([[1.0, 2.0]]), np.diag([0.25, 1.0]), -10.0)
    result = Result(estimate, About("Some model", "y"), FitStatistics(-10.0, -12.0, 30, 2, 0), None)
    assert_allclose(result.z, [[2.0, 2.0]])
    assert_allclose(result.test("a = b").statistic, 1 / 1.25)
    assert "Some model: y = cut" in str(result)
    with pytest.raises(ArgumentError, match="needs the fit to be repeated"):
        result.test("a", "score")


def test_where_an_estimate_is_infinite_a_robust_table_says_what_it_lacks() -> None:
    frame = pd.DataFrame({"y": [0, 0, 0, 1, 1, 1], "x": [1.0, 2, 3, 4, 5, 6], "g": [1, 2, 1, 2, 3, 3]})
    for asked in (
        *({"covariance": kind} for kind in ("HC0", "HC1", "HC2", "HC3", "robust")),
        {"clusters": "g"},
        {"weights": "g", "weights_are": "sampling"},
    ):
        said = " ".join(str(fit_formula("y ~ x", frame, **asked)).split())
        assert "No test against intercepts alone" in said
        assert "nor are there profile intervals or likelihood-ratio tests, as" in said
    assert "profile intervals and likelihood-ratio tests hold." in " ".join(str(fit_formula("y ~ x", frame)).split())
    # Of several columns, one of which is infinite, no test is called that of all.
    frame = people()
    frame["yes"] = (frame["vote"] == "yes") & (frame["age"] > 40)
    assert "No test against intercepts alone" in str(
        fit_formula("vote ~ age + yes", frame[frame["vote"] != "blank"], covariance="HC1")
    )


def test_a_hypothesis_without_equations_is_refused(two: LogisticResult) -> None:
    with pytest.raises(ArgumentError, match="a row for each equation"):
        two.test(np.zeros((0, two.coefficients.size)))


def test_a_covariance_that_is_no_covariance_tests_nothing() -> None:
    spread = np.array([[1.0, 2.0], [2.0, 1.0]])  # as two-way clustering can make
    estimate = Estimate(("a", "b"), ("yes",), np.array([[1.0, -1.0]]), spread, 0.0)
    result = Result(estimate, About("A", "y"), FitStatistics(-1.0, -2.0, 10, 2, 0), None)
    with pytest.raises(ArgumentError, match="no positive variance"):
        result.test(["a", "b"])
    assert result.test("a").statistic == 1.0


def test_measures_of_sampling_weights_do_not_depend_on_their_scale() -> None:
    frame = people()

    def fitted(scale: float) -> LogisticResult:
        weights = frame["count"] * scale
        return fit_formula(FORMULA, frame, weights=weights, weights_are="sampling")

    one, many = fitted(1.0), fitted(1000.0)
    for name in ("mcfadden", "cox_snell", "nagelkerke"):
        assert_allclose(getattr(many.statistics, name), getattr(one.statistics, name), rtol=1e-9)
    repeated = fit_formula(FORMULA, frame, weights="count", weights_are="frequencies").statistics
    assert_allclose(one.statistics.cox_snell, repeated.cox_snell, rtol=1e-9)
    assert np.isnan([one.statistics.aic, one.statistics.bic]).all()
    assert "AIC" not in str(one)
    assert json.loads(json.dumps(one.to_json()))["statistics"]["aic"] is None


def test_intervals_for_programs_have_their_level(two: LogisticResult) -> None:
    found = two.to_json(0.9)
    ends = two.confidence_intervals(0.9)
    assert found["level"] == 0.9
    assert_allclose([row["lower"] for row in found["coefficients"]], ends["lower"])
    assert_allclose([row["upper"] for row in found["coefficients"]], ends["upper"])


def test_terms_are_tested_together_and_suggested() -> None:
    result = fit_formula(FORMULA, people(), reference="no")
    term, other = "town", "wage"
    both = result.test(f"{term}, {other}")
    places = [*result.about.terms[term], *result.about.terms[other]]
    size, p = result.coefficients.size, len(result.estimate.terms)
    A = np.eye(size)[[e * p + j for e in range(len(result.estimate.equations)) for j in places]]
    assert both.df == len(A)
    assert both.statistic == pytest.approx(result.test(A).statistic, rel=1e-10)
    with pytest.raises(ArgumentError, match=r"no coefficient or term is 'twn'; did you mean 'town'\?"):
        result.test("twn")


def test_rows_of_weight_0_are_not_told_as_missing() -> None:
    frame = people()
    weight = np.arange(len(frame)) % 3
    result = fit_formula("vote ~ age", frame, weights=weight, weights_are="frequencies")
    assert result.about.n_dropped == 0
    age = frame["age"].astype(float).mask(np.arange(len(frame)) < 6)
    gaps = fit_formula("vote ~ age", frame.assign(age=age), weights=weight, weights_are="frequencies")
    assert gaps.about.n_dropped == 6
