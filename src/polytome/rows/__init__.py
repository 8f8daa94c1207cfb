"""The data: rows that can be added up, block by block, in a fixed order.

`as_rows` picks the class for a matrix: `ArrayRows` (NumPy, memory maps) or `SparseRows`
(SciPy CSR, CSC); `rows_of` also takes a `Stream`, whose parts do not fit into memory, for
`StreamedRows`. All satisfy the `Rows` contract, so nothing above this package knows how the data is
stored.
"""

from polytome.passes import Block, Columns
from polytome.rows.arrays import ArrayRows
from polytome.rows.blocks import Facts, Rows, Storage, in_memory
from polytome.rows.choose import as_rows, rows_of
from polytome.rows.distinct import distinct_rows
from polytome.rows.sound import sound_sparse
from polytome.rows.sparse import SparseRows
from polytome.rows.stream import Part, Stream, StreamedRows

__all__ = [
    "ArrayRows",
    "Block",
    "Columns",
    "Facts",
    "Part",
    "Rows",
    "SparseRows",
    "Storage",
    "Stream",
    "StreamedRows",
    "as_rows",
    "distinct_rows",
    "in_memory",
    "rows_of",
    "sound_sparse",
]
