"""The frame and the style that every page of Polytome shares: lessons, reports, the server's page,
the playground.

A page follows the reader's light or dark colours, can be printed, works with the keyboard alone,
and requests nothing from other servers: its styles, pictures and scripts are in it or come from the
server that sent it.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files

__all__ = ["base_styles", "document"]

_FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{description}">
<title>{title} - Polytome</title>
{head}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
{before}<main id="content"{kind}>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def base_styles() -> str:
    """The style sheet that every page begins with: colours as custom properties, fonts, tables,
    forms, focus, print.

    Example:
        >>> "--paper" in base_styles()
        True
    """
    return files("polytome.pages").joinpath("base.css").read_text(encoding="utf-8")


def document(title: str, description: str, body: str, *, head: str, navigation: str = "", kind: str = "") -> str:
    """A whole HTML document.

    Args:
        title: plain text, for the window and the first heading.
        description: plain text, one sentence.
        body: HTML below the first heading.
        head: HTML of the styles (and scripts, where a page needs them).
        navigation: HTML of links above the content, with an `aria-label`; none if empty.
        kind: the class of the main element.

    Example:
        >>> "<h1>Loss &amp; gap</h1>" in document("Loss & gap", "A chart.", "<p>...</p>", head="")
        True
    """
    return _FRAME.format(
        title=escape(title),
        description=escape(description),
        head=head,
        before=f"<header>{navigation}</header>\n" if navigation else "",
        kind=f' class="{escape(kind)}"' if kind else "",
        body=body,
    )
