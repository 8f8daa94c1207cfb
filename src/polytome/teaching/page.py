"""A lesson as a list of blocks: text, code, values, tables, figures, checks, errata, questions,
flashcards.

A lesson is a function that is given an empty `Page` and fills it while it computes. What is on the
page was computed in this run; the ways to show it (terminal, HTML, JSON) only read the blocks.
Texts are Markdown with LaTeX between dollar signs.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polytome.errors import ArgumentError
from polytome.teaching.documents import Verdict, errata, judge_identity, judge_number, not_computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = [
    "Block",
    "Check",
    "Code",
    "Correction",
    "Figure",
    "Flashcard",
    "Page",
    "Question",
    "Skipped",
    "Table",
    "Text",
]


@dataclass(frozen=True)
class Text:
    """Paragraphs, headings and lists in Markdown; `$...$` and `$$...$$` hold LaTeX."""

    markdown: str


@dataclass(frozen=True)
class Code:
    """The source of functions that the lesson runs."""

    source: str


@dataclass(frozen=True)
class Table:
    """Rows below column heads; cells are text (with `$...$`), numbers, or arrays."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str


@dataclass(frozen=True)
class Figure:
    """A figure, drawn only when it is shown.

    Attributes:
        name: of its file, without suffix.
        caption: one or two sentences, Markdown with LaTeX.
        alternative: the alternative text, for readers who cannot see it.
        draw: makes the matplotlib figure.
    """

    name: str
    caption: str
    alternative: str
    draw: Callable[[], Drawing]


@dataclass(frozen=True)
class Check:
    """Numbers and identities of the documents beside what the lesson computed."""

    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Correction:
    """An error of a document, corrected.

    Attributes:
        id: such as "000-1".
        kind: "mathematics", "printing", "old library" or "trap".
        wrong: what the document says, in Markdown with LaTeX.
        right: what it should say.
        shown: what the lesson computed that shows the difference.
    """

    id: str
    kind: str
    wrong: str
    right: str
    shown: str


@dataclass(frozen=True)
class Question:
    """A question of a quiz; `answer` is the index of the right option, and the figure is part of
    the answer."""

    prompt: str
    options: tuple[str, ...]
    answer: int
    explanation: str
    figure: Figure | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Flashcard:
    """A card to learn from: front and back in Markdown with LaTeX, and tags."""

    front: str
    back: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """What could not be run here, why, and how to make it run."""

    why: str


Block = Text | Code | Table | Figure | Check | Correction | Question | Flashcard | Skipped
"""Anything that may stand on a page."""


@dataclass
class Page:
    """The contents of a lesson, in order.

    Example:
        >>> page = Page()
        >>> page.text("The sigmoid of $0$ is")
        >>> page.number("S4-01", 0.5)
        >>> [type(block).__name__ for block in page.blocks], page.verdicts[0].outcome
        (['Text', 'Check'], 'agrees')
    """

    blocks: list[Block] = field(default_factory=list)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of all checks on the page."""
        return [verdict for block in self.blocks if isinstance(block, Check) for verdict in block.verdicts]

    def text(self, markdown: str) -> None:
        """Add paragraphs; common indentation is removed."""
        self.blocks.append(Text(textwrap.dedent(markdown).strip()))

    def code(self, *functions: Callable[..., Any]) -> None:
        """Add the source of functions, as it stands in the lesson's file."""
        self.blocks.append(Code("\n\n".join(inspect.getsource(function).rstrip() for function in functions)))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> None:
        """Add a table.

        Raises:
            ArgumentError: a row has more or fewer cells than there are heads.
        """
        cells = tuple(tuple(row) for row in rows)
        if any(len(row) != len(heads) for row in cells):
            raise ArgumentError(f"rows: each needs {len(heads)} cells, one for each of {', '.join(heads)}")
        self.blocks.append(Table(tuple(heads), cells, caption))

    def figure(self, name: str, draw: Callable[[], Drawing], caption: str, alternative: str) -> None:
        """Add a figure: `draw()` is called when, and only if, it is shown."""
        self.blocks.append(Figure(name, caption, alternative, draw))

    def number(self, name: str, computed: Any, note: str = "") -> None:
        """Compare a computed value with a number of the documents."""
        self._check(judge_number(name, computed, note))

    def identity(self, name: str, error: float, note: str = "") -> None:
        """Compare the error of an identity of the documents with its bound."""
        self._check(judge_identity(name, error, note))

    def skip(self, why: str, numbers: Iterable[str] = ()) -> None:
        """Say what cannot be run here, and which numbers are therefore not computed."""
        self.blocks.append(Skipped(why))
        for verdict in not_computed(numbers, why):
            self._check(verdict)

    def erratum(self, name: str, *, wrong: str, right: str, shown: str) -> None:
        """Correct an error of a document; `shown` says what was computed to show it.

        Raises:
            ArgumentError: there is no such erratum.
        """
        known = errata()
        if name not in known:
            raise ArgumentError(f"{name!r}: no such erratum; there are {', '.join(known)}")
        self.blocks.append(Correction(name, known[name].kind, wrong, right, shown))

    def question(
        self, prompt: str, options: Sequence[str], answer: int, explanation: str, figure: Figure | None = None
    ) -> None:
        """Add a question; `answer` is the index of the right option, and there may be none to
        choose from. A figure is shown with the answer, and not before."""
        self.blocks.append(Question(prompt, tuple(options), answer, explanation, figure))

    def flashcard(self, front: str, back: str, tags: Sequence[str]) -> None:
        """Add a card to learn from."""
        self.blocks.append(Flashcard(front, back, tuple(tags)))

    def _check(self, verdict: Verdict) -> None:
        """Verdicts that follow one another share a block."""
        before = self.blocks[-1] if self.blocks else None
        if isinstance(before, Check):
            self.blocks[-1] = Check((*before.verdicts, verdict))
        else:
            self.blocks.append(Check((verdict,)))
