"""What is known of a lesson before it runs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Lesson"]


@dataclass(frozen=True)
class Lesson:
    """A lesson's name, and what its first line says of it.

    Attributes:
        name: as the command line takes it, such as "softmax-by-hand".
        title: its title.
        summary: what it shows, in one sentence.
    """

    name: str
    title: str
    summary: str

    @property
    def module(self) -> str:
        """The file's name without suffix."""
        return self.name.replace("-", "_")
