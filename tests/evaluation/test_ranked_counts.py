"""Rows counted by the size of their score: bounds of what that may change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytome.evaluation.measures import ranking
from polytome.evaluation.ranked_counts import RankedCounts, ranking_of_counts

groups = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any), min_size=1, max_size=6)


@given(groups)
def test_rows_of_one_group_count_as_equal(counts):
    hits, misses = np.array(counts, dtype=float).T
    found, uncertain = ranking_of_counts(hits, misses, np.zeros(len(hits), dtype=bool))
    assert uncertain == 0
    scores = np.repeat(-np.arange(len(counts)), [sum(each) for each in counts])
    belongs = np.concatenate([[True] * hit + [False] * miss for hit, miss in counts])
    assert found == pytest.approx(tuple(ranking(belongs, scores)), nan_ok=True)


@given(groups, st.randoms(use_true_random=False))
def test_no_order_inside_the_groups_changes_more_than_is_said(counts, random):
    hits, misses = np.array(counts, dtype=float).T
    found, uncertain = ranking_of_counts(hits, misses, np.ones(len(hits), dtype=bool))
    belongs = []
    for hit, miss in counts:
        own = [True] * hit + [False] * miss
        random.shuffle(own)
        belongs += own
    exact = ranking(np.array(belongs), -np.arange(len(belongs)))
    if found.auc == found.auc:
        assert abs(np.subtract(found, exact)).max() <= uncertain + 1e-12


def test_the_ends_of_what_can_be_told_apart():
    counts = RankedCounts(1)
    sizes = np.array([0.0, 5e-324, 1e-16, 1e-3, 1.0, 700.0, 745.2, np.inf])
    counts.add(np.arange(8) < 4, -sizes, np.ones(8))
    assert counts.ranking() == (1.0, 1.0)


def test_many_outputs_share_the_memory_until_nothing_can_be_said():
    random = np.random.default_rng(0)
    belongs, scores = random.random(100_000) < 0.5, -random.random(100_000)
    for n_outputs, is_said in ((1, True), (100_000, False)):
        counts = RankedCounts(n_outputs)
        counts.add(belongs, scores, np.ones(100_000))
        assert (counts.ranking() is not None) == is_said


def test_equal_scores_leave_no_doubt_whatever_they_share_an_interval_with():
    counts = RankedCounts(100_000)
    belongs, scores = np.array([True, False] * 500), np.repeat([-0.75, -3.0], 500)
    counts.add(belongs, scores, np.ones(1000))
    assert counts.ranking() == pytest.approx(tuple(ranking(belongs, scores)))
    counts.add(belongs, scores - 1e-9, np.ones(1000))
    assert counts.ranking() is None
