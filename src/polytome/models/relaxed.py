"""`relaxed_refit`: the columns that a penalty has kept, fitted again with less of it or without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from polytome.errors import ArgumentError
from polytome.models.fitting import check_certified, is_penalised
from polytome.models.groups import groups_of
from polytome.models.logistic import LogisticRegression
from polytome.models.peer_settings import l1_ratio_of
from polytome.models.penalty_weights import penalty_weights_of
from polytome.models.predictions import dense_coefficients
from polytome.models.settings import real_number

Array = NDArray[Any]

__all__ = ["relaxed_refit"]

_NEVER = 1e50
"""The penalty weight of a column that is left out: no slope of a loss comes near such a price."""


def relaxed_refit(
    model: LogisticRegression,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    share: float = 0.0,
) -> LogisticRegression:
    """Fit the columns that a model has kept again, without its penalty or with a share of it.

    A penalty with absolute values does two things at once: it leaves columns out, and it makes the
    coefficients of the others too small. The refit keeps the choice and takes the shrinkage back.
    It minimises the model's objective with the penalty of the kept columns multiplied by `share`,
    the other columns' coefficients being 0; for more than two classes a column is kept if any class
    has a coefficient for it. It is a model like any other, with its own certificate: that of
    `penalty_weights`, which are the model's times `share` for what is kept, and prohibitive for
    what is not. X is not copied.

    Args:
        model: a fitted `LogisticRegression` whose `l1_ratio` is above 0, such as a point of a path
            (`path.model_at(7)`) or the choice of a cross-validation (`search.best_model()`).
        X: the rows that it was fitted to, with all columns.
        y: their labels.
        sample_weight: their weights, if it was fitted with any.
        offset: their offsets, if it was fitted with any.
        share: how much of the penalty is left on the columns that are kept, from 0, none, and below
            1. The middle way helps where some classes are separated by the kept columns.

    Returns:
        The refitted model; the given one is unchanged. Where the kept columns separate classes and
        `share` is 0, a `ConvergenceWarning` names the coefficients that have no finite estimate.

    Raises:
        ArgumentError: the model has left nothing out by absolute values, or was fitted to other
            columns or classes, or `share` cannot be used.
        DataError: X, y, sample_weight or offset cannot be used.

    Example:
        >>> from polytome import LogisticRegression, load_dataset
        >>> data = load_dataset("breast-cancer")
        >>> model = LogisticRegression(C=0.05, l1_ratio=1, scale="standard").fit(data.X, data.y)
        >>> refit = relaxed_refit(model, data.X, data.y)
        >>> bool(((refit.coef_ == 0) == (model.coef_ == 0)).all()), refit.certificate_.holds
        (True, True)
        >>> bool(np.abs(refit.coef_).sum() > np.abs(model.coef_).sum())
        True

    Reference: Meinshausen, Relaxed lasso, Computational Statistics and Data Analysis 52, 2007;
    Hastie, Tibshirani and Tibshirani, Best subset, forward stepwise or lasso?, Statistical Science
    35, 2020.
    """
    _check(model, share)
    refit: LogisticRegression = clone(model)
    refit.set_params(penalty_weights=_weights(model, float(share)), warm_start=False)
    n_columns = X.shape[1] if getattr(X, "ndim", 0) == 2 else None
    if n_columns is not None and n_columns != model.n_features_in_:
        raise ArgumentError(
            f"X has {n_columns} columns, the model was fitted to {model.n_features_in_}: give the same rows again, "
            "with all columns"
        )
    refit.fit(X, y, sample_weight, offset)
    if not np.array_equal(refit.classes_, model.classes_):
        raise ArgumentError(
            f"y has the classes {refit.classes_.tolist()!s:.60}, the model {model.classes_.tolist()!s:.60}: give the "
            "same rows again"
        )
    return refit


def _check(model: Any, share: Any) -> None:
    """Raises ArgumentError unless the model can be refitted."""
    if not isinstance(model, LogisticRegression):
        raise ArgumentError(
            f"model is a {type(model).__name__}: needs a fitted LogisticRegression, such as path.model_at(7) or "
            "search.best_model()"
        )
    check_certified(model)
    if not is_penalised(model) or not l1_ratio_of(model):
        raise ArgumentError("model has no absolute values in its penalty, so it left nothing out: give l1_ratio > 0")
    if isinstance(share, bool) or not 0 <= real_number(share) < 1:
        raise ArgumentError(f"share={share!r}: needs a number from 0 (no penalty on what is kept), and below 1")


def _weights(model: LogisticRegression, share: float) -> Array:
    """The penalty weight of each column: prohibitive where it is left out."""
    coef, encoder = dense_coefficients(model), model.source_.encoder
    n_columns = coef.shape[1]
    given = penalty_weights_of(model, n_columns, encoder)
    own = np.ones(n_columns) if given is None else given
    kept = (coef != 0).any(axis=0) | (own == 0)
    groups = groups_of(model, n_columns, encoder)
    if groups is not None:  # the columns of a group have one weight
        kept = np.bincount(groups, kept).astype(bool)[groups]
    return np.where(kept, share * own, _NEVER)
