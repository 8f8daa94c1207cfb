"""The picture of the house: folders as floors, drawn from the imports of the code whenever the
documents are built.

A unit is a folder of the package, or a module beside the folders. Everything that it imports stands
below it, and it stands as high as those that import it allow. Where imports run in a circle, those
at the top of modules decide what is below; one that goes up, from inside a function or for type
checkers alone, is drawn dashed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from statistics import mean

PACKAGE = Path(__file__).parent.parent / "src" / "polytome"
_FLOOR, _HEIGHT, _GAP, _MARGIN = 66, 30, 18, 10  # units of the drawing: of a floor, of a box, between boxes, around all
_LETTER = 7.4  # what a letter takes
_SWEEPS = 80  # of putting each box below the middle of what stands on it, and above the middle of what it uses
_PULL = 0.85  # how much of its way from the axis of the picture a box keeps: else a long chain leans


@dataclass(frozen=True)
class House:
    """Who imports whom among the units of the package.

    Attributes:
        about: unit -> first sentence of its documentation.
        firm: unit -> the units that its modules import when they load.
        all: the same with imports inside functions, and those for type checkers alone.
    """

    about: dict[str, str]
    firm: dict[str, set[str]]
    all: dict[str, set[str]]

    def downward(self) -> dict[str, set[str]]:
        """The imports that decide the floors: those at the top, and the others that close no circle
        with them."""
        down = {unit: set(others) for unit, others in self.firm.items()}
        for one in self.about:
            for other in sorted(self.all[one] - down[one]):
                if one not in _reached(down, other):
                    down[one].add(other)
        return down

    def floors(self) -> list[list[str]]:
        """The units of each floor, from the ground; those whose tops import one another in a circle
        share one."""
        down = self.downward()
        below = {unit: _reached(down, unit) for unit in self.about}
        heights: dict[str, int] = {}
        for unit in sorted(self.about, key=lambda name: len(below[name])):
            under = [heights[other] for other in below[unit] if other in heights and unit not in below[other]]
            heights[unit] = 1 + max(under, default=-1)
        for unit in sorted(self.about, key=lambda name: -heights[name]):  # up, to those that import it
            above = [heights[other] for other in self.about if unit in below[other] and other not in below[unit]]
            heights[unit] = min(above, default=heights[unit] + 1) - 1
        return [[unit for unit in self.about if heights[unit] == floor] for floor in range(max(heights.values()) + 1)]

    def upward(self) -> list[tuple[str, str]]:
        """The imports that do not go down: from a unit to one on its floor or above."""
        height = {unit: floor for floor, units in enumerate(self.floors()) for unit in units}
        return [(one, other) for one in self.about for other in sorted(self.all[one]) if height[other] >= height[one]]

    def arrows(self) -> list[tuple[str, str]]:
        """The imports that go down, without those that a path of others implies."""
        upward = set(self.upward())
        down = {one: {other for other in self.all[one] if (one, other) not in upward} for one in self.about}
        implied = {(one, far) for one in down for other in down[one] for far in down[one] & _reached(down, other)}
        return [(one, other) for one in self.about for other in sorted(down[one]) if (one, other) not in implied]


def read_house(package: Path = PACKAGE) -> House:
    """The units of a package and their imports, read from its source."""
    about: dict[str, str] = {}
    firm: dict[str, set[str]] = {}
    every: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        unit = parts[0].removesuffix(".py")
        if unit.startswith("_"):
            continue  # the package's own door, its version
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if len(parts) == 1 or parts[1:] == ("__init__.py",):
            about[unit] = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        firm.setdefault(unit, set()).update(_imported(_at_the_top(tree), package.name))
        every.setdefault(unit, set()).update(_imported(ast.walk(tree), package.name))
    names = sorted(about)
    others = [{unit: (found[unit] & set(names)) - {unit} for unit in names} for found in (firm, every)]
    return House({unit: about[unit] for unit in names}, *others)


def _at_the_top(tree: ast.Module) -> list[ast.stmt]:
    """The statements that run when a module loads, those in `try` included and `if TYPE_CHECKING`
    not."""
    found: list[ast.stmt] = []
    for statement in tree.body:
        found += statement.body if isinstance(statement, ast.Try) else [statement]
    return found


def _imported(nodes: Iterable[ast.AST], package: str) -> set[str]:
    """The units that the import statements among nodes name."""
    names: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            names += [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


def _reached(arrows: dict[str, set[str]], start: str) -> set[str]:
    """All that arrows lead to from a start, which is among them only if it stands in a circle."""
    found: set[str] = set()
    waiting = list(arrows[start])
    while waiting:
        unit = waiting.pop()
        if unit not in found:
            found.add(unit)
            waiting += arrows[unit]
    return found


def picture(house: House) -> str:
    """The house as SVG to stand in a page, in the colours of the page around it."""
    floors = house.floors()
    height = {unit: floor for floor, units in enumerate(floors) for unit in units}
    rows, chains = _with_bends(floors, height, house.arrows())
    places = _places(rows, chains)
    wide, tall = max(x + _wide(name) / 2 for name, (x, _) in places.items()) + _MARGIN, len(rows) * _FLOOR
    upward = house.upward()
    words = (
        f"{len(house.about)} folders and modules on {len(floors)} floors. From the ground: "
        + "; ".join(", ".join(units) for units in floors)
        + f". {'No import goes up.' if not upward else f'{len(upward)} imports do not go down.'}"
    )
    lines = [
        f'<svg class="house" viewBox="0 0 {wide:.0f} {tall}" role="img" aria-labelledby="house-title house-words" '
        'xmlns="http://www.w3.org/2000/svg">',
        '<title id="house-title">The floors of the house, and who imports whom</title>',
        f'<desc id="house-words">{escape(words)}</desc>',
        '<defs><marker id="house-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
    ]
    for chain in chains:
        lines.append(f'<path class="arrow" d="{_curve([places[each] for each in chain], tall)}"/>')
    for one, other in upward:
        (x, y), (to_x, to_y) = places[one], places[other]
        lines.append(
            f'<path class="arrow up" d="M{x:.0f} {tall - y:.0f} Q{max(x, to_x) + 90:.0f} {tall - (y + to_y) / 2:.0f} '
            f'{to_x:.0f} {tall - to_y:.0f}"/>'
        )
    for unit, about in house.about.items():
        (x, y), half = places[unit], _wide(unit) / 2
        lines.append(
            f'<g><title>{escape(unit)}: {escape(about)}</title><rect x="{x - half:.0f}" '
            f'y="{tall - y - _HEIGHT / 2:.0f}" width="{2 * half:.0f}" height="{_HEIGHT}" rx="4"/>'
            f'<text x="{x:.0f}" y="{tall - y + 4.5:.1f}">{escape(unit)}</text></g>'
        )
    return "\n".join([*lines, "</svg>"])


def _wide(name: str) -> float:
    """How wide the box of a unit is; of a bend in an arrow, what keeps others away from it."""
    return len(name) * _LETTER + 22 if not name.startswith(" ") else 10


def _with_bends(
    floors: list[list[str]], height: dict[str, int], arrows: list[tuple[str, str]]
) -> tuple[list[list[str]], list[list[str]]]:
    """The floors with a bend wherever an arrow passes, and the arrows as chains of neighbours; a
    bend begins with a blank."""
    rows = [list(units) for units in floors]
    chains = []
    for one, other in arrows:
        bends = [f" {one} {other} {floor}" for floor in range(height[one] - 1, height[other], -1)]
        for bend in bends:
            rows[int(bend.split()[-1])].append(bend)
        chains.append([one, *bends, other])
    return rows, chains


def _places(rows: list[list[str]], chains: list[list[str]]) -> dict[str, tuple[float, float]]:
    """Where the middle of each box and bend is, counted from the lower left."""
    near: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for chain in chains:
        for upper, lower in pairwise(chain):
            near[upper].append(lower)
            near[lower].append(upper)
    x = {name: 100.0 * (place - len(row) / 2) for row in rows for place, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else rows[::-1]:
            wanted = {name: _PULL * mean(x[other] for other in near[name] or [name]) for name in row}
            x.update(_spread(sorted(row, key=lambda name: (wanted[name], name)), wanted))
    left = min(x[name] - _wide(name) / 2 for name in x) - _MARGIN
    return {name: (x[name] - left, (floor + 0.5) * _FLOOR) for floor, row in enumerate(rows) for name in row}


def _spread(row: list[str], wanted: dict[str, float]) -> dict[str, float]:
    """Places on one floor in the given order, without overlaps, whose middle is that of the wanted
    ones."""
    x: dict[str, float] = {}
    edge = -float("inf")
    for name in row:
        x[name] = max(wanted[name], edge + _wide(name) / 2)
        edge = x[name] + _wide(name) / 2 + _GAP
    aside = sum(x[name] - wanted[name] for name in row) / len(row)
    return {name: x[name] - aside for name in row}


def _curve(points: list[tuple[float, float]], tall: int) -> str:
    """A smooth way from the lower edge of the first box, through the bends, to the upper edge of
    the last one."""
    turned = [(x, tall - y) for x, y in points]
    (x, y), (to_x, to_y) = turned[0], turned[-1]
    way = [(x, y + _HEIGHT / 2), *turned[1:-1], (to_x, to_y - _HEIGHT / 2 - 1)]
    text = f"M{way[0][0]:.0f} {way[0][1]:.0f}"
    for (x, y), (to_x, to_y) in pairwise(way):
        middle = (y + to_y) / 2
        text += f" C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}"
    return text


def upward_in_words(house: House) -> str:
    """How many imports break the rule, and which."""
    if not (upward := house.upward()):
        return "No import goes up."
    named = ", ".join(f"`{one}` imports `{other}`" for one, other in upward)
    return f"Those that still go up are dashed: {named}."


def table(house: House) -> str:
    """Every unit with all that it imports, as Markdown, from the roof down."""
    lines = ["| folder | what it holds | imports |", "|---|---|---|"]
    for units in reversed(house.floors()):
        for unit in units:
            imports = ", ".join(f"`{other}`" for other in sorted(house.all[unit])) or "nothing of the house"
            lines.append(f"| `{unit}` | {house.about[unit]} | {imports} |")
    return "\n".join(lines)
