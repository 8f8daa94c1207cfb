"""What tests of figures look at: each text that is drawn, and whether one covers another."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Each text that is really drawn (not the ticks beyond an axis' end), with its rectangle in
    dots."""
    found = []
    draw_text = Text.draw

    def recording(text: Text, renderer: Any) -> None:
        draw_text(text, renderer)
        if text.get_visible() and text.get_text().strip():
            found.append((text.get_text(), Text.get_window_extent(text, renderer)))

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", recording)
        figure.canvas.draw()
    return found


def assert_legible(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is cut off, and none covers another."""
    found = drawn_texts(figure, monkeypatch)
    for text, box in found:
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert inside, f"{text!r} is cut off"
    for (text, box), (other, other_box) in combinations(found, 2):
        wide = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        high = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert wide < 2 or high < 2, f"{text!r} and {other!r} overlap by {wide:.0f} x {high:.0f} dots"
