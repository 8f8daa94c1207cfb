"""Rows, labels and weights from arrays and frames, as a sample whose first class is the
reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from polytome.errors import ArgumentError
from polytome.inference.maximum_likelihood import places_after, refuse_one_class, weights_checked
from polytome.inference.sample import Sample
from polytome.models.features import checked_features, refuse_foreign_arrays, refuse_nonfinite
from polytome.models.fitted import feature_names_in
from polytome.models.labels import hard_labels
from polytome.models.logistic import LogisticRegression
from polytome.tables.frames import listing

Array = NDArray[Any]

__all__ = ["places_in_order", "sample_of"]


def sample_of(
    X: Any,
    y: Any,
    *,
    fit_intercept: bool = True,
    reference: Any = None,
    weights: Any = None,
    weights_are: str | None = None,
    order: Any = None,
) -> Sample:
    """Rows of positive weight.

    Args:
        X: shape (n, d), dense or sparse, or a frame, whose columns have names.
        y: one label for each row.
        fit_intercept: whether there is an intercept.
        reference: the first class of the sample; the first of the labels, if None.
        weights: the weight of each row.
        weights_are: "frequencies", "importance" or "sampling".
        order: all classes, in their order, instead of a reference.

    Raises:
        ArgumentError: the reference, or the order, is not of the classes.
        DataError: X, y or weights cannot be used.
    """
    refuse_foreign_arrays(X)
    model = LogisticRegression(C=np.inf)
    X = checked_features(model, X, y)
    refuse_nonfinite(X, model)
    labels = hard_labels(y)
    weight = weights_checked(weights, weights_are, X.shape[0])
    counting = weight > 0
    present = np.unique(labels.target[counting])
    classes = [labels.classes.tolist()[k] for k in present]
    refuse_one_class(classes, "y")
    places = places_after(classes, reference, "y") if order is None else places_in_order(classes, order, "y")
    position = np.full(len(labels.classes), -1)
    position[present[places]] = np.arange(len(places))
    given = feature_names_in(model)
    names = [f"feature_{j}" for j in range(X.shape[1])] if given is None else [str(name) for name in given]
    X = sparse.csr_matrix(cast(Any, X)) if sparse.issparse(X) else X
    return Sample(
        X if counting.all() else X[counting],
        tuple(names),
        fit_intercept,
        position[labels.target[counting]].astype(np.intp),
        tuple(classes[k] for k in places),
        weight[counting],
        np.flatnonzero(counting),
        weights_are,
    )


def places_in_order(classes: Sequence[Any], order: Any, response: str) -> list[int]:
    """The places of the classes in a given order of all of them.

    Raises:
        ArgumentError: the order leaves one out, repeats one, or names what is not one.
    """
    if isinstance(order, str) or np.ndim(order) != 1:
        raise ArgumentError(
            f"order={order!r}: give the classes of {response} from the lowest to the highest, as a list"
        )
    texts = [str(each) for each in classes]
    wanted = [str(each) for each in order]
    present = [each for each in wanted if each in texts]
    missing = [each for each in texts if each not in wanted]
    if missing or len(set(present)) < len(present):
        what = f"leaves out {listing(missing)}" if missing else "names a class twice"
        raise ArgumentError(f"order {what}: give each of the classes of {response} once, {listing(classes)}")
    return [texts.index(each) for each in present]
