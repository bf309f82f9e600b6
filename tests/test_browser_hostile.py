"""Hostile text in a real browser: nothing runs, nothing is fetched, and no page grows wider than its window."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from paperlab.cli.dashboard import free_port
from tests import browser
from tests.paperlab.dashboard import hostile
from tests.paperlab.dashboard.test_hostile import VIEWS

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(browser.chromium() is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.timeout(900),
]

FOUND = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const links = [...document.querySelectorAll('a')].map(link => new URL(link.href, location));
    return {
        wider: Math.max(main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth),
        ran: window.ran ?? null,
        elsewhere: links.filter(url => ![location.origin, 'https://arxiv.org'].includes(url.origin)).map(String),
        live: main.querySelectorAll("script, iframe, object, embed, img:not([src^='data:image/'])").length,
        failed: document.querySelectorAll('[data-testid=stException]').length,
    };
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile") / "home"
    hostile.fill(home)
    with browser.serve(home, free_port(18900)) as url:
        yield url


@pytest.mark.parametrize("size", [(1400, 1000), (390, 844)], ids=["wide", "narrow"])
def test_hostile_text_runs_nothing_fetches_nothing_and_keeps_the_layout(served, size):
    requests: list[str] = []
    complaints: list[str] = []
    with browser.headless(size) as opened:
        page = opened.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("popup", lambda popup: complaints.append(f"popup {popup.url}"))
        for name, state in VIEWS:
            page.goto(f"{served}/{'' if name == 'today' else name}?{urlencode(state, doseq=True)}")
            browser.settle(page)
            for opener in page.locator("[data-testid=stExpander] summary").all():
                opener.click()
            page.wait_for_timeout(500)  # plotly and pictures come after Streamlit has finished
            found = page.evaluate(FOUND)
            assert found == {"wider": 0, "ran": None, "elsewhere": [], "live": 0, "failed": 0}, (name, state)
    assert complaints == []
    ours = (served, served.replace("http", "ws"), "data:", "blob:")
    assert [url for url in requests if not url.startswith(ours)] == []
    assert len(requests) > len(VIEWS)
