"""Tables that do not fit into memory: read piece by piece, first to learn an encoder, then once for
each pass.

`opening.open_rows` looks at the files and learns; what it returns, a `table.StreamedTable`, is
given to `fit` in place of X and y.
"""
