"""The one HTML document that a browser loads: told where the server is, and held to this server by its policy."""

from __future__ import annotations

import ast
import asyncio
import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from streamlit import file_util
from streamlit.web.server.app_discovery import discover_asgi_app

from paperlab.dashboard import serving

ROOT = Path(__file__).parents[3]
STREAMLITS_OWN = (Path(file_util.get_static_dir()) / "index.html").read_bytes()
BROWSER = {"accept": "text/html,*/*", "accept-encoding": "gzip", "if-none-match": '"old"'}


def asked(answer: Response, headers: dict[str, str], seen: dict[str, Any] | None = None) -> tuple[int, dict, bytes]:
    """Status, headers and body that come out of the middleware around an app that always answers so."""
    sent: list[dict[str, Any]] = []

    async def app(scope, receive, send):
        if seen is not None:
            seen.update({name.decode(): value.decode() for name, value in scope["headers"]})
        await answer(scope, receive, send)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/runs", "headers": raw}
    asyncio.run(serving.OwnPage(app)(scope, receive, send))
    head, *bodies = sent
    found = {name.decode(): value.decode() for name, value in head["headers"]}
    return head["status"], found, b"".join(message["body"] for message in bodies)


def test_the_page_is_told_where_the_server_is_before_any_script_of_its_own():
    status, headers, body = asked(HTMLResponse(STREAMLITS_OWN), BROWSER)
    assert status == 200
    assert headers["content-length"] == str(len(body))
    assert 0 < body.index(b"BACKEND_BASE_URL") < body.index(b"<script type=")
    assert re.sub(rb"<script>window.__streamlit.*?</script>", b"", body) == STREAMLITS_OWN


def test_every_inline_script_of_the_page_is_allowed_by_its_hash_and_no_other():
    _, headers, body = asked(HTMLResponse(STREAMLITS_OWN), BROWSER)
    (scripts,) = re.findall(r"script-src ([^;]*)", headers["content-security-policy"])
    inline = re.findall(rb"<script>(.*?)</script>", body, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in inline]
    assert scripts.split() == ["'self'", *hashes]
    assert len(inline) >= 2


def test_a_changed_page_is_asked_for_whole_and_has_no_mark_of_the_unchanged_one():
    seen: dict[str, Any] = {}
    marked = HTMLResponse(STREAMLITS_OWN, headers={"etag": '"old"', "last-modified": "Sat, 28 Nov 2026 03:24:48 GMT"})
    _, headers, _ = asked(marked, BROWSER, seen)
    assert not {"etag", "last-modified"} & headers.keys()
    assert seen == {"accept": "text/html,*/*"}


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (PlainTextResponse("ok"), BROWSER),
        (HTMLResponse("<head></head>", status_code=404), BROWSER),
        (HTMLResponse("<head></head>"), {"accept": "application/json"}),
    ],
)
def test_what_is_no_page_goes_through_as_it_is(answer, headers):
    status, found, body = asked(answer, headers)
    assert (status, body) == (answer.status_code, answer.body)
    assert "content-security-policy" not in found


def test_streamlit_finds_the_server_in_app_py_and_the_file_serves_itself():
    found = discover_asgi_app(ROOT / "app.py")
    assert (found.is_asgi_app, found.import_string) == (True, "app:app")
    calls = [node for node in ast.walk(ast.parse((ROOT / "app.py").read_text())) if isinstance(node, ast.Call)]
    assert any(ast.unparse(call).startswith("st.App(__file__") for call in calls)
