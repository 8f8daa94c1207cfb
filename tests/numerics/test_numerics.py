"""The elementary functions against 400-digit arithmetic, at their limits, and under their
identities."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polytome.errors import ArgumentError
from polytome.numerics import (
    log_sigmoid,
    log_softmax,
    logit,
    logsumexp,
    one_hot,
    sigmoid,
    softmax,
    softplus,
)
from polytome.numerics.elementary import as_floating, as_fractions, first_row

HUGE = {np.float16: 6e4, np.float32: 1e38, np.float64: 1e300}
# The smallest scores whose exponential is still a number, if only a subnormal one.
TINY = {np.float16: [-9.5, -16, -17], np.float32: [-87.5, -100, -103], np.float64: [-709.9, -744.5, -745]}
DTYPES = list(HUGE)

same_every_time = settings(derandomize=True, deadline=None, max_examples=100)
rows = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-50, 50))


def exact(value):
    """The number a float stands for, in 400 digits (1 + exp(-745) needs 324 of them)."""
    mpmath.mp.dps = 400
    return mpmath.mpf(float(value))


def ulps(got, want):
    """Distance in units of the last place that the true value has in the dtype of `got`."""
    if want == 0:
        return 0.0 if got == 0 else np.inf
    largest = float(np.finfo(got.dtype).max)
    place = np.spacing(np.abs(got.dtype.type(max(-largest, min(largest, float(want))))))
    return float(abs(exact(got) - want) / exact(place))


def points(dtype):
    """Scores near zero, moderate, far out and absurd, of both signs, and some anywhere."""
    chosen = [0, 1e-8, 1e-3, 0.5, 1, 3, 37, 1e3, HUGE[dtype], *np.negative(TINY[dtype])]
    anywhere = np.random.default_rng(0).uniform(-110, 110, 200)
    return np.concatenate([chosen, np.negative(chosen), anywhere]).astype(dtype)


def vectors(dtype):
    """Rows of scores that mix the points, with ties and without."""
    huge = HUGE[dtype]
    chosen = [
        [0, 0, 0],
        [1e-8, -1e-8, 0],
        [37, 0, -37],
        [-37, -37, 37],
        [1e3, -1e3, 37],
        [1e3, 1e3 - 2, -1e3],
        [huge, -huge, 0],
        [huge, huge, 1e-8],
        [-huge, -huge, -huge],
        [TINY[dtype][1], 0, -1e-8],
    ]
    anywhere = np.random.default_rng(1).normal(scale=20, size=(60, 3))
    return np.concatenate([chosen, anywhere]).astype(dtype)


EXACT = {
    sigmoid: lambda x: 1 / (1 + mpmath.exp(-x)),
    log_sigmoid: lambda x: -mpmath.log1p(mpmath.exp(-x)),
    softplus: lambda x: x + mpmath.log1p(mpmath.exp(-x)) if x > 0 else mpmath.log1p(mpmath.exp(x)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", EXACT, ids=lambda f: f.__name__)
def test_functions_of_one_score_are_within_four_ulp(function, dtype):
    scores = points(dtype)
    got = function(scores)
    assert got.dtype == dtype
    for score, value in zip(scores, got, strict=True):
        x = exact(score)
        # mpmath has no exponential of 1e300 digits; beyond 1e5 every one of these is a straight
        # line or zero.
        far = {sigmoid: float(x > 0), log_sigmoid: min(x, 0), softplus: max(x, 0)}
        want = far[function] if abs(x) > 1e5 else EXACT[function](x)
        assert ulps(value, mpmath.mpf(want)) <= 4, score


def test_sigmoid_keeps_subnormal_probabilities():
    assert sigmoid(-745.0) == 5e-324
    assert sigmoid(-720.0) == pytest.approx(float(mpmath.exp(-720)), rel=1e-10)
    assert sigmoid(np.float32(-100)) > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_one_score_reach_their_limits_at_infinity(dtype):
    ends = np.array([-np.inf, np.inf], dtype)
    np.testing.assert_array_equal(sigmoid(ends), [0, 1])
    np.testing.assert_array_equal(log_sigmoid(ends), [-np.inf, 0])
    np.testing.assert_array_equal(softplus(ends), [0, np.inf])
    np.testing.assert_array_equal(logit(np.array([0, 1], dtype)), ends)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logit_is_within_four_ulp_also_near_one_half(dtype):
    random = np.random.default_rng(2)
    near_half = 0.5 + random.normal(size=100) * 1e-6
    smallest = float(np.finfo(dtype).tiny)
    p = np.concatenate([random.uniform(0, 1, 200), near_half, [smallest, 0.25, 0.5, 0.75]]).astype(dtype)
    p = np.append(p[(p > 0) & (p < 1)], [np.nextafter(dtype(1), dtype(0))]).astype(dtype)
    for one, value in zip(p, logit(p), strict=True):
        assert ulps(value, mpmath.log(exact(one) / (1 - exact(one)))) <= 4, one


@pytest.mark.parametrize("wrong", [-1e-9, 1.5, np.nan])
def test_logit_names_the_row_that_is_no_probability(wrong):
    with pytest.raises(ArgumentError, match=rf"probabilities: row 1 .*holds {wrong}.*\[0, 1\]"):
        logit([0.5, wrong])


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_is_within_four_ulp_plus_the_gap_of_the_scores(dtype):
    for row, got in zip(vectors(dtype), softmax(vectors(dtype)), strict=True):
        assert got.dtype == dtype
        gaps = [exact(score) - exact(row.max()) for score in row]
        exponentials = [mpmath.exp(gap) if gap > -1e5 else mpmath.mpf(0) for gap in gaps]
        for value, gap, exponential in zip(got, gaps, exponentials, strict=True):
            want = exponential / sum(exponentials)
            assert ulps(value, want) <= 4 - gap, row


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_and_logsumexp_are_within_four_ulp_plus_the_gap(dtype):
    scores = vectors(dtype)
    largest = float(np.finfo(dtype).max)
    for row, logs, total in zip(scores, log_softmax(scores), logsumexp(scores), strict=True):
        assert logs.dtype == dtype
        assert total.dtype == dtype
        first = int(row.argmax())
        gaps = [exact(score) - exact(row[first]) for score in row]
        rest = [mpmath.exp(gap) if gap > -1e5 else mpmath.mpf(0) for k, gap in enumerate(gaps) if k != first]
        log_sum = mpmath.log1p(sum(rest))
        # Only exponentials that matter bring in the rounding of their gap.
        slack = 4 + max((-gap for gap in gaps if gap > -1e5 and gap != 0), default=0)
        for value, gap in zip(logs, gaps, strict=True):
            want = gap - log_sum
            if want < -largest:
                assert value == -np.inf
            else:
                assert ulps(value, want) <= slack, row
        # The sum with the highest score may cancel: no answer in this dtype can be surer than that
        # score.
        place = np.spacing(max(np.abs(row[first]), np.abs(total)))
        assert abs(exact(total) - exact(row[first]) - log_sum) <= slack * exact(place), row


def test_log_softmax_is_finite_wherever_the_truth_is():
    np.testing.assert_array_equal(log_softmax([1e300, -1e300]), [0, -2e300])
    np.testing.assert_array_equal(softmax([1e300, -1e300]), [1, 0])
    np.testing.assert_array_equal(log_softmax([1.7e308, -1.7e308]), [0, -np.inf])  # -3.4e308 is no float64
    assert log_softmax([37.0, 0.0])[0] == pytest.approx(-float(mpmath.exp(-37)), rel=1e-14)
    assert logsumexp([0.0, -37.0]) == pytest.approx(float(mpmath.exp(-37)), rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_scores_give_the_limit_or_else_nan(dtype):
    inf, nan = np.inf, np.nan
    scores = np.array(
        [[0, 0, -inf], [1, inf, -inf], [inf, inf, 0], [-inf, -inf, -inf], [nan, inf, 0], [-inf, 5, -inf]],
        dtype,
    )
    none = [nan, nan, nan]
    half = float(-np.log(dtype(2)))
    expected = [[0.5, 0.5, 0], [0, 1, 0], none, none, none, [0, 1, 0]]
    np.testing.assert_array_equal(softmax(scores), expected)
    expected = [[half, half, -inf], [-inf, 0, -inf], none, none, none, [-inf, 0, -inf]]
    np.testing.assert_array_equal(log_softmax(scores), np.array(expected, dtype))
    np.testing.assert_array_equal(logsumexp(scores), np.array([-half, inf, inf, -inf, nan, 5], dtype))


def test_a_single_class_is_certain_whatever_its_score():
    scores = [[-np.inf], [np.inf], [-1e300], [3.0]]
    np.testing.assert_array_equal(softmax(scores), np.ones((4, 1)))
    np.testing.assert_array_equal(log_softmax(scores), np.zeros((4, 1)))
    np.testing.assert_array_equal(logsumexp(scores), np.ravel(scores))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_do_not_stall_with_many_classes(dtype):
    scores = np.zeros((70_000, 2), dtype)
    np.testing.assert_array_equal(softmax(scores, axis=0), np.full((70_000, 2), dtype(1 / 70_000)))
    np.testing.assert_array_equal(logsumexp(scores, axis=0), dtype(np.log(70_000.0)))


def test_every_axis_gives_what_the_last_axis_gives():
    scores = np.random.default_rng(3).normal(size=(3, 4, 5))
    for axis in (0, 1, 2, -1, -2, -3):
        last = np.moveaxis(scores, axis, -1)
        np.testing.assert_allclose(np.moveaxis(softmax(scores, axis), axis, -1), softmax(last), rtol=1e-15)
        np.testing.assert_allclose(np.moveaxis(log_softmax(scores, axis), axis, -1), log_softmax(last), rtol=1e-15)
        np.testing.assert_allclose(logsumexp(scores, axis), logsumexp(last), rtol=1e-15)
        kept = logsumexp(scores, axis, keepdims=True)
        assert kept.shape == tuple(1 if k == axis % 3 else n for k, n in enumerate(scores.shape))
        np.testing.assert_array_equal(kept.squeeze(axis), logsumexp(scores, axis))


@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp])
def test_a_missing_or_empty_class_axis_is_refused(function):
    for scores, axis in ((1.0, -1), ([1.0, 2.0], 1), (np.zeros((3, 0)), -1)):
        with pytest.raises(ArgumentError, match=rf"scores: shape .* has no class along axis {axis}"):
            function(scores, axis)
    assert function(np.zeros((0, 3))).shape[0] == 0


def test_arguments_are_left_as_they_were():
    scores = np.array([[1.0, 2.0], [np.inf, 0.0]])
    before = scores.copy()
    for function in (sigmoid, log_sigmoid, softplus, softmax, log_softmax, logsumexp):
        function(scores)
        np.testing.assert_array_equal(scores, before)


@given(rows, st.floats(-50, 50))
@same_every_time
def test_softmax_sums_to_one_and_ignores_a_shift(scores, shift):
    p = softmax(scores)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-15)
    np.testing.assert_allclose(softmax(scores + shift), p, rtol=1e-12)
    np.testing.assert_allclose(logsumexp(scores + shift), logsumexp(scores) + shift, atol=1e-12)
    np.testing.assert_allclose(np.exp(log_softmax(scores)), p, rtol=1e-12)


@given(arrays(np.float64, 5, elements=st.floats(-700, 700)))
@same_every_time
def test_two_classes_are_the_logistic_case(scores):
    pairs = np.stack([np.zeros(5), scores], axis=-1)
    np.testing.assert_allclose(softmax(pairs)[:, 1], sigmoid(scores), rtol=1e-15)
    np.testing.assert_allclose(log_softmax(pairs)[:, 1], log_sigmoid(scores), rtol=1e-15)
    np.testing.assert_allclose(logsumexp(pairs), softplus(scores), rtol=1e-15)


@given(arrays(np.float64, 5, elements=st.floats(-700, 700)))
@same_every_time
def test_sigmoid_of_the_negative_is_the_complement(scores):
    np.testing.assert_allclose(sigmoid(scores) + sigmoid(-scores), 1, rtol=1e-15)
    np.testing.assert_array_equal(log_sigmoid(scores), -softplus(-scores))
    np.testing.assert_allclose(logit(sigmoid(-np.abs(scores))), -np.abs(scores), rtol=1e-13, atol=1e-15)


def test_integers_and_booleans_count_as_float64():
    for function in (sigmoid, log_sigmoid, softplus, softmax, log_softmax, logsumexp):
        for values in ([1, 0], [True, False]):
            assert function(values).dtype == np.float64
            np.testing.assert_array_equal(function(values), function([1.0, 0.0]))


@pytest.mark.parametrize("values", [["a"], [1j], np.array([1], dtype=object)])
def test_other_dtypes_are_refused(values):
    with pytest.raises(ArgumentError, match=r"scores: dtype .* is not supported; convert it to float16"):
        softmax(values)


def test_as_floating_does_not_copy():
    for dtype in DTYPES:
        values = np.ones(3, dtype)
        assert as_floating(values, "values") is values
        assert as_fractions(values, "values") is values


def test_one_hot_has_one_one_per_code():
    codes = np.array([[2, 0], [1, 1]], np.int8)
    indicators = one_hot(codes, 3, np.float32)
    assert indicators.dtype == np.float32
    np.testing.assert_array_equal(indicators, np.eye(3)[codes])
    np.testing.assert_array_equal(one_hot(1, 2), [0, 1])


@pytest.mark.parametrize(
    ("codes", "n_classes", "message"),
    [
        ([0, 1, 3], 3, "codes: row 2 .*holds class code 3; codes must be 0 to 2"),
        ([[0, -1]], 3, r"codes: row \(0, 1\) .*holds class code -1; codes must be 0 to 2"),
        (7, 3, "codes: the only row holds class code 7"),
        ([0.0, 1.0], 3, "codes: class codes must be integers, got dtype float64"),
        ([], 0, "n_classes: 0 is below 1"),
    ],
)
def test_one_hot_names_the_bad_code(codes, n_classes, message):
    with pytest.raises(ArgumentError, match=message):
        one_hot(codes, n_classes)


def test_first_row_finds_the_first():
    assert first_row(np.array([[False, False], [True, True]])) == ((1, 0), "row (1, 0) (counting from 0)")
