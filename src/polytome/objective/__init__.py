"""Where loss, penalty and rows meet."""

from polytome.objective.objective import Objective, Sizes, all_scores

__all__ = ["Objective", "Sizes", "all_scores"]
