"""The sums over rows that solvers and certificates ask for, each a value: a record whose `of_block`
is its definition.

A pass knows neither where the rows are nor who adds them up: `rows.reduce(a_pass)` does that, in
compiled code where `polytome.native` offers a twin of the pass, else block by block in NumPy. A
pass that one algorithm alone asks for stands beside that algorithm.
"""

from polytome.passes.block import Block, Columns
from polytome.passes.curvature import (
    CurvatureSums,
    HessianOfKnownScores,
    HessianOfScores,
    HessianProduct,
    Traces,
    curvature_of,
    hessian_of_scores,
)
from polytome.passes.gradients import Derivatives, Gram, Grams, ProductOfColumns, ValueAndGradient, kronecker_rows
from polytome.passes.moments import (
    CentredSquares,
    CentredSums,
    OffsetsOfEntries,
    SquaresOfEntries,
    StoredTwice,
    weight_of_absent,
)
from polytome.passes.one_pass import Pass, Sums, added_up
from polytome.passes.proof import SLACK, UNDERFLOW, ProofSums, change_of_probabilities, concordance_of, sum_rounding
from polytome.passes.scores import LossOfScores, RowSquares, Scores, block_scores

__all__ = [
    "SLACK",
    "UNDERFLOW",
    "Block",
    "CentredSquares",
    "CentredSums",
    "Columns",
    "CurvatureSums",
    "Derivatives",
    "Gram",
    "Grams",
    "HessianOfKnownScores",
    "HessianOfScores",
    "HessianProduct",
    "LossOfScores",
    "OffsetsOfEntries",
    "Pass",
    "ProductOfColumns",
    "ProofSums",
    "RowSquares",
    "Scores",
    "SquaresOfEntries",
    "StoredTwice",
    "Sums",
    "Traces",
    "ValueAndGradient",
    "added_up",
    "block_scores",
    "change_of_probabilities",
    "concordance_of",
    "curvature_of",
    "hessian_of_scores",
    "kronecker_rows",
    "sum_rounding",
    "weight_of_absent",
]
