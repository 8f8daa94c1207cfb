"""The size of a problem, as far as the memory that a fit takes depends on it."""

from __future__ import annotations

from dataclasses import dataclass

from polytome.objective import Objective

__all__ = ["BYTES_OF_NUMBER", "Size"]

BYTES_OF_NUMBER = 8
"""Of a float64."""


@dataclass(frozen=True)
class Size:
    """What a forecast of memory depends on; it counts numbers of eight bytes.

    Attributes:
        rows: how many.
        columns: of the coefficients, the intercept's included.
        outputs: how many.
        separable: whether each output has a Hessian to itself.
        is_sparse: whether X is.
        entries: of X, those that are stored.
        row: what the copy of a row takes.
        block: rows of the largest block, of which each of the threads has one in work.
        threads: that work at the same time.
        most_copied: rows that may be copied at a time.
        is_resident: whether any row can be read at any time.
    """

    rows: int
    columns: int
    outputs: int
    separable: bool
    is_sparse: bool
    entries: int
    row: float
    block: int
    threads: int
    most_copied: int
    is_resident: bool

    @classmethod
    def of(cls, objective: Objective) -> Size:
        """The size of an objective."""
        facts = objective.rows.facts
        return cls(
            rows=facts.n_rows,
            columns=objective.shape[0],
            outputs=objective.shape[1],
            separable=objective.loss.separable,
            is_sparse=facts.is_sparse,
            entries=facts.n_entries,
            row=facts.entry_bytes * facts.n_entries / facts.n_rows / BYTES_OF_NUMBER,
            block=facts.largest_block,
            threads=min(facts.n_threads, facts.n_blocks),
            most_copied=facts.most_copied,
            is_resident=facts.is_resident,
        )

    @property
    def coefficients(self) -> int:
        """How many there are."""
        return self.columns * self.outputs

    @property
    def hessian(self) -> int:
        """Entries of the Hessian, or of its blocks."""
        return self.columns * self.coefficients if self.separable else self.coefficients**2

    @property
    def dense_blocks(self) -> int:
        """Blocks of standardised columns and their scores, in each thread."""
        return self.threads * self.block * (2 * self.columns + 4 * self.outputs)

    @property
    def passes(self) -> int:
        """Coefficients in raw and in standard units, the gradient, what the driver keeps; in each
        thread two sums and a block in the precision of its products."""
        block = self.block * (self.entries // self.rows + 2 * self.outputs)
        return (8 + 2 * self.threads) * self.coefficients + self.threads * block
