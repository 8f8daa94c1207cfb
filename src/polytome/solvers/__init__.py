"""The solvers, and the one loop that drives them.

A solver is an immutable record of settings with one method, `iterates(objective, start)`, a
generator of iterates. `minimize` owns the loop: when to stop, the history, the callback and the
certificate.
"""

from polytome.solvers.choose import Choice, choose_solver, named_solver
from polytome.solvers.distinct_rows import DistinctRows
from polytome.solvers.driver import Epoch, Progress, Solution, Stop, Training, minimize, train
from polytome.solvers.dual_coordinate_ascent import DualCoordinateAscent
from polytome.solvers.gradient_descent import GradientDescent
from polytome.solvers.iterates import DualIterate, Iterate
from polytome.solvers.lbfgs import LBFGS
from polytome.solvers.newton import Newton
from polytome.solvers.projected_newton import ProjectedNewton
from polytome.solvers.proximal_newton import ProximalNewton
from polytome.solvers.row_space import RowSpace
from polytome.solvers.solver import Solver
from polytome.solvers.stochastic import StochasticGradientDescent
from polytome.solvers.tempered_newton import TemperedNewton

__all__ = [
    "LBFGS",
    "Choice",
    "DistinctRows",
    "DualCoordinateAscent",
    "DualIterate",
    "Epoch",
    "GradientDescent",
    "Iterate",
    "Newton",
    "Progress",
    "ProjectedNewton",
    "ProximalNewton",
    "RowSpace",
    "Solution",
    "Solver",
    "StochasticGradientDescent",
    "Stop",
    "TemperedNewton",
    "Training",
    "choose_solver",
    "minimize",
    "named_solver",
    "train",
]
