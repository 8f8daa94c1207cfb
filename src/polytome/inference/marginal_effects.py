"""Tables of coefficients as what the package marginaleffects takes for a model."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, MissingExtraError
from polytome.inference.logistic_result import LogisticResult
from polytome.inference.ordered_result import OrderedResult
from polytome.inference.predicted import probabilities_of
from polytome.inference.variables import variable_of

Array = NDArray[Any]

__all__ = ["to_marginaleffects"]

_WEIGHT = "weight"


def to_marginaleffects(result: Any) -> Any:
    """A result as the package marginaleffects has its models, with the result's own covariance.

    `avg_slopes`, `avg_comparisons`, `avg_predictions`, `predictions`, `hypotheses` and the others
    take what is returned. Of two classes the probability is that of the class that the table is
    about; of more there is a group for each. Categories are compared with the level that the
    formula leaves out. Where rows have weights, they are the column `weight`, for `wts="weight"`.

    Args:
        result: of `fit_formula` or `summarize`, for two classes, more, or ordered ones; of Firth's
            method too.

    Raises:
        ArgumentError: this is not such a result, or some of its estimates are infinite.
        MissingExtraError: marginaleffects is not installed.

    Example:
        >>> from polytome.inference import fit_formula
        >>> data = {"ill": [0, 1, 0, 1, 1, 0, 1, 0, 1, 0] * 9, "age": [25, 47, 61, 58, 39, 30, 66, 51, 33, 44] * 9}
        >>> try:
        ...     from marginaleffects import avg_slopes
        ...
        ...     found = avg_slopes(to_marginaleffects(fit_formula("ill ~ age", data)))["estimate"][0]
        ... except ImportError:
        ...     found = fit_formula("ill ~ age", data).effects("age").values[0]
        >>> print(f"{found:.4f}")
        0.0091

    Reference: Arel-Bundock, Greifer and Heiss, "How to interpret statistical models using
    marginaleffects for R and Python", Journal of Statistical Software 111, 2024.
    """
    if not isinstance(result, LogisticResult | OrderedResult):
        raise ArgumentError(
            f"result is a {type(result).__name__}: give a table of fit_formula or summarize; models that predict have "
            "evaluation.contributions and partial plots"
        )
    if np.isinf(result.coefficients).any():
        place = int(np.flatnonzero(np.isinf(result.coefficients.ravel()))[0])
        equation, term = result.labels[place]
        raise ArgumentError(
            f"result: the estimate of {term!r} for {equation!r} is infinite, and marginaleffects would take it for a "
            'number; use result.effects(), which knows, or method="firth"'
        )
    try:
        classes, polars = import_module("marginaleffects.classes"), import_module("polars")
    except ImportError as error:
        raise MissingExtraError(
            'to_marginaleffects needs the package marginaleffects: pip install "marginaleffects>=0.6"'
        ) from error
    columns = _Columns(result, polars)
    used = result.estimate.estimated
    vault = classes.ModelVault(
        coef=result.coefficients.ravel()[used],
        coefnames=np.array([_name(result, label) for label in np.array(result.labels, dtype=object)[used]]),
        formula=columns.matrices,
        modeldata=columns.frame(),
        package="polytome",
        vcov=result.covariance[np.ix_(used, used)],
        variable_names=[result.about.response, *columns.names],
    )
    return _model_class()(result, vault, columns)


class _Columns:
    """The variables of a result as a frame of polars, and such frames as columns of the model."""

    def __init__(self, result: Any, polars: Any) -> None:
        self.result, self.sample, self.design, self.polars = result, result.sample, result.design, polars
        of_data = self.sample.names if self.design is None else self.design.data.columns
        self.names = [str(name) for name in of_data]
        self.levels: dict[str, list[Any]] = {}
        """Of each category the levels, that which is left out first."""
        for name in self.names:
            if self.design is not None and self.design.is_category(name):
                levels, _ = variable_of(self.sample, self.design, name)
                assert levels is not None
                first = self.design.first_level(name, levels)
                self.levels[name] = [first, *(level for level in levels if level != first)]

    def frame(self) -> Any:
        """The rows of the fit."""
        found: dict[str, Any] = {}
        for name in self.names:
            _, values = variable_of(self.sample, self.design, name)
            found[name] = self._series(values, self.levels[name]) if name in self.levels else np.asarray(values)
        classes = self.sample.classes
        found[self.result.about.response] = self._series([classes[code] for code in self.sample.codes], classes)
        if _WEIGHT not in found and not (self.sample.weight == 1).all():
            found[_WEIGHT] = self.sample.weight
        return self.polars.DataFrame(found)

    def _series(self, values: Any, levels: Any) -> Any:
        return self.polars.Series(list(map(str, values)), dtype=self.polars.Enum(list(map(str, levels))))

    def matrix(self, data: Any) -> Array:
        """The columns of rows, with the intercept's first and the offset last, where there are
        any."""
        n_rows = data.height
        if self.design is None:
            made = np.column_stack([data[name].to_numpy() for name in self.names]).astype(np.float64)
            offset = None
        else:
            frame = self._pandas(data)
            made, offset = self.design.columns_of(frame), self.design.offset_of(frame)
        parts = [np.ones((n_rows, 1)), made] if self.sample.fit_intercept or self.is_ordered else [made]
        return np.hstack(parts if offset is None else [*parts, offset[:, None]])

    @property
    def is_ordered(self) -> bool:
        return isinstance(self.result, OrderedResult)

    def matrices(self, data: Any) -> tuple[None, Array]:
        """What marginaleffects calls a formula: no response, and the columns."""
        return None, self.matrix(data)

    def _pandas(self, data: Any) -> Any:
        """The variables as the formula's data have them; whole numbers may be moved a little, to
        be differentiated by."""
        import pandas

        found: dict[str, Any] = {}
        for name in self.names:
            if name in self.levels:
                known = {str(level): level for level in self.levels[name]}
                values = [known[value] for value in data[name].to_list()]
                found[name] = pandas.Series(values).astype(self.design.data[name].dtype)
            else:
                found[name] = data[name].to_numpy()
        return pandas.DataFrame(found)

    def probabilities(self, coefficients: Array, X: Array) -> Array:
        """Of each class, (n, K), at other coefficients of those that are estimated."""
        whole = np.zeros(self.result.coefficients.size)
        whole[self.result.estimate.estimated] = coefficients
        return probabilities_of(
            whole.reshape(self.result.coefficients.shape),
            X,
            len(self.sample.classes),
            has_offset=self.sample.offset is not None,
            is_ordered=self.is_ordered,
        )


def _name(result: Any, label: Any) -> str:
    equation, term = label
    return str(term) if len(result.coefficients) == 1 else f"[{equation}]{term}"


@cache
def _model_class() -> type:
    """The class of models, which can be made only where marginaleffects is installed."""
    abstract = import_module("marginaleffects.classes").ModelAbstract
    polars = import_module("polars")

    class PolytomeModel(abstract):  # type: ignore[misc, valid-type]
        """A table of coefficients."""

        def __init__(self, model: Any, vault: Any, columns: _Columns) -> None:
            self.columns = columns
            if np.isfinite(model.estimate.df):
                self.df_resid = float(model.estimate.df)  # of the t distribution, for errors by cluster
            super().__init__(model, vault)

        def get_vcov(self, vcov: Any = True) -> Any:
            if isinstance(vcov, str):
                raise ArgumentError(
                    f"vcov={vcov!r}: the table has its own covariance; ask for another in the fit, as covariance="
                    f"{vcov!r}"
                )
            return self.vault.vcov if vcov is True else None

        def get_exog(self, newdata: Any) -> Array:
            return self.columns.matrix(newdata)

        def get_predict(self, params: Array, newdata: Any) -> Any:
            X = newdata if isinstance(newdata, np.ndarray) else self.columns.matrix(newdata)
            P, classes = self.columns.probabilities(np.asarray(params), X), self.columns.sample.classes
            rows = np.arange(len(X), dtype=np.int32)
            if len(classes) == 2:
                return polars.DataFrame({"rowid": rows, "estimate": P[:, 1]})
            groups = np.repeat([str(each) for each in classes], len(X))
            return polars.DataFrame({"rowid": np.tile(rows, len(classes)), "group": groups, "estimate": P.T.ravel()})

    return PolytomeModel
