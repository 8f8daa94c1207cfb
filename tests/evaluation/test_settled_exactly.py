"""Everything that is said to be settled, against the minimum in 80 digits, on data that are made to
break it."""

import warnings

import numpy as np
import pytest

from exact_minimum import ExactModel, exact_minimum, flint
from polytome import LogisticRegression
from polytome.evaluation.settled import cost_of_change, mean_variation_bound, prediction_rounding, settled_rows
from polytome.files.training_record import record_training
from polytome.models.labels import Labels, class_weights

KINDS = ("mild", "scales", "outliers", "offsets", "weights", "strengths", "unpenalised")
CASES = 25  # of each kind


def make_case(kind, number):
    """Rows, labels, settings and other rows: always the same for a kind and a number."""
    rng = np.random.default_rng([KINDS.index(kind), number, 12])
    n, d, K = int(rng.integers(6, 24)), int(rng.integers(1, 4)), int(rng.choice([2, 2, 3]))
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) * rng.choice([0.3, 3.0]) + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    settings = {
        "C": float(10 ** rng.uniform(-1, 2)),
        "tol": float(10 ** -rng.uniform(1, 9)),
        "fit_intercept": bool(rng.random() < 0.8),
        "scale": rng.choice([None, "standard"]),
        "solver": str(rng.choice(["auto", "lbfgs"])),
        "max_iter": 300,
    }
    if kind == "scales":
        X = X * 10 ** rng.uniform(-8, 8, d)
    if kind == "outliers":
        X[rng.integers(n), rng.integers(d)] = rng.choice([-1, 1]) * 10 ** rng.uniform(3, 13)
    if kind == "offsets":
        X = X + 10 ** rng.uniform(0, 13, d)
    if kind == "weights":
        settings["class_weight"] = {k: float(10 ** rng.uniform(-6, 6)) for k in range(K)}
    if kind == "strengths":
        settings["C"] = float(10 ** rng.uniform(-6, 6))
    if kind == "unpenalised":
        settings["C"] = np.inf
        n = 60
        X, y = rng.normal(size=(n, d)) * 10 ** rng.uniform(-1, 1, d), rng.integers(0, K, n)
    new = X[rng.integers(n, size=12)] + X.std(axis=0) * rng.normal(size=(12, d))
    return X, y, settings, new


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_said_of_predictions_is_true_of_the_exact_minimum(kind):
    settled = 0
    for number in range(CASES):
        X, y, settings, new = make_case(kind, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(**settings).fit(X, y)
        if model.certificate_.kind != "proof":
            continue
        model.training_ = record = record_training(model, X, y)
        certificate, where = model.certificate_, f"{kind} {number}"
        weight = class_weights(model.class_weight, Labels(model.classes_, y), np.ones(len(y)))
        exact, returned = exact_minimum(model, X, y, weight, record.divisor), ExactModel.of(model)
        with flint.ctx.workdps(80):
            moved = model.predict(X) != exact.classes(X)
            assert record.could_change is None or moved.sum() <= record.could_change, where
            for rows in (X, new):
                stays = settled_rows(model, rows)
                settled += stays.sum()
                assert (model.predict(rows) == exact.classes(rows))[stays].all(), where
                off = np.array(returned.log_probabilities(rows), dtype=object) - _exact(model.predict_log_proba(rows))
                assert (
                    _floats(np.abs(off)).max(axis=1) <= prediction_rounding(model.coef_, model.intercept_, rows)
                ).all()
            log_p, log_q = (np.array(one.log_probabilities(X), dtype=object) for one in (returned, exact))
            variation = _floats(
                [
                    [abs(p.exp() - q.exp()) for p, q in zip(*pair, strict=True)]
                    for pair in zip(log_p, log_q, strict=True)
                ]
            )
            assert variation.sum(axis=1) @ weight / weight.sum() / 2 <= mean_variation_bound(certificate.gap), where
            distance = _floats(np.array(returned.W, dtype=object) - np.array(exact.W, dtype=object)) * record.divisor
            assert np.linalg.norm(distance) <= certificate.coefficient_bound, where
            if model.fit_intercept and record.centre_bounds.size:
                middle = record.mean[None]
                at = np.array(returned.scores(middle)[0], dtype=object) - np.array(
                    exact.scores(middle)[0], dtype=object
                )
                assert (_floats(np.abs(at[:, None] - at)) <= record.centre_bounds).all(), where
    assert settled > CASES  # a bound that settles nothing would prove nothing


def _exact(values):
    return np.array([[flint.arb(float(value)) for value in row] for row in values], dtype=object)


def _floats(values):
    return np.array([[float(value.mid()) for value in row] for row in np.asarray(values, dtype=object)])


def test_weights_that_the_record_does_not_know_settle_nothing():
    X, y, _, _ = make_case("mild", 3)
    for weight in (np.linspace(0.1, 1.9, len(y)), np.arange(len(y)) % 2 * 2.0):
        weight *= len(y) / weight.sum()  # the sum is that of no weights at all
        model = LogisticRegression().fit(X, y, sample_weight=weight)
        assert record_training(model, X, y).could_change is None
    soft = np.where(np.eye(int(y.max()) + 1)[y] == 1, 0.9, 0.1 / y.max())
    assert record_training(LogisticRegression().fit(X, soft), X, y).could_change is None
    assert record_training(LogisticRegression().fit(X, y), X, y).could_change is not None


def test_a_cost_is_finite_where_a_probability_rounds_to_one():
    log_probabilities = np.array([[-80.0, -2e-35]])
    (cost,) = cost_of_change(log_probabilities, np.zeros(1))
    assert 39 < cost <= 40 - np.log(2)
