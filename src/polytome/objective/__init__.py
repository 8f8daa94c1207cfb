"""Where loss, penalty and rows meet."""

from polytome.objective.objective import (
    Objective,
    Sizes,
    all_scores,
    block_scores,
    block_value_and_gradient,
    hessian_of_scores,
)

__all__ = ["Objective", "Sizes", "all_scores", "block_scores", "block_value_and_gradient", "hessian_of_scores"]
