"""What our server does to Streamlit's own page, the one HTML document that a browser loads: middleware of `st.App`.

Streamlit's page asks for the server's health below its own address first (`/runs/_stcore/health`), and every pasted
link leaves two 404s in the browser's console.  It is told where the server is, as the links to its own scripts
already say: one level up.  Where a later Streamlit does not listen to that, it asks as before.

The page also gets a policy that the browser enforces: scripts, pictures, fonts and requests are of this server alone.
Text from outside is shown as text anyway (text.py); should something of it ever act, it still reaches nobody.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import importlib
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HERE = 'window.__streamlit = {BACKEND_BASE_URL: new URL("./", location.href).href}'
_HEAD = b"<head>"
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' {scripts}",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}


class OwnPage:
    """ASGI middleware: the HTML document with our script and policy; all else goes through as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self._app(scope, receive, send)
            return
        await self._app(_plain(scope), receive, _Rewriting(send))


class _Rewriting:
    """Holds an HTML answer back until it is whole, and sends it changed."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if message["status"] == 200 and kind.startswith("text/html"):
                self._begun = message
                return
        if self._begun is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        document = told(self._body)
        headers = MutableHeaders(raw=list(self._begun["headers"]))
        headers["content-length"] = str(len(document))
        headers["content-security-policy"] = policy(document)
        headers["referrer-policy"] = "same-origin"
        for name in ("etag", "last-modified"):  # they are of what Streamlit sent
            del headers[name]
        await self._send({**self._begun, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": document})


def told(document: bytes) -> bytes:
    """The document with the script that says where the server is, before every other one."""
    return document.replace(_HEAD, _HEAD + f"<script>{_HERE}</script>".encode(), 1)


def policy(document: bytes) -> str:
    """The Content-Security-Policy under which this document works: its inline scripts by their hashes."""
    digests = [hashlib.sha256(script).digest() for script in _INLINE.findall(document)]
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(f"{name} {sources}" for name, sources in _POLICY.items()).format(scripts=scripts)


@asynccontextmanager
async def started(_app: Any) -> AsyncIterator[dict[str, Any]]:
    """Imports the pages, a second of work, while the browser of the first visitor still loads Streamlit's scripts."""
    threading.Thread(target=_import_pages, name="pages", daemon=True).start()
    yield {}


def _import_pages() -> None:
    gc.disable()  # nothing of it is garbage
    try:
        importlib.import_module("paperlab.dashboard.main")
        with suppress(ImportError):  # what ranks the papers of Today, where it is installed
            importlib.import_module("scipy.sparse")
        gc.freeze()  # nor ever will be: the collector need not go through it while a page is drawn
    finally:
        gc.enable()


def _plain(scope: Scope) -> Scope:
    """The request without its wish for compression, for a document of ours is changed on its way; nor an old copy."""
    unwanted = (b"accept-encoding", b"if-none-match", b"if-modified-since")
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in unwanted]}
