"""Who may ask: the browser that this program opened, and no page of anybody else's that runs in it.

A server on this computer is reached by every page that the browser shows: by its address, or under a name of the page's
own that suddenly means 127.0.0.1 (DNS rebinding, told by the Host), or by a form that is sent from there (told by the
Origin). A token that only who started the program knows keeps out other people's programs on the same computer.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detector.review.asked import MOST_BODY_BYTES

HOST = "127.0.0.1"
ENTER = "/api/enter"
OPEN = ("/", "/static/")  # the page without any data; what begins with the second
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Keys:
    """The secrets of one launch.

    Attributes:
        port: Of the server; cookies of 127.0.0.1 do not know ports, so their names do.
        token: What the address that is opened ends with; a fragment, which is sent to nobody.
        cookie: What the browser has once it has shown the token.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def origin(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.port}"

    @property
    def address(self) -> str:
        """To open in the browser."""
        return f"{self.origin}/#{self.token}"

    @property
    def cookie_name(self) -> str:
        """Of this server, and of no other on this computer."""
        return f"hoopoe-{self.port}"

    def opens(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self.token.encode())


class Guard:
    """Turns away what may not ask, before anything else sees it, and sets the headers of every answer.

    Args:
        app: What answers.
        keys: Of this launch.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            status, problem = refusal
            await JSONResponse({"problem": problem}, status)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and words for who may not ask; None: they may."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        if headers.getlist("host") != [f"{HOST}:{self._keys.port}"]:
            return 421, "this server is not called so"
        if method not in ("GET", "HEAD", "POST"):
            return 405, "this is not asked so"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "another page asks"
        if method == "POST":
            if headers.get("origin") != self._keys.origin:
                return 403, "another page asks"
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return 415, "this is not JSON"
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers or not length.isdecimal() or int(length) > MOST_BODY_BYTES:
                return 413, "this is too much"
        if path == OPEN[0] or path.startswith(OPEN[1]) or (path == ENTER and method == "POST"):
            return None
        if not self._has_cookie(headers):
            return 401, "this page is of an earlier start of `hoopoe review`: open the address that it prints now"
        return None

    def _has_cookie(self, headers: Headers) -> bool:
        given = [cookie_parser(line).get(self._keys.cookie_name, "") for line in headers.getlist("cookie")]
        return any(hmac.compare_digest(each.encode(), self._keys.cookie.encode()) for each in given)
