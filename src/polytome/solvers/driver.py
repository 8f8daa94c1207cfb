"""The one loop: draws a solver's iterates and stops when the certificate holds; `train` counts
epochs instead."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.careful import CarefulFrame, Given
from polytome.certificates.certificate import Certificate, certify, check_provable, is_separated, separated_outputs
from polytome.certificates.decimal_proof import DecimalProof
from polytome.certificates.fenchel import quick_gap
from polytome.curvature.hessian_factor import LARGEST_HESSIAN
from polytome.curvature.hessian_root import HessianRoot
from polytome.curvature.newton_point import NewtonPoints, has_free_hessian
from polytome.errors import ArgumentError
from polytome.objective import Objective
from polytome.penalties import Penalty
from polytome.solvers.careful_newton import CarefulNewton
from polytome.solvers.iterates import DualIterate, Iterate
from polytome.solvers.newton import Newton
from polytome.solvers.solver import Relay, Solver, check_residence
from polytome.threads import kept, one_blas_thread

Array = NDArray[Any]

_MAX_REFUSED = 5
_PATIENCE_BESIDE_UNPENALISED = 3
_DEFAULT_TOLERANCE = 1e-4  # the tolerance where none is asked for
_MAX_PROVING_STEPS = 3  # of Newton's method, to where the curvature proves the distance

__all__ = [
    "Callback",
    "Epoch",
    "Progress",
    "Solution",
    "Stop",
    "Training",
    "check_limits",
    "minimize",
    "train",
]


class Stop(enum.Enum):
    """Why a fit stopped; the value says what happened and what to do."""

    CERTIFIED = "the certificate holds: the objective is within `tol` of its minimum"
    ESTIMATED = (
        "the distance from the minimum is estimated to be within `tol`; without a penalty the curvature did not prove "
        "it, perhaps because there is no minimum: with a finite C the proof is always possible"
    )
    SEPARATED = (
        "the classes can be separated perfectly and there is no penalty, so no finite coefficients are optimal: "
        "every larger multiple of these is better; use a penalty (a finite C)"
    )
    MAX_ITER = "`max_iter` iterations were made before the certificate held; raise max_iter or tol"
    STALLED = (
        "the iterations bring no more progress although the certificate does not hold; raise tol, strengthen the "
        "penalty (a smaller C), scale columns of very different size, or, in gradient descent, lower the learning rate"
    )
    NONFINITE = "the objective became infinite or NaN; lower the learning rate, or scale columns of very different size"
    INTERRUPTED = "the fit was interrupted; the coefficients are the best so far"
    EPOCHS = "the epochs that were asked for were made; where the loss still falls, raise epochs"
    UNCHANGED = "the last epoch changed no coefficient, so no further one would"
    DIVERGED = (
        "the epochs ended at a higher objective than they started from; lower the learning rate, or scale columns of "
        "very different size"
    )

    def __reduce__(self) -> tuple[type[Stop], tuple[str]]:
        """For skops: an enumeration tells only pickle, by `__reduce_ex__`, how to rebuild it."""
        return Stop, (self.value,)

    @property
    def succeeded(self) -> bool:
        """Whether the fit ended as it should."""
        return self in (Stop.CERTIFIED, Stop.ESTIMATED, Stop.EPOCHS, Stop.UNCHANGED)


@dataclass(frozen=True)
class Progress:
    """One line of the history.

    Attributes:
        iteration: 0 for the start.
        passes: passes over the rows so far (certificates not counted).
        objective: in nats.
        gap: bound on the distance from the minimum, in nats, valid once the intercept is exact;
            without a penalty an estimate.
        seconds: since the first iteration began; NaN in what was pickled, which keeps no times.
    """

    iteration: int
    passes: float
    objective: float
    gap: float
    seconds: float = field(default=np.nan, compare=False)

    def __reduce__(self) -> tuple[type[Progress], tuple[int, float, float, float]]:
        """Without the time, which differs from run to run: equal fits have equal pickles, and equal
        `joblib.hash`."""
        return Progress, (self.iteration, self.passes, self.objective, self.gap)


Callback = Callable[[Progress], object]
"""Called at each iteration; a true return value stops the fit."""


@dataclass(frozen=True)
class Solution:
    """What `minimize` found; numerical trouble is a value of `stop`, never an exception.

    Attributes:
        coefficients: shape (n_features + 1, n_outputs) for standardised columns, intercept last.
        stop: why it stopped.
        certificate: how far the objective is from its minimum.
        history: one line per iterate.
        passes: passes over the rows, those of the certificates not counted.
        separated: the outputs of a separable loss that are why `stop` is `SEPARATED`, where others
            have an optimum.
        took_over: in words, which solver or precision took over on the way; empty if none did.
        given: the coefficients for raw columns, (n_features, n_outputs), and the intercepts that
            the certificate is about, where they are not those that follow from `coefficients`:
            rounding was looked at carefully.
    """

    coefficients: Array
    stop: Stop
    certificate: Certificate
    history: tuple[Progress, ...]
    passes: float
    separated: tuple[int, ...] = ()
    took_over: tuple[str, ...] = ()
    given: tuple[Array, Array] | None = None

    def as_given(self, objective: Objective) -> tuple[Array, Array]:
        """Coefficients for raw columns as a user sees them, (n_outputs, n_features), and the
        intercepts."""
        if self.given is None:
            return objective.rows.columns.as_given(self.coefficients)
        return self.given[0].T, self.given[1]


def minimize(
    objective: Objective,
    solver: Solver,
    start: Array | None = None,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
    callback: Callback | None = None,
    see: Callable[[Iterate], object] | None = None,
) -> Solution:
    """Minimise an objective until its certificate holds: `gap <= tol * P(null model)`.

    Args:
        objective: what is minimised.
        solver: how.
        start: coefficients to start from; the null model if None.
        tol: largest gap, relative to the objective of the null model.
        max_iter: most iterations.
        callback: called with each `Progress`; a true return value interrupts.
        see: called before it with the iterate itself, as long as that is one of the objective as it
            was given: not where Newton's method goes on over columns that are centred elsewhere.

    Raises:
        ArgumentError: `tol` or `max_iter` cannot be used, or the loss has no certificate, or no
            solver minimises this penalty, or it needs rows in memory and these are elsewhere.

    Example:
        >>> from polytome.losses import Logistic
        >>> from polytome.penalties import L2
        >>> from polytome.rows import as_rows
        >>> from polytome.solvers import Newton
        >>> rows = as_rows(np.array([[-1.0], [0.0], [1.0]]), np.array([0, 1, 1]))
        >>> minimize(Objective(Logistic(), L2(0.1), rows), Newton()).stop.name
        'CERTIFIED'
    """
    check_limits(tol, max_iter)
    check_provable(objective)
    _check_minimises(solver, objective.penalty)
    check_residence(solver, objective.rows)
    # An overflow on the way is an outcome, not a warning.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        state = _Minimization(objective, tol, max_iter, callback, see)
        start = objective.null[0] if start is None else objective.canonical(start)
        if not objective.fit_intercept:
            start = np.vstack([start[:-1], np.zeros_like(start[-1:])])
        # First in the fast precision; where its rounding halts the solver, in float64; and where
        # that does too, with the solver that was to take over later, if any.
        relay, careful = Relay(solver, objective, start), state.may_be_careful(solver)
        while (stop := state.run(relay, careful)) is None and state.resume(relay):
            pass
        if careful and stop in (None, Stop.NONFINITE):
            stop = state.finish_carefully() or stop
        elif solver.careful_fallback and stop in (None, Stop.STALLED, Stop.NONFINITE):
            stop = state.finish_in_decimals() or stop
        return state.finish(stop or Stop.STALLED)


def check_limits(tol: Any, max_iter: Any) -> None:
    """Raises ArgumentError unless `tol` is a positive number and `max_iter` a whole number, zero or
    more."""
    if not (isinstance(tol, Real) and np.isfinite(float(tol)) and float(tol) > 0):
        raise ArgumentError(f"tol={tol!r}: needs a positive number, the largest gap relative to the null model")
    if not (isinstance(max_iter, Integral) and int(max_iter) >= 0):
        raise ArgumentError(f"max_iter={max_iter!r}: needs zero or a positive whole number")


def _check_minimises(solver: Solver, penalty: Penalty) -> None:
    """Raises ArgumentError where a solver would minimise another objective."""
    if not solver.minimises(penalty):
        raise ArgumentError(
            f"{type(solver).__name__} does not minimise the penalty {penalty.text}: use ProximalNewton (solver='auto') "
            "for an ElasticNet, GroupLasso or bounds, the others for L2, WeightedL2 and NoPenalty"
        )


def _check_epochs(epochs: Any) -> None:
    if not (isinstance(epochs, Integral) and int(epochs) >= 1):
        raise ArgumentError(f"epochs={epochs!r}: needs a positive whole number")


def _outcome(certificate: Certificate) -> Stop:
    """The outcome that a certificate which holds stands for."""
    if certificate.is_of_separation:
        return Stop.SEPARATED
    return Stop.CERTIFIED if certificate.kind == "proof" else Stop.ESTIMATED


def _rank(certificate: Certificate) -> tuple[bool, bool, float]:
    """The certificate of lower rank says more: it holds, is a proof, has the smaller gap."""
    return not certificate.holds, certificate.kind == "estimate", certificate.gap


@dataclass(frozen=True)
class _Certified:
    """A certificate, the coefficients it is about, and what these are for raw columns if they do
    not follow."""

    certificate: Certificate
    coefficients: Array
    given: tuple[Array, Array] | None = None


@dataclass
class _Minimization:
    """The state of one call of `minimize`."""

    objective: Objective
    tol: float
    max_iter: int
    callback: Callback | None
    see: Callable[[Iterate], object] | None
    began: float = field(default_factory=time.perf_counter)
    history: list[Progress] = field(default_factory=list)
    best: Iterate | None = None
    lowest: list[float] = field(default_factory=list)
    next_attempt: float = np.inf
    refused: int = 0  # certificates of this stage that did not hold
    after_refused: int = 0  # iterates before the next certificate, where an estimate of 0 was refused
    certified: _Certified | None = None
    frame: CarefulFrame | None = None
    took_over: dict[str, int] = field(default_factory=dict)  # and at which iteration

    def run(self, relay: Relay, is_careful: bool) -> Stop | None:
        """Iterates until there is a reason to stop; None where another solver or precision should
        continue.

        Args:
            relay: the iterates, taken from the solver itself, so that a traceback is short.
            is_careful: whether a careful Newton's method can take over; in small problems after few
                iterations.
        """
        patience, max_iterations, max_refused = relay.solver.patience, np.inf, np.inf
        if self.frame is not None:
            max_iterations = relay.solver.fallback_after
        elif (is_careful and HessianRoot.of(self.objective) is not None) or self._decimals_may_take_over(relay.solver):
            max_iterations, max_refused = relay.solver.fallback_after, _MAX_REFUSED
            if not is_careful and self.objective.unpenalised.size:
                # Which may tell classes apart: decimals prove nothing then, and floats need longer.
                max_iterations, max_refused = _PATIENCE_BESIDE_UNPENALISED * max_iterations, np.inf
        while True:
            try:
                iterate = relay.named(next(relay.iterates))
            except StopIteration as end:
                if relay.gives_way(end.value):
                    continue
                return None
            stop = self._record(iterate)
            if stop is not None or self._has_stalled(relay.objective, patience):
                return stop
            if len(self.lowest) > max_iterations or self.refused > max_refused:
                return None

    def resume(self, relay: Relay) -> bool:
        """Continues a relay that was halted from the best point, if it can."""
        if self.best is None:
            return False
        if not relay.go_on(self._exact, self.best.point(self.objective), self.history[-1].passes):
            return False
        self.best, self.lowest, self.next_attempt, self.refused = None, [], np.inf, 0
        return True

    def may_be_careful(self, solver: Solver) -> bool:
        """Whether a careful Newton's method takes over where rounding has halted the solver."""
        return solver.careful_fallback and self._careful_frame is not None

    def finish_carefully(self) -> Stop | None:
        """Newton's method over columns that are centred where most of their values are, where
        rounding loses less."""
        frame = self._careful_frame
        if frame is None:
            return None
        objective, passes = frame.centred, self.history[-1].passes
        starts = [frame.start(self.objective.null[0])]
        if self.best is not None:
            starts.append(frame.start(self.best.point(self.objective)))
        values = np.nan_to_num([objective.value_and_gradient(W)[0] for W in starts], nan=np.inf)
        newton: Solver = Newton() if HessianRoot.of(objective) is None else CarefulNewton()
        self.took_over[type(newton).__name__] = len(self.history)
        self.best, self.lowest, self.next_attempt, self.frame = None, [], np.inf, frame
        if (best := frame.best(self.tol)) is not None and self._keep_given(*best).holds:
            return _outcome(best[0])
        return self.run(Relay(newton, objective, starts[int(np.argmin(values))], passes), is_careful=True)

    def finish_in_decimals(self) -> Stop | None:
        """Coefficients that hold, where more digits prove it of those that were found, or find the
        optimum of tiny data."""
        proof = self._decimal_proof
        if proof is None:
            return None
        attempts: list[Callable[[], Any]] = [lambda: proof.of_optimum(self.tol)]
        if self.certified is not None or self.best is not None:
            W = self._best_iterate().coefficients if self.certified is None else self.certified.coefficients
            attempts.insert(0, lambda: proof.of_coefficients(W, self.tol))
        for attempt in attempts:
            if (found := attempt()) is not None:
                certificate, (raw, intercept) = found
                if self._keep_given(certificate, Given(raw, intercept, intercept)).holds:
                    return _outcome(certificate)
        return None

    @property
    @kept
    def _decimal_proof(self) -> DecimalProof | None:
        """Proofs in decimals, for what has no careful sums of floats."""
        return None if self._careful_frame is not None else DecimalProof.of(self.objective)

    def _decimals_may_take_over(self, solver: Solver) -> bool:
        """Whether they find the optimum by themselves."""
        proof = self._decimal_proof if solver.careful_fallback else None
        return proof is not None and proof.may_find_optimum

    @property
    @kept
    def _exact(self) -> Objective:
        """The objective with its products in float64: always the same one."""
        return self.objective.at(np.float64)

    @property
    @kept
    def _careful_frame(self) -> CarefulFrame | None:
        """The frame for careful sums, if there is a penalty and the data are small enough."""
        objective = self.objective
        if objective.penalty.is_nothing or objective.hessian_entries > LARGEST_HESSIAN**2:
            return None
        return CarefulFrame.of(objective)

    def _record(self, iterate: Iterate) -> Stop | None:
        """Records an iterate; says why to stop, if there is a reason."""
        finite = iterate.is_finite
        if finite and (self.best is None or iterate.value <= self.best.value):
            self.best = iterate
        gap = self._gap(iterate) if finite else np.inf
        seconds = time.perf_counter() - self.began
        self.history.append(Progress(len(self.history), iterate.passes, iterate.value, gap, seconds))
        for name in iterate.took_over:
            self.took_over.setdefault(name, len(self.history) - 1)
        if self.see is not None and self.frame is None:
            self.see(iterate)
        interrupted = self.callback is not None and bool(self.callback(self.history[-1]))
        if not finite:
            return Stop.NONFINITE
        self.lowest.append(self._best_iterate().value)
        # An estimate of 0 cannot halve: where it is refused, more and more iterates come first.
        waits = gap == 0 and len(self.history) < self.after_refused
        if gap <= min(self.tol * self.objective.null[1], self.next_attempt) and not waits:
            self.next_attempt = gap / 2
            if (stop := self._try_certificate(iterate)) is not None:
                return stop
        if interrupted:
            return Stop.INTERRUPTED
        return Stop.MAX_ITER if len(self.history) > self.max_iter else None

    def _gap(self, iterate: Iterate) -> float:
        """The gap as if what is not penalised were exact; without a penalty the solver's estimate,
        or the last ten gains."""
        if isinstance(iterate, DualIterate):
            return iterate.gap
        if self.frame is not None and iterate.estimate is not None:
            return 2 * max(iterate.estimate, 0.0)  # which a careful certificate comes near
        if self.objective.penalty.has_rest:
            return quick_gap(self.objective, iterate.coefficients, iterate.value, iterate.gradient)
        if not self.objective.penalty.is_nothing:
            return self.objective.penalty.conjugate(self._penalised(iterate.gradient[:-1]))
        if iterate.estimate is not None:
            return iterate.estimate
        return self.lowest[-10] - iterate.value if len(self.lowest) >= 10 else np.inf

    def _penalised(self, gradient: Array) -> Array:
        """The gradient as if unpenalised columns were exact, as a certificate makes them."""
        if self.objective.unpenalised.size:
            gradient = gradient.copy()
            gradient[self.objective.unpenalised] = 0.0
        return gradient

    def _try_certificate(self, iterate: Iterate) -> Stop | None:
        """Asks for a certificate; says to stop where it holds or the classes are separated."""
        # The proof after the steps that would be taken anyway: one certificate is enough, and
        # without a penalty it costs more than they do.
        polishes = self.frame is None and self.tol < _DEFAULT_TOLERANCE
        ahead = self._polished(iterate, has_free_hessian(self.objective)) if polishes else None
        if ahead is not None and ahead.certificate.holds and _outcome(ahead.certificate) is Stop.CERTIFIED:
            self._keep(ahead)
            return _outcome(ahead.certificate)
        certificate = self._certify(iterate)
        if not certificate.holds:
            self.refused += 1
            self.after_refused = len(self.history) + self.refused**2
            # Where only rounding keeps an estimate from holding, no iterate will be better; nor
            # where no careful sums are made for a proof, and the objective falls no more.
            is_final = certificate.kind == "estimate" or (self.objective.penalty.has_rest and self._falls_no_more())
            only_rounding_is_left = is_final and certificate.exact <= self.tol * certificate.null_objective
            return Stop.STALLED if only_rounding_is_left and self.refused > _MAX_REFUSED else None
        if self.frame is None and not certificate.is_of_separation:
            if ahead is not None:
                self._keep(ahead)
            elif polishes and certificate.kind == "estimate":  # which is judged with more rounding
                self._polish(iterate, has_free_hessian(self.objective))
            self._prove(iterate)
        assert self.certified is not None
        return _outcome(self.certified.certificate)

    def _falls_no_more(self) -> bool:
        """Whether the last iterates had one objective, but for its rounding."""
        if len(self.lowest) <= _MAX_REFUSED:
            return False
        before, now = self.lowest[-1 - _MAX_REFUSED], self.lowest[-1]
        return before - now <= 8 * float(np.finfo(np.float64).eps) * abs(now)

    def _prove(self, iterate: Iterate) -> None:
        """Newton's steps until the curvature proves the estimate, where a Hessian can be formed."""
        for _ in range(_MAX_PROVING_STEPS):
            assert self.certified is not None
            if self.certified.certificate.kind == "proof" or self.objective.hessian_entries > LARGEST_HESSIAN**2:
                return
            before, W = self.certified.certificate.gap, self.certified.coefficients
            self._polish(replace(iterate, coefficients=W, step=None), True)
            # Where classes are separated in part, each step gains a factor of e, forever.
            if not self.certified.certificate.gap < before / 2:
                return

    def _polish(self, iterate: Iterate, forms_hessian: bool) -> None:
        """Keeps what further steps lead to, if nothing better is known."""
        polished = self._polished(iterate, forms_hessian)
        if polished is not None:
            self._keep(polished)

    def _polished(self, iterate: Iterate, forms_hessian: bool) -> _Certified | None:
        """One more step of Newton's method, where it is known or costs almost nothing, and two
        where these are all but free: a tolerance below the default asks for digits of the
        coefficients, and each step doubles them. None where there is no such step."""
        if self.objective.penalty.has_rest:
            return None  # the step would leave no coefficient at 0
        points, step, hessian = NewtonPoints.of(self.objective), iterate.step, iterate.intercept_hessian
        objective, rounding = points.objective, 4 * float(np.finfo(np.float64).eps) * abs(iterate.value)
        if not points.are_free and iterate.estimate is not None and iterate.estimate <= rounding / 16:
            return None  # a pass for digits that the objective does not see
        if step is None:
            if iterate.gradient.size == 0 or not forms_hessian:
                return None
            step = points.at(iterate.coefficients).step
        W = iterate.coefficients + step
        if not points.are_free:
            value, gradient = objective.value_and_gradient(W)
        else:
            point = points.at(W)
            further = points.at(W + point.step)
            # Within rounding, so that accidents of it do not decide how far coefficients come.
            if further.value <= point.value + rounding:
                W, point = W + point.step, further
            value, gradient, hessian = point.value, point.gradient, point.intercept_hessian
        if self.certified is not None and self.certified.certificate.kind == "estimate":
            rounding = max(rounding, self.certified.certificate.rounding)
        if not (value <= iterate.value + rounding and np.isfinite(gradient).all()):
            return None
        return _Certified(*certify(objective, W, self.tol, iterate.estimate, (value, gradient), hessian))

    def _certify(self, iterate: Iterate) -> Certificate:
        """The certificate of an iterate, kept if none is better; with careful sums where only
        rounding keeps it from holding."""
        if self.frame is not None:
            return self._certify_carefully(self.frame, iterate.coefficients, iterate.estimate)
        certificate, W = iterate.certify(self.objective, self.tol)
        self._keep(_Certified(certificate, W))
        if not certificate.holds and certificate.exact <= self.tol * certificate.null_objective:
            frame = self._careful_frame
            if frame is not None:
                return self._certify_carefully(frame, frame.start(W), certificate.estimate)
        return certificate

    def _certify_carefully(self, frame: CarefulFrame, W: Array, estimate: float | None) -> Certificate:
        """The same with careful sums, about coefficients of the centred objective."""
        return self._keep_given(*frame.certify(W, self.tol, estimate))

    def _keep_given(self, certificate: Certificate, given: Given) -> Certificate:
        """A certificate of coefficients for raw columns."""
        raw = np.vstack([given.coefficients, given.intercept])
        W = self.objective.rows.columns.from_raw_coefficients(raw)
        self._keep(_Certified(certificate, W, (given.coefficients, given.intercept)))
        return certificate

    def _keep(self, certified: _Certified) -> None:
        if self.certified is None or _rank(certified.certificate) <= _rank(self.certified.certificate):
            self.certified = certified

    def _has_stalled(self, objective: Objective, patience: int) -> bool:
        """Whether the last `patience` iterations gained no more than rounding."""
        if len(self.lowest) <= patience:
            return False
        before, now = self.lowest[-1 - patience], self.lowest[-1]
        rounding = float(np.finfo(objective.rows.precision).eps) / 4
        halved = self.history[-1].gap <= self.history[-1 - patience].gap / 2
        return before - now < rounding * abs(now) and not halved

    def _best_iterate(self) -> Iterate:
        if self.best is None:
            raise ArgumentError(
                "the objective is not finite at the start; give finite starting coefficients (without warm_start none "
                "are given), weights that are not of extreme size, or columns that are smaller"
            )
        return self.best

    def finish(self, stop: Stop) -> Solution:
        """The certified coefficients, or else the best iterate with its certificate."""
        if stop not in (Stop.CERTIFIED, Stop.ESTIMATED, Stop.SEPARATED):
            found, W = self._certify(self._best_iterate()), self._best_iterate().coefficients
            # The best intercept for coefficients that separate the classes need not separate them
            # itself.
            if found.is_of_separation or (self.objective.penalty.is_nothing and is_separated(self.objective, W)):
                stop = Stop.SEPARATED
            elif found.holds and stop is not Stop.NONFINITE:
                stop = _outcome(found)
        assert self.certified is not None
        certificate, coefficients = self.certified.certificate, self.certified.coefficients
        # Where there is a minimum, the distance from it is known.
        may_rise = stop in (Stop.ESTIMATED, Stop.CERTIFIED) and np.isinf(certificate.coefficient_bound)
        separated = self._separated_alone(coefficients) if may_rise else ()
        stop = Stop.SEPARATED if separated else stop
        took_over = tuple(f"{name} took over at iteration {iteration}" for name, iteration in self.took_over.items())
        passes = self.history[-1].passes
        history, given = tuple(self.history), self.certified.given
        return Solution(coefficients, stop, certificate, history, passes, separated, took_over, given)

    def _separated_alone(self, W: Array) -> tuple[int, ...]:
        """The outputs without an optimum where others have one: each output of a separable loss is
        a problem of its own."""
        objective = self.objective
        if not objective.penalty.is_nothing or not objective.loss.separable or objective.loss.n_outputs == 1:
            return ()
        return tuple(np.flatnonzero(separated_outputs(objective, W)).tolist())


