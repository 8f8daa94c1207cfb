"""Intervals cover what they promise to cover, and agree with formulas written down
independently."""

import numpy as np
import pytest
from scipy import stats

from polytome.errors import ArgumentError
from polytome.evaluation.intervals import class_qualities, mean_interval, quality, wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 10), (3, 10), (10, 10), (37, 40), (5000, 10_000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_wilson_agrees_with_scipy(k, n, level):
    want = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    found = wilson_interval(k, n, level)
    assert found.value == k / n
    assert found[1:] == pytest.approx((want.low, want.high), abs=1e-12)


def test_wilson_ends_are_where_the_score_test_rejects():
    found = wilson_interval(17, 50)
    for end in found[1:]:
        assert abs(0.34 - end) / np.sqrt(end * (1 - end) / 50) == pytest.approx(stats.norm.ppf(0.975))


def test_of_no_rows_nothing_is_known():
    found = wilson_interval(0, 0)
    assert np.isnan(found.value)
    assert found[1:] == (0.0, 1.0)
    assert np.isnan(mean_interval(np.array([2.0])).low)


@pytest.mark.parametrize("wrong", [{"successes": 3, "n": 2}, {"successes": -1, "n": 2}])
def test_impossible_counts_are_refused(wrong):
    with pytest.raises(ArgumentError, match="successes="):
        wilson_interval(**wrong)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ArgumentError, match="level="):
        wilson_interval(1, 2, level)


def test_mean_agrees_with_scipy():
    values = np.random.default_rng(0).exponential(size=33)
    want = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values)[1:] == pytest.approx((want.low, want.high))


def test_quality_agrees_with_a_paired_test():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), size=200)
    codes = rng.integers(0, 3, size=200)
    found = quality(codes, np.log(p))
    frequency = np.bincount(codes) / 200
    loss, null = -np.log(p[np.arange(200), codes]), -np.log(frequency[codes])
    want = stats.ttest_rel(null, loss).confidence_interval(0.95)
    assert found.log_loss_gain.value == pytest.approx((null - loss).mean())
    assert found.log_loss_gain[1:] == pytest.approx((want.low, want.high))
    right, null_right = p.argmax(axis=1) == codes, codes == frequency.argmax()
    want = stats.ttest_rel(right.astype(float), null_right.astype(float)).confidence_interval(0.95)
    assert found.accuracy_gain[1:] == pytest.approx((want.low, want.high))
    assert found.accuracy.value == right.mean()


def test_the_intervals_of_a_model_cover_its_true_quality():
    """One fixed model judged on a thousand samples of 150 rows; the truth is known from the
    distribution."""
    rng = np.random.default_rng(2)
    n, repeats = 150, 1000
    x = rng.normal(size=(repeats, n))
    happened = rng.random((repeats, n)) < 1 / (1 + np.exp(-(0.6 + 1.3 * x)))
    big = rng.normal(size=1_000_000)
    chance = 1 / (1 + np.exp(-(0.6 + 1.3 * big)))
    claimed = lambda x: -np.logaddexp(0, -np.stack([-1.5 * x, 1.5 * x], axis=-1))  # noqa: E731  a slightly wrong model
    log_p = claimed(big)
    true_accuracy = np.where(big > 0, chance, 1 - chance).mean()
    true_loss = -(chance * log_p[:, 1] + (1 - chance) * log_p[:, 0]).mean()
    null = max(chance.mean(), 1 - chance.mean())
    covered = np.zeros(3)
    for i in range(repeats):
        found = quality(happened[i].astype(int), claimed(x[i]))
        for j, (estimate, truth) in enumerate(
            [
                (found.accuracy, true_accuracy),
                (found.log_loss, true_loss),
                (found.accuracy_gain, true_accuracy - null),
            ]
        ):
            covered[j] += estimate.low <= truth <= estimate.high
    assert (np.abs(covered / repeats - 0.95) < 0.025).all(), covered / repeats


def test_wilson_covers_small_shares_on_average():
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.005, 0.2, size=3000)
    hits = rng.binomial(60, shares)
    covered = [
        found.low <= p <= found.high for p, found in zip(shares, map(wilson_interval, hits, [60] * 3000), strict=True)
    ]
    assert 0.935 < np.mean(covered) < 0.975


def test_class_qualities_agree_with_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(4)
    codes, predicted = rng.integers(0, 4, size=300), rng.integers(0, 4, size=300)
    confusion = np.zeros((4, 4), dtype=int)
    np.add.at(confusion, (codes, predicted), 1)
    precision, recall, f1, support = precision_recall_fscore_support(codes, predicted)
    found = class_qualities(confusion, np.array(list("abcd")))
    assert [each.precision.value for each in found] == pytest.approx(precision.tolist())
    assert [each.recall.value for each in found] == pytest.approx(recall.tolist())
    assert [each.f1 for each in found] == pytest.approx(f1.tolist())
    assert [each.n_rows for each in found] == support.tolist()


def test_a_class_that_neither_occurs_nor_is_predicted_has_no_quality():
    found = class_qualities(np.array([[5, 0], [0, 0]]), np.array(["a", "b"]))[1]
    assert np.isnan([found.precision.value, found.recall.value, found.f1]).all()
