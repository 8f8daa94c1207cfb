"""`LogisticRegression`: binary logistic and softmax regression as a scikit-learn classifier."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from polytome.certificates.certificate import Certificate
from polytome.errors import ArgumentError
from polytome.losses import Logistic, Loss, Softmax, WithOffset, with_offset
from polytome.models.bounds import Bounds
from polytome.models.calibration import Calibration, calibration_of
from polytome.models.certain_outputs import CERTAIN, Outputs
from polytome.models.certified import CertifiedClassifier
from polytome.models.decision import DecisionRule, decision_of
from polytome.models.features import FeatureScale, checked_features, refuse_foreign_arrays
from polytome.models.fit_hooks import HAS_CALLBACKS, both, minimize_with_hooks
from polytome.models.fitted import NO_CERTIFICATE, learns_in_parts
from polytome.models.fitting import Plan, Problem, check_settings, is_penalised, keep_fit, moved, planned, reporter_of
from polytome.models.framed import labelled_rows
from polytome.models.groups import Groups, check_group_ratio, check_groups
from polytome.models.labels import (
    Labels,
    class_weights,
    hard_labels,
    is_soft,
    row_weights,
    smoothed,
    soft_labels,
)
from polytome.models.offsets import checked_offset, offset_columns, refuse_offset_of_parts
from polytome.models.partial import OF_FIT, PartialState, distance_to_batch, learn_batch, suits_partial_fit
from polytome.models.partitions import by_partition
from polytome.models.peer_settings import check_peer_classes, check_peer_settings, l1_ratio_of, threads_of
from polytome.models.penalty_weights import PenaltyWeights, numbered_weights
from polytome.models.predictions import (
    dense_coefficients,
    log_probabilities_of,
    predicted_classes,
    probabilities_of,
    scores_of,
)
from polytome.models.streamed import encoder_in, keep_encoder, opened, streamed_data
from polytome.objective import Objective
from polytome.rows import rows_of
from polytome.solvers import Solution, Solver, Stop, minimize
from polytome.solvers.driver import Callback
from polytome.solvers.iterates import Iterate
from polytome.tables.streams.frames import refuse_spread

Array = NDArray[Any]

__all__ = ["LogisticRegression"]


class LogisticRegression(CertifiedClassifier):
    """Logistic regression for two classes, softmax regression for more, with a proof of how good
    the fit is.

    Minimises `sum_i s_i loss(x_i W + b, y_i) / S + penalty(W) / (C S)`, with `s_i` the weight of
    row i, `S` their sum, and `penalty(W) = l1_ratio ||W||_1 + (1 - l1_ratio) / 2 ||W||^2`: the
    objective of scikit-learn's classifier of the same name divided by `C S`, with the same
    solution.

    Args:
        penalty: as in scikit-learn, for programs written for it: "l2", "l1", "elasticnet", or None,
            which disables `C`.
        C: inverse strength of the penalty; `numpy.inf` for none. The intercept is never penalised.
        l1_ratio: the share of absolute values in the penalty: 0 for L2, 1 for L1, between them the
            elastic net. Above 0 coefficients that do not pay for themselves are exactly 0.
        groups: which coefficients are 0 together: the norms of groups take the place of absolute
            values. None: each by itself. "classes": those of a column, of all classes. "columns":
            those of all features that a column of a table became. Or one label (a whole number or
            text) for each column: those of all columns with the same label, of all classes. A
            group of p columns counts `sqrt(p)` times its norm.
        group_ratio: where there are groups, the share of norms in what `l1_ratio` is the share of;
            the rest are absolute values. 1 for norms alone; below it a sparse group lasso, under
            which single coefficients are 0 in groups that are not.
        dual: accepted where scikit-learn accepts it; the minimum is the same.
        fit_intercept: whether to fit an intercept.
        intercept_scaling: accepted, and without effect: the intercept is not penalised.
        class_weight: None, "balanced", or a dict from class to weight.
        scale: what each column is divided by before its coefficient is penalised: None (nothing),
            "standard" (its standard deviation), a number (255 for pixels) or one per column.
            `coef_` always belongs to the columns as given, and no copy of X is made.
        label_smoothing: the share of each label that is spread evenly over all K classes, from 0
            and below 1: the targets are `(1 - e) y + e / K`. No fit is then ever separated, and no
            prediction quite certain.
        penalty_weights: what the penalty of each column's coefficients is multiplied by: None (1),
            one number per column, or numbers by the names of columns (1 for those not named). 0
            leaves a column without a penalty.
        bounds: what coefficients are within: None, a pair (low, high) for all columns, such as
            `(0, None)`, a pair of arrays with a number for each column, an array of one pair for
            each column, (n_features, 2), or a dict of pairs by the names or places of columns.
            None or an infinite number is no bound; equal ones fix a coefficient. They are of
            `coef_`, of all classes, and never of intercepts.
        solver: "auto", which suits every data set; or "newton", "lbfgs", "dual",
            "gradient-descent", "sgd", or a solver of `polytome.solvers`. Scikit-learn's other names
            mean "auto".
        tol: the fit stops when its objective is proved to be within `tol` times the objective of
            the null model (the best intercept alone) of the minimum.
        max_iter: most iterations; 0 leaves all coefficients at the zeros that scikit-learn starts
            from.
        multi_class: accepted as in scikit-learn before 1.8, where it means the same.
        warm_start: start from the coefficients of the last fit.
        random_state: seed of "sgd"; nothing else is random.
        verbose: 1 prints a line for each iteration.
        n_jobs: threads of a fit: a number, -1 for all cores, None for the usual number
            (`POLYTOME_NUM_THREADS`). It changes no bit of the result.
        callback: called with a `Progress` at each iteration; a true return value stops the fit,
            which keeps the best so far.

    Attributes:
        classes_: the labels, sorted, shape (K,).
        coef_: (1, d) for two classes, (K, d) for more; float64, or float32 where X is float32 and
            the certificate holds for coefficients so short.
        proved_zero_: where `l1_ratio` is above 0 or there are bounds, which coefficients are 0, and
            are proved to be so at every optimum, boolean, of the shape of `coef_`.
        at_bound_: where there are bounds, which coefficients are equal to one of theirs, boolean,
            of the shape of `coef_`.
        intercept_: (1,) or (K,).
        certificate_: how far the objective is from its minimum; prints as one sentence.
        stop_: why the fit stopped.
        separation_: without a penalty, the coefficients that have no finite estimate; else None.
            Where that is not known, `separation_unknown_` says why.
        history_: one `Progress` per iteration.
        objective_: the minimised formula with its numbers.
        solver_: the solver that ran, and why: `solver_.solver`, `solver_.reason`; prints as one
            line.
        source_: what a table or an image brought: how its columns became features, and more; see
            `FittedSource`. Models that `polytome train` or `fit_source` made have parts of it as
            `encoder_`, `image_shape_`, `positive_` and `training_` (what the data were, a
            `TrainingRecord`), too. A new fit starts from none of it.
        n_iter_: number of iterations, shape (1,).
        n_features_in_, feature_names_in_: as in scikit-learn.
        needs_offset_: whether it was fitted with an offset, which rows to be predicted need as
            well.
        offset_columns_: of a model from `offset_as_columns`, the columns of X that are its offset.
        state_: after `partial_fit`: what the next call goes on from, in the place of `certificate_`
            and of all that describes a fit.

    Example:
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> model = LogisticRegression().fit(X, ["no", "no", "yes", "yes"])
        >>> model.predict([[2.5]])
        array(['yes'], dtype='<U3')
        >>> model.certificate_.holds
        True

    References: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3; Boehning,
    Multinomial logistic regression algorithm, Annals of the Institute of Statistical Mathematics
    44, 1992.
    """

    has_probabilities = True
    state_: PartialState
    needs_offset_: bool
    offset_columns_: tuple[int, ...]
    _left: tuple[Array, Array] | None = None

    def __init__(
        self,
        penalty: Literal["l2", "l1", "elasticnet", "deprecated"] | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        groups: Groups = None,
        group_ratio: float = 1.0,
        dual: bool = False,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        scale: FeatureScale = None,
        penalty_weights: PenaltyWeights = None,
        bounds: Bounds = None,
        label_smoothing: float = 0.0,
        solver: str | Solver = "auto",
        tol: float = 1e-4,
        max_iter: int = 10_000,
        multi_class: Literal["auto", "multinomial", "ovr", "deprecated"] = "deprecated",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        n_jobs: int | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.groups = groups
        self.group_ratio = group_ratio
        self.dual = dual
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.scale = scale
        self.penalty_weights = penalty_weights
        self.bounds = bounds
        self.label_smoothing = label_smoothing
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.multi_class = multi_class
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.callback = callback

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit the model until its certificate holds.

        Args:
            X: shape (n, d). NumPy of any real type and order, memory maps, SciPy sparse, pandas or
                polars; not copied. torch tensors, which stay on their device, and arrays of other
                libraries through DLPack. Or rows from `polytome.open_rows`, which stay in their
                files; a data frame of Dask or Spark, or a Dask array, which stay with their
                workers.
            y: one label per row, or one row of class probabilities per row, shape (n, K). Rows from
                `open_rows` bring their labels; of a data frame of Dask or Spark it is the name of a
                column.
            sample_weight: one weight per row; 2 equals the row twice, 0 equals its absence.
            offset: what is added to the scores of each row, known beforehand and not learned: shape
                (n,) for two classes, added to the score of the second, (n, K) for more. Of rows in
                memory. The model then asks for the offset of rows that it is to predict.

        Returns:
            The fitted model. Where the certificate was not reached a `ConvergenceWarning` says how
            far the fit is from it.

        Raises:
            DataError: X, y, sample_weight or offset cannot be used, or the fit would not fit into
                memory; the message names the place and the remedy.
            ArgumentError: a setting cannot be used.
        """
        self._check_settings()
        refuse_offset_of_parts(X, offset)
        X, y = opened(X, y)
        given = X
        if (streamed := streamed_data(self, X, y, sample_weight)) is not None:
            X, labels, weight = streamed
        else:
            refuse_foreign_arrays(X)
            X = checked_features(self, X, y)
            refuse_offset_of_parts(X, offset)
            weight = row_weights(sample_weight, X.shape[0])
            labels = soft_labels(y) if is_soft(y) else hard_labels(y)
        weight = class_weights(self.class_weight, labels, weight)
        check_peer_classes(self, len(labels.classes))
        labels = smoothed(labels, self.label_smoothing)
        known = None if offset is None else checked_offset(offset, len(weight), len(labels.classes))
        with numbered_weights(self, encoder_in(given)):
            plan = planned(self, X, self._problem(X, labels, weight, known))
            data = {"X": X, "y": y, "metadata": _metadata(sample_weight, offset)}
            keep_fit(self, plan, self._minimum(plan, data))
        self.needs_offset_ = offset is not None
        self.__dict__.pop("offset_columns_", None)
        self.__dict__.pop("_decision", None)
        self.__dict__.pop("_calibration", None)
        self.__dict__.pop("state_", None)
        keep_encoder(self, given)
        return self

    @available_if(suits_partial_fit)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
        feature_names: Any = None,
        keep_rows: int | None = None,
    ) -> Self:
        """Learn from further rows, which are not kept unless that is asked for.

        After any number of calls the coefficients are near the minimum of the objective of `fit` on
        all distinct rows that have come, `S` being the sum of their weights; `distance_to_batch`
        says how near. Rows of one call are distinct. When all rows that have come, come again, in
        whichever order and batches, that is another pass over the same data: nothing counts twice,
        and the coefficients approach the minimum for one copy of them. Up to 1024 coefficients
        the curvature of all rows is kept, so that a pass is a step of Newton's method; beyond that,
        stochastic steps are averaged. There is no step size to choose. After `fit` it begins anew,
        since nothing is kept of the rows of a fit; so does `fit` after it.

        Args:
            X: shape (n, d), as in `fit`. A frame may have further columns behind those known so
                far; in the rows before they were 0.
            y: one label per row. Labels never seen before are new classes, at any call.
            classes: labels that may come; they need not be named.
            sample_weight: one weight per row.
            feature_names: the names of X's columns where X has none, as those from a vectoriser
                whose vocabulary grows: known ones first, in their order, then new ones.
            keep_rows: how many of the rows the model may keep, and `save` with it, as the first
                call says; 0 unless it does. A sample of each class is learned from again while its
                rows no longer come: give some hundred rows for each class where classes arrive one
                after the other. Up to 1024 coefficients, as long as no more rows have come, the
                coefficients are those of `fit`.

        Returns:
            The model. It has no `certificate_`, as nothing is proved about rows that are gone, and
            none of what describes a `fit`; `state_` is what the next call goes on from.

        Raises:
            DataError: X, y or sample_weight cannot be used.
            ArgumentError: a setting cannot be used, or another one than the model began with.
            AttributeError: scale="standard" or class_weight="balanced", which need all rows.

        Example:
            >>> model = LogisticRegression()
            >>> for X, y in [([[0.0], [1.0]], ["a", "a"]), ([[4.0], [5.0]], ["b", "b"])]:
            ...     model = model.partial_fit(X, y)
            >>> model.predict([[0.5], [4.5]])
            array(['a', 'b'], dtype='<U1')

        References: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and
        stochastic optimization, JMLR 12, 2011; Johnson and Zhang, Accelerating stochastic gradient
        descent using predictive variance reduction, NeurIPS 2013.
        """
        learn_batch(self, X, y, classes, sample_weight, feature_names, keep_rows)
        return self

    def distance_to_batch(self, X: Any, y: Any = None, sample_weight: Any = None) -> Certificate:
        """How far the coefficients, as they are, are from the optimum for given data.

        Args:
            X: shape (n, d).
            y: one label per row, of the model's classes.
            sample_weight: one weight per row.

        Returns:
            A certificate for the objective that `fit` would minimise on these data, with this `C`.

        Raises:
            DataError: the data do not suit the model.

        Example:
            >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"]
            >>> model = LogisticRegression().partial_fit(X, y)
            >>> model.distance_to_batch(X, y).holds
            True
        """
        return distance_to_batch(self, X, y, sample_weight)

    def _minimum(self, plan: Plan, data: Mapping[str, Any]) -> Solution | None:
        """The minimum, from the last fit where that is wanted; scikit-learn's callbacks see each
        iteration."""
        if plan.choice is None:
            return None
        objective, solver = plan.objective, plan.choice.solver
        start, report = self._start(objective, plan.problem), reporter_of(self)
        last: deque[Iterate] = deque(maxlen=1)
        keep = last.append if self.warm_start else None
        limits: Any = {"tol": self.tol, "max_iter": self.max_iter}

        def watched(see: Callable[[Iterate], object], callback: Callback) -> Solution:
            return minimize(objective, solver, start, see=both(keep, see), callback=both(report, callback), **limits)

        if "_skl_callbacks" in vars(self):
            solution = minimize_with_hooks(self, data, objective, plan.problem.classes, watched)
        else:
            solution = minimize(objective, solver, start, see=keep, callback=report, **limits)
        if self.max_iter == 0 and start is None and solution.stop is Stop.MAX_ITER:
            solution = moved(objective, solution, objective.canonical(np.zeros(objective.shape)))
        self._left = _left(objective, solution, last[-1]) if self.warm_start and last else None
        return solution

    @available_if(lambda _: HAS_CALLBACKS)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set scikit-learn's callbacks, which are called at the start and end of a fit and of each
        iteration.

        Of scikit-learn 1.9 and later. A true return value at the end of an iteration stops the fit.
        """
        from sklearn.callback import CallbackSupportMixin

        CallbackSupportMixin.set_callbacks(self, *callbacks)
        return self

    def densify(self) -> Self:
        """Turn `coef_` into an array again: undoes `sparsify`."""
        check_is_fitted(self, "coef_")
        self.coef_ = dense_coefficients(self)
        return self

    def sparsify(self) -> Self:
        """Turn `coef_` into a sparse matrix, which is smaller where most coefficients are zero.

        Example:
            >>> model = LogisticRegression().fit([[0.0, 0.0], [1.0, 0.0]], [0, 1]).sparsify()
            >>> model.coef_.nnz, model.predict([[1.0, 5.0]])
            (1, array([1]))
        """
        check_is_fitted(self, "coef_")
        coef: Any = sparse.csr_matrix(self.coef_)
        self.coef_ = coef
        return self

    # Rows of a model that was fitted with an offset have one as well: without it there is no
    # prediction. Any other model adds one that it is given.

    @by_partition
    def decision_function(self, X: Any, offset: Any = None) -> Array:
        """Scores `X @ coef_.T + intercept_ + offset`: shape (n,) for two classes (positive: the
        second), else (n, K). A temperature and a shift of `calibration_` correct them."""
        scores = scores_of(self, X, offset)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    @by_partition
    def predict(self, X: Any, offset: Any = None) -> Array:
        """The class with the largest score, or the one that `decision_` chooses, shape (n,)."""
        if (rule := decision_of(self)) is not None:
            decided: Array = self.classes_[rule.codes(self.predict_proba(X, offset))]
            return decided
        if (calibration := calibration_of(self)) is not None and calibration.is_table:
            probable: Array = self.classes_[self.predict_proba(X, offset).argmax(axis=1)]
            return probable
        return predicted_classes(self, X, offset)

    @by_partition
    def predict_proba(self, X: Any, offset: Any = None) -> Array:
        """Probability of each class, shape (n, K), columns in the order of `classes_`; corrected by
        `calibration_`, if there is one."""
        if (calibration := calibration_of(self)) is not None and calibration.is_table:
            found = log_probabilities_of(self, X, offset)
            return calibration.probabilities(found).astype(found.dtype, copy=False)
        return probabilities_of(self, X, offset)[:, : len(self.classes_)]

    @by_partition
    def predict_log_proba(self, X: Any, offset: Any = None) -> Array:
        """Logarithm of the probabilities, finite even where a probability is below the smallest
        float."""
        if (calibration := calibration_of(self)) is not None and calibration.is_table:
            logarithms: Array = np.log(self.predict_proba(X, offset))
            return logarithms
        return log_probabilities_of(self, X, offset)[:, : len(self.classes_)]

    def offset_as_columns(self, names: Sequence[str] | None = None, places: Sequence[int] | None = None) -> Self:
        """A model fitted with an offset as one whose X has the offset in it, in columns with the
        coefficient 1.

        It predicts rows that have these columns, and needs no `offset=`: so it can be exported,
        served, explained and reported like any other model. `offset_columns_` says which they are.

        Args:
            names: of the columns, where the model was fitted to a frame; "offset", or of more than
                two classes "offset_CLASS" for each.
            places: of the columns among all columns of the new X, counted from 0; behind the
                others, if None.

        Returns:
            Another model, with the same certificate.

        Raises:
            ArgumentError: the model was fitted without an offset, or names or places cannot be
                used.

        Example:
            >>> X, y, offset = np.array([[0.0], [1.0], [2.0]]), [0, 1, 1], np.array([0.5, 0.0, -0.5])
            >>> model = LogisticRegression().fit(X, y, offset=offset)
            >>> wide = model.offset_as_columns()
            >>> same = wide.predict(np.column_stack([X, offset])) == model.predict(X, offset=offset)
            >>> wide.coef_[0, 1], bool(same.all())
            (np.float64(1.0), True)
        """
        check_is_fitted(self, "coef_")
        found: Self = offset_columns(self, names, places)
        return found

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, offset: Any = None) -> float:
        """The accuracy: the weighted share of rows whose class is predicted. A model that was
        trained on a table finds the labels of a data frame in their column."""
        from sklearn.metrics import accuracy_score

        refuse_spread(X)
        X, y = labelled_rows(self, X, y)
        return float(accuracy_score(y, self.predict(X, offset=offset), sample_weight=sample_weight))

    @property
    def decision_(self) -> DecisionRule | None:
        """The rule by which `predict` chooses classes; None for the most probable class.

        It is kept in files, and gone after another fit. Probabilities do not depend on it.

        Example:
            >>> from polytome.models.decision import DecisionRule
            >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"])
            >>> model.decision_ = DecisionRule(threshold=0.99)
            >>> model.predict([[2.0]])
            array(['no'], dtype='<U3')
        """
        return decision_of(self)

    @decision_.setter
    def decision_(self, rule: DecisionRule | None) -> None:
        if rule is None:
            self.__dict__.pop("_decision", None)
            return
        if not isinstance(rule, DecisionRule):
            raise ArgumentError(f"decision_ is a {type(rule).__name__}: give a DecisionRule, or None")
        check_is_fitted(self, "coef_")
        if learns_in_parts(self):
            raise ArgumentError("decision_: the model learns by partial_fit, after which a rule no longer suits it")
        if rule.n_classes != len(self.classes_):
            raise ArgumentError(
                f"decision_ is of {rule.n_classes} classes, and the model has {len(self.classes_)}: give "
                f"{'a threshold' if len(self.classes_) == 2 else 'costs for each of them'}"
            )
        self.__dict__["_decision"] = rule

    @property
    def calibration_(self) -> Calibration | None:
        """How probabilities are corrected; None where they are those of the fit.

        It is kept in files, and gone after another fit. Coefficients and certificate do not depend
        on it; a `decision_` does, and has to be chosen after it.

        Example:
            >>> from polytome.models.calibration import Calibration
            >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "yes"])
            >>> before = model.decision_function([[2.0]])
            >>> model.calibration_ = Calibration(temperature=2.0)
            >>> bool(np.allclose(model.decision_function([[2.0]]), before / 2))
            True
        """
        return calibration_of(self)

    @calibration_.setter
    def calibration_(self, calibration: Calibration | None) -> None:
        if calibration is not None and not isinstance(calibration, Calibration):
            raise ArgumentError(f"calibration_ is a {type(calibration).__name__}: give a Calibration, or None")
        check_is_fitted(self, "coef_")
        if decision_of(self) is not None:
            raise ArgumentError(
                "calibration_: the model decides by a rule for its probabilities as they are; set decision_ to None, "
                "and choose a rule again afterwards"
            )
        if calibration is None:
            self.__dict__.pop("_calibration", None)
            return
        if learns_in_parts(self):
            raise ArgumentError("calibration_: the model learns by partial_fit, after which none would suit it")
        if calibration.n_classes not in (None, len(self.classes_)):
            raise ArgumentError(
                f"calibration_ is of {calibration.n_classes} classes, and the model has {len(self.classes_)}"
            )
        self.__dict__["_calibration"] = calibration

    if not TYPE_CHECKING:  # mypy would take every name for an attribute

        def __getattr__(self, name: str) -> Any:
            """Raises AttributeError, which for what only `fit` sets says why it is missing."""
            if name in OF_FIT and learns_in_parts(self):
                raise AttributeError(f"{name}: the model {NO_CERTIFICATE}")
            return object.__getattribute__(self, name)  # raises what it has raised before

    @property
    def kind(self) -> str:
        """What a sentence calls this model."""
        return "logistic regression" if len(self.classes_) == 2 else "softmax regression"

    def _check_settings(self) -> None:
        check_settings(self)
        check_peer_settings(self)
        check_groups(self.groups, l1_ratio_of(self), is_penalised(self))
        check_group_ratio(self.group_ratio, self.groups is not None)

    def _outputs(self, labels: Labels, weight: Array) -> tuple[Labels, Outputs]:
        """The labels of the classes that count, and the outputs of these; without intercepts all
        classes count."""
        n_classes = len(labels.classes)
        counting, places = labels.counting(weight) if self.fit_intercept else (labels, np.arange(n_classes))
        if n_classes == 2:
            score = 0.0 if len(places) == 2 else CERTAIN if places[0] == 1 else -CERTAIN
            return counting, Outputs(np.arange(len(places) // 2), np.array([score]))
        certain = np.full(n_classes, -CERTAIN)
        certain[places] = 0.0
        # Of three classes, two that count keep the penalty of a softmax: coefficients of their own.
        return counting, Outputs(places, certain)

    def _problem(self, X: Any, labels: Labels, weight: Array, offset: Array | None = None) -> Problem:
        """The loss of the classes that count, on rows with their targets and perhaps offsets."""
        counting, outputs = self._outputs(labels, weight)
        n_classes, n_counting = len(labels.classes), len(counting.classes)
        target: Array = counting.target
        loss: Loss | None = None if n_counting == 1 else Softmax(n_counting)
        if n_classes == 2 and n_counting == 2:
            target, loss = target[:, 1] if counting.is_soft else target, Logistic()
        if offset is not None and loss is not None:
            own = offset if n_classes == 2 else offset[:, outputs.learned]
            target, loss = with_offset(target, own), WithOffset(loss)
        rows = rows_of(X, target, weight, n_threads=threads_of(self.n_jobs))
        return Problem(loss, rows, outputs, "softmax" if n_classes > 2 else "logistic", labels.classes)

    def _start(self, objective: Objective, problem: Problem) -> Array | None:
        """Coefficients of the last fit if they are wanted and have the right shape, else None: the
        null model."""
        if not (self.warm_start and "coef_" in vars(self)):
            return None
        outputs = problem.outputs
        same_shape = self.coef_.shape == (len(outputs.certain), objective.shape[0] - 1)
        if not (same_shape and np.array_equal(self.classes_, problem.classes)):
            return None
        if (known := outputs.known_start(dense_coefficients(self), self.intercept_)) is None:
            return None
        raw = np.vstack([known[0].T, known[1]]).astype(np.float64, copy=False)
        if self._left is not None and np.array_equal(self._left[0], self.intercept_):
            raw[-1] = self._left[1]
        start = objective.rows.columns.from_raw_coefficients(raw)
        if not self.fit_intercept:
            start[-1] = 0.0
        return start


def _left(objective: Objective, solution: Solution, last: Iterate) -> tuple[Array, Array] | None:
    """The intercepts of a fit that was cut short, and where its solver had left them before they
    were made exact."""
    W, V = last.coefficients, solution.coefficients
    if solution.stop is not Stop.MAX_ITER or W.shape != V.shape or not np.allclose(W[:-1], V[:-1], rtol=1e-9, atol=0):
        return None
    columns = objective.rows.columns
    return columns.as_given(V)[1], columns.as_given(W)[1]


def _metadata(sample_weight: Any, offset: Any) -> dict[str, Any] | None:
    """What scikit-learn's callbacks get beside X and y."""
    given = {"sample_weight": sample_weight, "offset": offset}
    return {name: value for name, value in given.items() if value is not None} or None
