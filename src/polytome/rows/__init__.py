"""The data: rows that can be added up, block by block, in a fixed order.

`as_rows` picks the class for a matrix: `ArrayRows` (NumPy, memory maps), `SparseRows`
(SciPy CSR, CSC) or `TensorRows` (torch tensors on their device); `rows_of` also takes a `Stream`,
whose parts do not fit into memory, for `StreamedRows`. All satisfy the `Rows` contract, so nothing
above this package knows how the data is stored.
"""

from polytome.passes import Block, Columns
from polytome.rows.arrays import ArrayRows
from polytome.rows.blocks import Facts, Rows, Storage, in_memory
from polytome.rows.choose import as_rows, rows_of
from polytome.rows.distinct import distinct_rows
from polytome.rows.sound import sound_sparse
from polytome.rows.sparse import SparseRows
from polytome.rows.stream import Part, Stream, StreamedRows
from polytome.rows.torch import DeviceMatrix, TensorRows, on_host, without_library

__all__ = [
    "ArrayRows",
    "Block",
    "Columns",
    "DeviceMatrix",
    "Facts",
    "Part",
    "Rows",
    "SparseRows",
    "Storage",
    "Stream",
    "StreamedRows",
    "TensorRows",
    "as_rows",
    "distinct_rows",
    "in_memory",
    "on_host",
    "rows_of",
    "sound_sparse",
    "without_library",
]
