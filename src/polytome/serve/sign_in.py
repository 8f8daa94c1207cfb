"""How a browser shows that its user knows the server's token: a page that asks for it once, then a
cookie.

The token is never part of an address, where histories, logs and other sites would find it. The
cookie holds not the token but a keyed hash of it; scripts cannot read it, and the browser sends it
to this server's own pages only.

Reference:
    Barth, "HTTP State Management Mechanism", RFC 6265 (2011), section 8.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from functools import cache
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qs

from polytome.errors import ArgumentError
from polytome.pages import base_styles, document

__all__ = ["SignIn", "SignInPage"]

_COOKIE = "polytome"
_MOST_GOAL = 2000


class SignInPage(NamedTuple):
    """An answer during sign-in."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class SignIn:
    """Knows the token, and recognises who has given it.

    Args:
        token: printable ASCII without blanks, since it travels in a header.

    Raises:
        ArgumentError: the token is empty or holds other characters.

    Example:
        >>> sign_in = SignIn("the-token-of-this-server")
        >>> sign_in.is_known({b"authorization": b"Bearer the-token-of-this-server"}), sign_in.is_known({})
        (True, False)
    """

    def __init__(self, token: str) -> None:
        if not token or not all("!" <= character <= "~" for character in token):
            raise ArgumentError("token: use ASCII letters, digits and symbols, without blanks")
        self._token = token.encode()
        self._cookie = hmac.digest(self._token, b"the cookie of a server of Polytome", hashlib.sha256).hex()

    def is_known(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a request carries the token or the cookie; takes as long for any wrong one."""
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
            return True
        # The cookie of ours needs no quotation marks, so none are understood: to undo them takes
        # the standard library of some versions of Python a time that grows with the square of the
        # header.
        pairs = (pair.partition(b"=") for pair in headers.get(b"cookie", b"").split(b";"))
        given = next((value.strip() for name, _, value in pairs if name.strip() == _COOKIE.encode()), b"")
        return hmac.compare_digest(given, self._cookie.encode())

    def attempt(self, form: bytes, secure: bool) -> SignInPage:
        """Judge the form that the page sends: the cookie for the right token, the page again for a
        wrong one."""
        try:
            fields = parse_qs(form.decode("ascii"), max_num_fields=4)
        except (ValueError, UnicodeDecodeError):
            fields = {}
        goal = fields.get("goal", ["/"])[0]
        given = fields.get("token", [""])[0].strip().encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._token):
            return self.page(goal, "This is not the token that the server was started with.")
        cookie = f"{_COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
        return self.welcome(goal, [(b"set-cookie", cookie.encode())])

    def welcome(self, goal: str, headers: list[tuple[bytes, bytes]] | None = None) -> SignInPage:
        """Send a browser on to where it wanted to go."""
        return SignInPage(303, [*(headers or []), (b"location", _own_path(goal).encode("ascii"))], b"")

    def page(self, goal: str, complaint: str = "") -> SignInPage:
        """The page that asks for the token; status 401, since it is not the requested page."""
        warning = f'<p role="alert"><strong>{escape(complaint)}</strong></p>\n' if complaint else ""
        body = (
            f"{warning}<p>The server was started with a token. Ask whoever started it.</p>\n"
            '<form method="post" action="/login">\n'
            f'<input type="hidden" name="goal" value="{escape(_own_path(goal))}">\n'
            '<p><label for="token">Token</label>\n'
            '<input id="token" name="token" type="password" autocomplete="current-password" required></p>\n'
            '<p><button type="submit">Sign in</button></p>\n</form>'
        )
        html = document("Sign in", "Asks for the token of this server.", body, head=f"<style>{base_styles()}</style>")
        policy = f"default-src 'none'; style-src 'sha256-{_style_hash()}'; form-action 'self'; frame-ancestors 'none'"
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", policy.encode()),
            (b"www-authenticate", b"Bearer"),
        ]
        return SignInPage(401, headers, html.encode())


@cache
def _style_hash() -> str:
    return b64encode(hashlib.sha256(base_styles().encode()).digest()).decode()


def _own_path(goal: str) -> str:
    """A path on this server: what would lead elsewhere, or break out of a header, leads to the
    front page."""
    plain = goal.isascii() and goal.isprintable() and len(goal) <= _MOST_GOAL
    return goal if plain and goal.startswith("/") and not goal.startswith(("//", "/\\")) else "/"