@dataclass(frozen=True)
class Epoch:
    """One line of the history of `train`.

    Attributes:
        number: from 1.
        objective: at the end of the epoch, in nats.
        running: mean over the rows of the loss that each met before its step, in nats.
        updates: steps of the epoch that changed the coefficients; None where the solver does not
            count them.
    """

    number: int
    objective: float
    running: float
    updates: int | None


@dataclass(frozen=True)
class Training:
    """What `train` made of the coefficients; numerical trouble is a value of `stop`, never an
    exception.

    Attributes:
        coefficients: shape (n_features + 1, n_outputs) for standardised columns, intercept last;
            where the last epoch was not finite, those of the lowest objective.
        stop: why it stopped.
        history: one line per epoch.
    """

    coefficients: Array
    stop: Stop
    history: tuple[Epoch, ...]


def train(
    objective: Objective,
    solver: Solver,
    start: Array,
    *,
    epochs: int,
    callback: Callable[[Epoch], object] | None = None,
) -> Training:
    """Run a solver for a number of epochs: for losses without a certificate, and models defined by
    their rule.

    Args:
        objective: what the solver descends on.
        solver: how; each of its iterates after the start is one epoch.
        start: coefficients to start from, shape `objective.shape`.
        epochs: how many, at least one.
        callback: called after each epoch; a true return value ends the training, which keeps the
            coefficients so far.

    Raises:
        ArgumentError: `epochs` is not a positive whole number, or no solver minimises this penalty.

    Example:
        >>> from polytome.losses import Squared
        >>> from polytome.penalties import NoPenalty
        >>> from polytome.rows import as_rows
        >>> from polytome.solvers import GradientDescent
        >>> objective = Objective(Squared(), NoPenalty(), as_rows(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0])))
        >>> training = train(objective, GradientDescent(0.5), np.zeros((2, 1)), epochs=2)
        >>> training.coefficients.ravel(), [epoch.running for epoch in training.history]
        (array([0.375, 0.375]), [0.25, 0.0625])
    """
    _check_epochs(epochs)
    _check_minimises(solver, objective.penalty)
    check_residence(solver, objective.rows)
    history: list[Epoch] = []
    with one_blas_thread():
        iterates = Relay(solver, objective, start)
        first = last = lowest = next(iterates)
        for iterate in islice(iterates, int(epochs)):
            # Where all rows make one step, the loss that they met is the objective before it.
            running = last.value if iterate.running is None else iterate.running
            history.append(Epoch(len(history) + 1, iterate.value, running, iterate.updates))
            interrupted = callback is not None and bool(callback(history[-1]))
            if not iterate.is_finite:
                return Training(lowest.coefficients, Stop.NONFINITE, tuple(history))
            last, lowest = iterate, iterate if iterate.value <= lowest.value else lowest
            if interrupted:
                return Training(last.coefficients, Stop.INTERRUPTED, tuple(history))
    stop = Stop.UNCHANGED if last.updates == 0 or len(history) < epochs else Stop.EPOCHS
    # Only for a smooth loss do short steps guarantee descent.
    if last.value > first.value and np.isfinite(objective.loss.smoothness):
        stop = Stop.DIVERGED
    return Training(last.coefficients, stop, tuple(history))
