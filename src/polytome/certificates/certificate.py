"""The certificate: how far a fit is from the optimum, proved where it can be proved.

With an L2 penalty of strength `lambda` let `R_i` be the gradient of the loss of row i with respect
to its scores and `G = X' diag(s) R / S`. If the intercept is exact for the current scores, so that
`sum_i s_i R_i = 0`, then `R` is feasible for the dual problem, whose value there is
`D = -sum_i s_i loss*(R_i) / S - ||G||^2 / (2 lambda)` (for the softmax loss `-loss*` is the entropy
of the predicted distribution). No value of the objective lies below D. Fenchel's equality
`loss + loss* = <scores, R>` turns the gap between the two into a form without cancellation:

    P - P*  <=  P - D  =  ||G + lambda W||^2 / (2 lambda)

the squared gradient of the objective over twice its strong convexity. It holds for every convex
loss, soft labels and row weights included. Strong convexity also bounds the coefficients:
`||W - W*||_F <= sqrt(2 gap / lambda)`.

For a penalty with corners, the penalty's own part of Fenchel's inequality takes the place of that
square (`fenchel`).

Without a penalty there is no dual point; there the curvature proves how near the minimum is
(`curvature_proof`), or that of what is left without classes that are all but certain
(`certain_classes`).

References: Boyd and Vandenberghe, Convex Optimization, 2004, sections 5.1 and 9.1.2; Shalev-Shwartz
and Zhang, Stochastic dual coordinate ascent methods for regularized loss minimization, JMLR
14, 2013.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polytome.certificates.certain_classes import least_of_the_rest
from polytome.certificates.curvature_proof import curvature_bound
from polytome.certificates.fenchel import DualPoint, gap_slope
from polytome.certificates.rounding import Rounding, growth, rounding_of
from polytome.certificates.unpenalised import solve_equations
from polytome.curvature.conjugate_gradients import newton_decrement
from polytome.curvature.hessian_factor import LARGEST_HESSIAN
from polytome.errors import ArgumentError
from polytome.losses import Loss, Squared
from polytome.numerics.outward import rounded_up
from polytome.objective import Objective, all_scores
from polytome.objective.intercepts import RESIDUAL_ROUNDING, KnownScores, balanced, exact_intercept
from polytome.passes import Block, Sums, block_scores
from polytome.penalties import Bounded, strength_and_ratio
from polytome.plain.values import plain

Array = NDArray[Any]

__all__ = [
    "Certificate",
    "at_other_coefficients",
    "certify",
    "check_provable",
    "dual_value",
    "is_separated",
    "proof_of_parts",
    "separated_outputs",
]

_MIN_COLUMNS_PER_OUTPUT = 4
_INTERCEPT_GAP_FRACTION = 0.01  # of the gap that is asked for: what the intercept's residual may add
_MAX_KEPT_SCORES = 2**23  # 64 MiB
_MORE = 2.5, 8.0, 40.0  # times half the squared decrement: what falls exponentially is at least twice that


@dataclass(frozen=True)
class Certificate:
    """How far the objective is from its smallest possible value.

    Attributes:
        objective: value of the objective, in nats.
        gap: the objective is at most this far above its minimum, in nats: the parts below included.
        null_objective: the objective of the null model (the best intercept alone), in nats.
        tol: the tolerance that was asked for, relative to the null model.
        kind: "proof" (a duality gap; without a penalty, what the curvature proves, or that the
            classes are separated), or "estimate" (half the squared Newton decrement, where there is
            no penalty and nothing is proved).
        strength: of the penalty; 0 without one, and only then.
        estimate: the sharper distance that the curvature suggests, in nats; None where the Hessian
            was not formed.
        rounding: the part of the gap that stands for rounding, in nats; of an estimate, that of the
            objective.
        intercept: the part of the gap that stands for what is left of the intercept's equation, in
            nats.
        distance: without a penalty, a proved bound on the distance of the coefficients from the
            optimal ones; `inf` if unknown, and with a penalty, where `coefficient_bound` follows
            from the gap.
        l1_ratio: the share of absolute values, or of norms of groups, in the penalty, the rest
            being squares.
        has_bounds: whether the coefficients have bounds, within which the minimum is.

    Example:
        >>> print(Certificate(0.25, 2e-5, 1.0, 1e-4, "proof", 0.1))
        Proved: the objective 0.25 is within 2.0e-05 of its minimum (0.002 % of the null model's; 0.01 % was asked for).
    """

    objective: float
    gap: float
    null_objective: float
    tol: float
    kind: Literal["proof", "estimate"]
    strength: float = 0.0
    estimate: float | None = None
    rounding: float = 0.0
    intercept: float = 0.0
    distance: float = np.inf
    l1_ratio: float = 0.0
    has_bounds: bool = False

    @property
    def modulus(self) -> float:
        """The penalty's modulus of strong convexity: its strength, as far as it is of squares."""
        return self.strength * (1 - self.l1_ratio)

    @property
    def relative_gap(self) -> float:
        """The gap over the objective of the null model: what `tol` bounds."""
        return self.gap / self.null_objective

    @property
    def exact(self) -> float:
        """The gap but for what rounding and the intercept's residual add, in nats: what better sums
        can bring it to."""
        return max(self.gap - self.rounding - self.intercept, 0.0)

    @property
    def holds(self) -> bool:
        """Whether the gap is within the tolerance."""
        return bool(self.gap <= self.tol * self.null_objective)

    @property
    def is_of_separation(self) -> bool:
        """Whether it proves that the classes are separated, so that without a penalty the loss
        falls to 0."""
        return self.kind == "proof" and self._is_without_penalty and self.gap >= self.objective

    @property
    def is_of_curvature(self) -> bool:
        """Whether it proves, without a penalty, how near the infimum is, by the curvature."""
        return self.kind == "proof" and self._is_without_penalty and self.gap < self.objective

    @property
    def _is_without_penalty(self) -> bool:
        """Whether nothing keeps coefficients from growing."""
        return self.strength == 0 and not self.has_bounds

    @property
    def coefficient_bound(self) -> float:
        """Proved bound on the distance of the coefficients from the optimal ones; `inf` if unknown.

        It is the Frobenius distance, of coefficients of columns divided by their scale, as the
        penalty measures it: each square is multiplied by its penalty weight.
        """
        if self.strength == 0:
            return self.distance
        return float(np.sqrt(2 * self.gap / self.modulus)) * (1 + growth(8)) if self.modulus > 0 else np.inf

    def __str__(self) -> str:
        """One plain sentence."""
        if self.kind == "estimate":
            claim = "Estimated, since without a penalty nothing was proved: the objective"
        elif self.is_of_curvature:
            claim = "Proved without a penalty, by the curvature: the objective"
        else:
            claim = "Proved: the objective"
        verdict = "was asked for" if self.holds else "was asked for and is NOT reached"
        # A bound is rounded up: what is printed is as true as what was proved.
        return (
            f"{claim} {self.objective:.6g} is within {rounded_up(self.gap, 2):.1e} of its minimum "
            f"({rounded_up(100 * self.relative_gap, 2):.2g} % of the null model's; {100 * self.tol:.3g} % {verdict})."
        )

    def to_json(self) -> dict[str, Any]:
        """The certificate as plain values for JSON, each by the name of its attribute; what is
        infinite or NaN becomes None."""
        found: dict[str, Any] = plain(
            {
                "kind": self.kind,
                "holds": self.holds,
                "gap": self.gap,
                "relative_gap": self.relative_gap,
                "objective": self.objective,
                "null_objective": self.null_objective,
                "tol": self.tol,
                "strength": self.strength,
                "l1_ratio": self.l1_ratio,
                "has_bounds": self.has_bounds,
                "estimate": self.estimate,
                "rounding": self.rounding,
                "intercept": self.intercept,
                "distance": self.distance,
                "coefficient_bound": self.coefficient_bound,
            }
        )
        return found


def certify(
    objective: Objective,
    W: Array,
    tol: float,
    estimate: float | None = None,
    known: tuple[float, Array] | None = None,
    intercept_hessian: Array | None = None,
) -> tuple[Certificate, Array]:
    """Certificate of coefficients `W`, and `W` with its intercept made exact: a few passes over the
    rows in float64.

    Args:
        objective: what was minimised.
        W: coefficients, shape `objective.shape`.
        tol: the tolerance to be judged by, relative to the null model.
        estimate: the distance from the minimum that the solver's curvature suggests, if it has one.
        known: value and gradient at `W`, if they were computed in float64.
        intercept_hessian: the Hessian with respect to the intercepts at `W` or near it,
            (n_outputs, n_outputs).

    Returns:
        The certificate, and the coefficients it is about.

    Raises:
        ArgumentError: nothing is known that would prove anything of this loss or this penalty.
    """
    check_provable(objective)
    objective = objective.at(np.float64)
    W = objective.canonical(W)
    if objective.unpenalised.size:
        return _proof_beside_equations(objective, W, tol, estimate, known)
    if _has_short_scores(objective) and (known is None or _is_unbalanced(objective, W, tol, known)):
        W, known = _from_scores(objective, W, intercept_hessian if objective.penalty.has_rest else None)
    value, gradient, W = _solve_intercept(objective, W, tol, known, intercept_hessian)
    null, penalty = objective.null[1], objective.penalty
    if not penalty.is_nothing:
        rounding = rounding_of(objective, W, value)
        if penalty.has_rest:
            bounds = _bounds(DualPoint.beside(objective, W, value, gradient))
            return _proved(objective, rounding, value, tol, estimate, bounds), W
        size = penalty.dual_norm(gradient[:-1])
        return proof_of_parts(objective, rounding, value, size, np.abs(gradient[-1]), tol, estimate=estimate), W
    if is_separated(objective, W):
        # Larger coefficients in the same direction bring the loss down to zero: the whole objective
        # is the gap.
        objective_rounding = rounding_of(objective, W, value).objective
        return Certificate(
            value + objective_rounding,
            value + objective_rounding,
            null,
            tol,
            "proof",
            0.0,
            estimate,
            objective_rounding,
        ), W
    return _without_penalty(objective, W, value, gradient, tol), W


def check_provable(objective: Objective) -> None:
    """Raises ArgumentError where no certificate knows what to make of an objective's loss."""
    loss = objective.loss
    if not loss.has_certificate:
        raise ArgumentError(f"{loss} has no certificate to stop by: use `train` with a number of epochs")
    if not np.isfinite(loss.smoothness):
        raise ArgumentError(
            f"{loss} has no bound on its second derivative (smoothness={loss.smoothness}), and certificates need one: "
            "use `train` with a number of epochs"
        )


def _bounds(point: DualPoint) -> tuple[float, float, float]:
    """What a dual point proves, each bound with more in it than the one before."""
    return point.exact, point.balanced, point.total


def _without_penalty(objective: Objective, W: Array, value: float, gradient: Array, tol: float) -> Certificate:
    """What the curvature proves of coefficients whose estimated distance is within the tolerance;
    else the estimate."""
    null = objective.null[1]
    blocks = objective.hessian_blocks(W) if objective.hessian_entries <= LARGEST_HESSIAN**2 else None
    decrement = newton_decrement(objective, W, gradient, None if blocks is None else blocks.copy())
    rounding = rounding_of(objective, W, value).objective
    if blocks is not None and decrement <= tol * null:
        bound = curvature_bound(objective, W, blocks)
        gap = np.inf if bound is None else (bound.gap + bound.rounding) * (1 + growth(8))
        # One as large as the objective would prove nothing.
        if bound is not None and gap <= tol * null and gap < bound.objective:
            rounding = gap - min(bound.exact, gap)
            parts: dict[str, Any] = {"rounding": rounding, "distance": bound.distance}
            return Certificate(bound.objective, gap, null, tol, "proof", 0.0, decrement, **parts)
        for left_out in sorted({min(times * decrement, tol * null / 2) for times in _MORE}) if bound is None else ():
            if (least := least_of_the_rest(objective, W, left_out)) is not None:
                gap = (value - least + 2 * rounding) * (1 + growth(8))
                if gap <= tol * null and gap < value:
                    return Certificate(value, gap, null, tol, "proof", 0.0, decrement, 2 * rounding)
    return _estimated(value, decrement + rounding, rounding, null, tol, decrement)


def _estimated(
    value: float, gap: float, rounding: float, null: float, tol: float, estimate: float | None
) -> Certificate:
    """An estimate: no distance is larger than the objective, since losses are not negative."""
    if gap > value:
        value = gap = value + rounding
    return Certificate(value, gap, null, tol, "estimate", 0.0, estimate, rounding)


def proof_of_parts(
    objective: Objective,
    rounding: Rounding,
    value: float,
    size: float,
    unbalanced: Array,
    tol: float,
    *,
    divergence: float = 0.0,
    estimate: float | None = None,
) -> Certificate:
    """The certificate that follows from what was computed at a point, and from how far rounding may
    have moved it.

    Args:
        objective: with a penalty that is strongly convex.
        rounding: what rounding may have done to the numbers below.
        value: the objective, in nats.
        size: the penalty's dual norm of `G + lambda W`, or what stands in its place where the
            penalty has a rest.
        unbalanced: absolute values of the mean residuals of the outputs, which feasible points have
            at zero.
        tol: the tolerance to be judged by, relative to the null model.
        divergence: mean divergence of the dual point's predictions from those of the coefficients,
            in nats, where it is not a matter of rounding alone.
        estimate: the distance from the minimum that the curvature suggests, in nats.
    """
    strength = objective.penalty.modulus
    size *= 1 + growth(objective.size)

    def bound(size: float, unbalanced: Array) -> float:
        """The gap of the dual point that a share of one prediction for all rows makes feasible."""
        share = 0.0
        if objective.fit_intercept:
            room = np.maximum(rounding.room, 0.0)
            needed = np.divide(unbalanced, room, out=np.zeros_like(unbalanced), where=unbalanced > 0)
            share = float(needed.max()) * (1 + growth(objective.rows.n_rows))
        if share == 0:
            return size**2 / (2 * strength)
        if not share < 1:
            return np.inf
        return share * rounding.cost + 0.5 * share * share + (size + share * rounding.reach) ** 2 / (2 * strength)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exact, balanced = divergence + size * size / (2 * strength), divergence + bound(size, unbalanced)
        total = divergence + bound(size + rounding.gradient, unbalanced + rounding.balance)
    return _proved(objective, rounding, value, tol, estimate, (exact, balanced, total))


def _proof_beside_equations(
    objective: Objective, W: Array, tol: float, estimate: float | None, known: tuple[float, Array] | None
) -> tuple[Certificate, Array]:
    """The certificate where columns without a penalty have equations of their own, and the
    coefficients it is about."""
    value, gradient = known = objective.value_and_gradient(W) if known is None else known
    slope = gap_slope(objective, W, value, gradient) if objective.penalty.has_rest else None
    value, gradient, W, equations = solve_equations(objective, W, tol, known, slope)
    if objective.penalty.has_rest:
        bounds = _bounds(DualPoint.beside(objective, W, value, gradient, equations))
        return _proved(objective, rounding_of(objective, W, value), value, tol, estimate, bounds), W
    strength, rounding = objective.penalty.modulus, rounding_of(objective, W, value)
    size = objective.penalty.dual_norm(gradient[:-1]) * (1 + growth(objective.size))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exact = size * size / (2 * strength)
        price, moved = equations.price()
        balanced = price + (size + moved) ** 2 / (2 * strength)
        price, moved = equations.price(rounding)
        total = price + (size + rounding.gradient + moved) ** 2 / (2 * strength)
        balanced = min(balanced, total)
    return _proved(objective, rounding, value, tol, estimate, (exact, balanced, total)), W


def _proved(
    objective: Objective,
    rounding: Rounding,
    value: float,
    tol: float,
    estimate: float | None,
    bounds: tuple[float, float, float],
) -> Certificate:
    """The certificate of three bounds: of exact arithmetic, with what is left of equations, and
    with rounding as far as it moves gradients; what it adds besides is added here."""
    exact, balanced, total = bounds
    (strength, l1_ratio), null = strength_and_ratio(objective.penalty), objective.null[1]
    stated: dict[str, Any] = {"l1_ratio": l1_ratio, "has_bounds": isinstance(objective.penalty, Bounded)}
    with np.errstate(over="ignore", invalid="ignore"):
        total += rounding.divergence + rounding.objective + rounding.strength
        total *= 1 + growth(objective.rows.n_rows + 100)
    largest = value + rounding.objective
    if total < largest:
        parts = total - balanced, balanced - exact
        # Known but for its rounding, the objective may be as large as what is proved of its
        # distance.
        return Certificate(max(value, total), total, null, tol, "proof", strength, estimate, *parts, **stated)
    # Losses are not negative, so no gap is larger than the objective.
    parts = rounding.objective, max(value - exact, 0.0)
    return Certificate(largest, largest, null, tol, "proof", strength, estimate, *parts, **stated)


def at_other_coefficients(known: Certificate, objective: Objective, before: Array, W: Array) -> Certificate:
    """The certificate of coefficients `W`, from one of those before: the lower bound that it proves
    holds for all.

    One pass over the rows; rounding of the objective there comes on top.
    """
    value, _ = objective.value_and_gradient(W)
    gap = known.gap + max(0.0, value - known.objective)
    rounding = rounding_of(objective, W, value).objective
    if known.kind == "estimate" or (known.is_of_curvature and not gap + rounding < value):
        return _estimated(value, gap + rounding, rounding, known.null_objective, known.tol, known.estimate)
    if gap < value:
        far = np.linalg.norm(objective.loss.canonical(W - before)[:-1]) + growth(8) * np.linalg.norm(W[:-1])
        distance = float(known.distance + far) * (1 + growth(W.size + 8))
        total = gap + rounding
        known = replace(known, objective=max(value, total), gap=total, distance=distance)
        return replace(known, rounding=known.rounding + rounding)
    # Losses are not negative.
    return replace(
        known, objective=value + rounding, gap=value + rounding, rounding=rounding, intercept=0.0, distance=np.inf
    )


def dual_value(objective: Objective, W: Array) -> float:
    """`-sum_i s_i loss*(R_i) / S - penalty*(-G)`: the dual objective at the residuals of `W`, in
    nats.

    An independent form of the certificate: `P(W) - dual_value(W)` is the gap when the intercept is
    exact, for every penalty: where the conjugate is not finite at the residuals, it is at their
    largest multiple where it is.
    """
    objective, penalty = objective.at(np.float64), objective.penalty
    _, gradient = objective.value_and_gradient(W)
    loss_gradient = gradient[:-1] - penalty.quadratic * W[:-1]
    multiple = penalty.feasible_multiple(-loss_gradient)
    (conjugate,) = objective.rows.reduce(_Conjugate(objective.loss, objective.rows.columns.to_raw(W), multiple))
    return -float(conjugate) / objective.total_weight - penalty.conjugate(-multiple * loss_gradient)


def is_separated(objective: Objective, W: Array) -> bool:
    """Whether `W` puts every row of positive weight strictly on its correct side: one pass over the
    rows."""
    return bool(separated_outputs(objective, W).all())


def separated_outputs(objective: Objective, W: Array) -> Array:
    """For which outputs of a separable loss `W` puts every row of positive weight strictly on its
    correct side.

    Shape (n_outputs,); for a loss whose outputs belong together (1,). One pass over the rows.
    """
    columns = objective.rows.columns
    raw, (_, intercept) = columns.to_raw(W), columns.as_given(W)
    if objective.rows.facts.is_resident:
        # The first rows are nearly always enough to tell that nothing separates.
        block = next(iter(objective.rows.blocks()))
        (wrong,) = _WrongRows(objective.loss, raw, 0.0, 0.0).of_block(block)
        if wrong.all():
            separated: Array = np.zeros(len(wrong), dtype=bool)
            return separated
    # A margin is a difference of two scores: rounding alone must not make it positive.
    size, intercept_rounding = 2 * growth(len(raw) + 3), 2 * np.abs(intercept - raw[-1]).max()
    (wrong,) = objective.rows.reduce(_WrongRows(objective.loss, raw, size, intercept_rounding))
    separated = wrong == 0
    return separated


@dataclass(frozen=True, eq=False)
class _Conjugate:
    """Weighted sum of the conjugates of the rows' losses at a multiple, up to 1, of their
    residuals."""

    loss: Loss
    raw: Array
    multiple: float
    joined = 0

    def of_block(self, block: Block) -> Sums:
        _, residual = self.loss.value_and_gradient(block_scores(block, self.raw), block.target)
        return (np.asarray(block.weight @ self.loss.conjugate(self.multiple * residual, block.target)),)


@dataclass(frozen=True, eq=False)
class _WrongRows:
    """How many rows of positive weight have no margin beyond rounding, `rounding` times the largest
    sum plus `added_rounding`."""

    loss: Loss
    raw: Array
    rounding: float
    added_rounding: float
    joined = 0

    def of_block(self, block: Block) -> Sums:
        margin = self.loss.margin(block_scores(block, self.raw), block.target)
        absolute_sums = np.asarray(abs(block.X) @ np.abs(self.raw[:-1]).astype(block.X.dtype)) + np.abs(self.raw[-1])
        rounding = self.rounding * absolute_sums.max(axis=1, keepdims=True) + self.added_rounding
        return (((margin <= rounding) & (block.weight > 0)[:, None]).sum(axis=0),)


def _is_unbalanced(objective: Objective, W: Array, tol: float, known: tuple[float, Array]) -> bool:
    """Whether under a penalty with corners the intercepts need more than rounding: their steps
    would each read all columns."""
    if not objective.penalty.has_rest:
        return False
    value, gradient = known
    return bool(np.abs(gradient[-1]).max() > _balance_tolerance(objective, W, value, gradient, tol))


def _has_short_scores(objective: Objective) -> bool:
    """Whether rows of scores are much shorter than rows, and few enough to be kept."""
    n_features, n_outputs = objective.rows.n_features, objective.loss.n_outputs
    short = _MIN_COLUMNS_PER_OUTPUT * n_outputs <= n_features and objective.rows.n_rows * n_outputs <= _MAX_KEPT_SCORES
    return objective.fit_intercept and short and objective.rows.facts.is_resident


def _from_scores(objective: Objective, W: Array, hessian: Array | None) -> tuple[Array, tuple[float, Array]]:
    """`W` with its intercept made exact, and value and gradient there: one reading of the rows
    makes their scores, and another multiplies them by their residuals."""
    rows, raw = objective.rows, objective.rows.columns.to_raw(W)
    scores = all_scores(rows, raw)
    exact: Array = W.copy()
    intercept = exact_intercept(objective, scores, hessian)
    exact[-1] += intercept
    if np.abs(intercept).max() > 1 + np.abs(exact[-1]).max():
        return _from_scores(objective, exact, hessian)  # scores beside a larger intercept have its rounding
    loss, _, residuals = KnownScores(objective, scores).loss_slope_and_residuals(intercept)
    # Where coefficients are zero, the residuals of the squared loss are minus its targets.
    minus_residuals = np.negative(residuals, out=residuals)
    linear = replace(objective, loss=Squared(objective.loss.n_outputs), rows=rows.with_target(minus_residuals))
    _, gradient = linear.value_and_gradient(np.zeros_like(W))
    if objective.penalty.has_rest:
        scores += intercept
        objective.remember(exact, loss, gradient, scores)
    gradient[:-1] += objective.penalty.quadratic * W[:-1]
    return exact, (loss + objective.penalty.value(W[:-1]), gradient)


def _solve_intercept(
    objective: Objective, W: Array, tol: float, known: tuple[float, Array] | None, hessian: Array | None
) -> tuple[float, Array, Array]:
    """Newton's method on the intercepts alone, from where they are: value, gradient and
    coefficients at the end."""

    def at(b: Array) -> Array:
        return np.vstack([W[:-1], b])

    def evaluate(b: Array) -> tuple[float, Array, Array]:
        value, gradient = objective.value_and_gradient(at(b))
        return value, gradient[-1], gradient

    value, gradient = objective.value_and_gradient(W) if known is None else known
    before = W[-1]
    b, (value, _, gradient) = balanced(
        evaluate,
        lambda b: objective.intercept_hessian(at(b)),
        before,
        separable=objective.loss.separable,
        damp=True,
        tolerance=_balance_tolerance(objective, W, value, gradient, tol),
        start=(value, gradient[-1], gradient),
        hessian=hessian,
    )
    return value, gradient, W if b is before else at(b)


def _balance_tolerance(objective: Objective, W: Array, value: float, gradient: Array, tol: float) -> float:
    """The mean residual that adds almost nothing to the gap, or is rounding."""
    default = RESIDUAL_ROUNDING * max(1.0, objective.null[1])
    if objective.penalty.is_nothing:
        return default
    rounding, allowed_gap = rounding_of(objective, W, value), _INTERCEPT_GAP_FRACTION * tol * objective.null[1]
    if objective.penalty.has_rest:
        share = allowed_gap / (rounding.cost + gap_slope(objective, W, value, gradient))
    else:
        distance = float(np.sqrt(allowed_gap * 2 * objective.penalty.modulus))
        share = min(allowed_gap / rounding.cost, distance / rounding.reach)
    return min(default, max(share * float(rounding.room.min()), rounding.balance / 2))
