"""Cross-validation: its scores are those of a loop by hand, its rules those of a table by hand, and
what it refuses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.utils.estimator_checks import check_estimator

import polytome
from polytome import LogisticRegression, LogisticRegressionCV, load_dataset
from polytome.errors import ArgumentError, DataError
from polytome.models.cross_validation import chosen_by_rule, mean_and_error
from polytome.models.path import PathProgress
from turns import TurnQueue

Array = NDArray[Any]


def rows(n: int = 90, d: int = 6, n_classes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Rows of columns that matter in part, and labels that follow them in part."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, d)) * random.uniform(0.3, 3.0, d)
    scores = X[:, :n_classes] @ random.normal(size=(n_classes, n_classes)) + random.gumbel(size=(n, n_classes))
    return X, scores.argmax(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_scores_are_those_of_fits_by_hand(kind: str, n_classes: int) -> None:
    X, y = rows(n_classes=n_classes)
    given: Any = sparse.csr_matrix(X) if kind == "sparse" else X
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    settings: dict[str, Any] = {"scale": "standard", "class_weight": "balanced", "tol": 1e-8}
    Cs, ratios = [0.01, 0.1, 3.0], [0.0, 1.0]
    folds = StratifiedKFold(3)
    search = LogisticRegressionCV(Cs=Cs, l1_ratios=ratios, cv=3, **settings).fit(given, y, weight)
    weights, own = [], np.empty((3, 2, 3))
    for fold, (train, test) in enumerate(folds.split(X, y)):
        weights.append(weight[test].sum())
        for place, ratio in enumerate(ratios):
            for at, C in enumerate(Cs):
                model = LogisticRegression(C=C, l1_ratio=ratio, **settings).fit(given[train], y[train], weight[train])
                own[fold, place, at] = -log_loss(
                    y[test], model.predict_proba(given[test]), sample_weight=weight[test], labels=np.arange(n_classes)
                )
                found = search.coefs_paths_[fold, place, at]
                assert found[:, :-1] == pytest.approx(model.coef_, abs=1e-3)
                if (ratio, C) == (search.l1_ratio_, search.C_):
                    assert search.held_out_proba_[test] == pytest.approx(model.predict_proba(given[test]), abs=1e-4)
    assert search.scores_ == pytest.approx(own, abs=1e-5)
    means = np.average(own, axis=0, weights=weights)
    assert search.mean_scores_ == pytest.approx(means, abs=1e-5)
    place, at = np.unravel_index(means.argmax(), means.shape)
    assert (search.l1_ratio_, search.C_) == (ratios[place], Cs[at])
    alone = LogisticRegression(C=search.C_, l1_ratio=search.l1_ratio_, **settings).fit(given, y, weight)
    assert (search.coef_ == alone.coef_).all()
    assert search.certificate_ == alone.certificate_


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc_ovr", "neg_brier_score"])
def test_scorers_of_scikit_learn(scoring: str) -> None:
    X, y = rows()
    search = LogisticRegressionCV(Cs=[0.1, 1.0], l1_ratios=[0.5], cv=KFold(3), scoring=scoring, tol=1e-8).fit(X, y)
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        model = LogisticRegression(C=1.0, l1_ratio=0.5, tol=1e-8).fit(X[train], y[train])
        assert search.scores_[fold, 0, 1] == pytest.approx(get_scorer(scoring)(model, X[test], y[test]), abs=1e-4)


def test_a_function_judges_too() -> None:
    X, y = rows(n_classes=2)

    def hits(model: Any, X: Array, y: Array) -> float:
        return float((model.predict(X) == y).sum())

    search = LogisticRegressionCV(Cs=3, l1_ratios=[1], cv=3, scoring=hits).fit(X, y)
    assert search.scores_.max() <= 30
    assert (search.scores_ == search.scores_.round()).all()


def test_the_standard_error_is_glmnets() -> None:
    """Means of folds, weighted by the folds' sizes:
    `sqrt(weighted.mean((m - mean)^2) / (k - 1))`."""
    scores, sizes = np.array([[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]]), np.array([10.0, 10.0, 20.0])
    mean, error = mean_and_error(scores, sizes)
    assert mean.tolist() == [2.75, 2.0]
    assert error == pytest.approx([np.sqrt((10 * 1.75**2 + 10 * 0.75**2 + 20 * 1.25**2) / 40 / 2), 0.0])


@pytest.mark.parametrize(
    ("means", "errors", "best", "simplest"),
    [
        ([[-3.0, -2.0, -1.0, -1.5]], [[0.0, 0.0, 1.0, 0.0]], (0, 2), (0, 1)),
        ([[-3.0, -2.0, -1.0, -1.5]], [[9.0, 9.0, 0.9, 9.0]], (0, 2), (0, 2)),
        ([[-1.0, -1.0, -1.0, -1.0]], [[0.1] * 4], (0, 0), (0, 0)),
        ([[-2.0, -1.0], [-1.2, -1.1]], [[0.3, 0.3], [0.3, 0.3]], (0, 1), (0, 1)),
        ([[-2.0, -1.1], [-1.2, -1.0]], [[0.3, 0.3], [0.3, 0.3]], (1, 1), (1, 0)),
        ([[-2.0, -1.0], [-2.0, -1.0]], [[0.3, 0.3], [0.3, 0.3]], (1, 1), (1, 1)),
    ],
)
def test_the_rules_on_tables_by_hand(means: Any, errors: Any, best: Any, simplest: Any) -> None:
    assert chosen_by_rule(np.array(means), np.array(errors), "min") == best
    assert chosen_by_rule(np.array(means), np.array(errors), "1se") == simplest


def test_the_grid_comes_from_all_rows_and_spans_what_matters() -> None:
    X, y = rows()
    search = LogisticRegressionCV(Cs=6, l1_ratios=[0.5, 1], cv=3).fit(X, y)
    assert search.Cs_.shape == (6,)
    assert (np.diff(search.Cs_) > 0).all()
    assert not search.coefs_paths_[:, 1, 0, :, :-1].any()
    assert search.coefs_paths_[:, 1, 3].any()


def test_the_same_bits_for_any_number_of_threads() -> None:
    X, y = rows(n=200, d=20)
    first, second = (LogisticRegressionCV(Cs=4, l1_ratios=[0, 1], cv=4, n_jobs=n).fit(X, y) for n in (1, 3))
    assert (first.coefs_paths_ == second.coefs_paths_).all()
    assert (first.scores_ == second.scores_).all()
    assert (first.held_out_proba_ == second.held_out_proba_).all()


def test_rows_of_a_group_are_held_out_together_and_later_rows_after_earlier_ones() -> None:
    X, y = rows()
    groups = np.arange(90) % 9
    for cv in (3, GroupKFold(3)):
        search = LogisticRegressionCV(Cs=2, l1_ratios=[1], cv=cv).fit(X, y, groups=groups)
        for train, held_out in search.folds_:
            assert not set(groups[train]) & set(groups[held_out])
    search = LogisticRegressionCV(Cs=2, l1_ratios=[1], cv=TimeSeriesSplit(3)).fit(X, y)
    assert all(train.max() < held_out.min() for train, held_out in search.folds_)
    never = np.isnan(search.held_out_proba_).all(axis=1)
    assert never.tolist() == [row < search.folds_[0][1].min() for row in range(90)]


def test_labels_and_frames_as_in_a_single_fit(tmp_path: Any) -> None:
    pandas = pytest.importorskip("pandas")
    iris = load_dataset("iris")
    frame = pandas.DataFrame(iris.X, columns=list(iris.feature_names))
    search = LogisticRegressionCV(Cs=3, l1_ratios=[1], cv=3).fit(frame, iris.y)
    assert search.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert search.feature_names_in_.tolist() == list(iris.feature_names)
    assert search.score(frame, iris.y) > 0.9
    search.save(tmp_path / "model.safetensors")
    again = polytome.load(tmp_path / "model.safetensors")
    assert type(again) is LogisticRegression
    assert again.C == search.C_
    assert (again.predict_proba(frame) == search.predict_proba(frame)).all()


def test_what_was_finished_when_it_was_stopped_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.models.fold_fits.SimpleQueue", TurnQueue)
    X, y = rows()
    seen: list[PathProgress] = []

    def stop_after_two_folds(progress: PathProgress) -> bool:
        seen.append(progress)
        return progress.done == 10

    search = LogisticRegressionCV(Cs=4, l1_ratios=[1], cv=5, n_jobs=1, callback=stop_after_two_folds)
    with pytest.warns(
        UserWarning, match=r"stopped when [2-4] of 5 folds were finished: the choice, C=.* rests on these"
    ):
        search.fit(X, y)
    done = search.n_folds_done_
    assert np.isnan(search.scores_).all(axis=(1, 2)).sum() == 5 - done
    whole = LogisticRegressionCV(Cs=4, l1_ratios=[1], cv=5).fit(X, y)
    assert (search.scores_[~np.isnan(search.scores_)] == whole.scores_[~np.isnan(search.scores_)]).all()
    seen.clear()
    search.set_params(callback=seen.append).fit(X, y)
    assert seen[-1].total == 4 * (5 - done)
    assert (search.scores_ == whole.scores_).all()
    assert search.C_ == whole.C_


def test_stopped_before_two_folds_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polytome.models.fold_fits.SimpleQueue", TurnQueue)
    X, y = rows()
    search = LogisticRegressionCV(Cs=4, l1_ratios=[1], cv=5, n_jobs=1, callback=lambda progress: True)
    with pytest.raises(KeyboardInterrupt, match="of 5 folds were finished; fit, called again with the same data"):
        search.fit(X, y)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"Cs": [1.0, -1.0]}, r"Cs\[1\] is -1: needs positive finite numbers"),
        ({"Cs": 0}, "Cs=0: needs how many strengths"),
        ({"l1_ratios": [0.5, 1.5]}, "needs a list of numbers from 0"),
        ({"l1_ratios": []}, "at least one"),
        ({"rule": "best"}, "rule='best': needs 'min'"),
        ({"scoring": "acuracy"}, r"scoring='acuracy': .*did you mean 'accuracy'"),
        ({"scoring": "roc_auc"}, "scoring: the scorer fails on the held-out rows of a fold"),
        ({"scoring": lambda model, X, y: np.nan}, "scoring: the scorer gave nan"),
        ({"cv": "many"}, "needs how many folds, a splitter"),
        ({"cv": 1}, "needs 2 folds or more"),
        ({"cv": []}, "makes no folds"),
        ({"cv": [([0, 1], [200])]}, "fold 1 is not a pair"),
        ({"cv": GroupKFold(3)}, "makes no folds of these rows: The 'groups' parameter"),
        ({"callback": 3}, "callback=3"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], words: str) -> None:
    X, y = rows()
    with pytest.raises(ArgumentError, match=words):
        LogisticRegressionCV(**({"Cs": 2, "cv": 3} | settings)).fit(X, y)


@pytest.mark.parametrize(
    ("y", "cv", "groups", "words"),
    [
        ([0, 1] * 3, 10, None, "cv=10: there are 6 rows, fewer than folds"),
        ([0, 1] * 3, 4, None, "cv=4: no class has as many rows as there are folds, the largest 3"),
        ([0, 0, 0, 0, 0, 1], 3, None, "fold [123]: its training rows have rows of one class only"),
        ([0, 1, 0, 1, 0, 2], 3, None, "fold [123]: its training rows lack the class 2"),
        ([0, 1] * 3, 3, [1, 2, 3], r"groups has shape \(3,\), X has 6 rows"),
        ([0, 1] * 3, 3, [1, 2] * 3, "cv=3: there are 2 groups, fewer than folds"),
        ([[0.5, 0.5]] * 6, 3, None, "needs one label per row"),
    ],
)
def test_data_that_cannot_be_used(y: Any, cv: int, groups: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        LogisticRegressionCV(cv=cv).fit(np.arange(12.0).reshape(6, 2), y, groups=groups)


def test_scikit_learns_own_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(LogisticRegressionCV(Cs=2, l1_ratios=(1.0,), cv=2))
