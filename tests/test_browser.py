"""The real dashboard in a real browser: a paper leads to its run and back, live, and nothing leaves this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from paperlab.cli.dashboard import free_port
from paperlab.dashboard import main
from tests import browser
from tests.paperlab.dashboard import filled

pytestmark = [
    pytest.mark.skipif(browser.chromium() is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.timeout(600),  # seconds where the machine is idle; where it is not, a browser starves first
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "home"
    filled.fill(folder, n_papers=30)
    return folder


@pytest.fixture(scope="module")
def served(home):
    port = free_port(18700)
    with browser.serve(home, port) as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    with browser.headless() as opened:
        yield opened


@pytest.fixture
def page(served, chromium):
    """An empty page, and afterwards: no request left this machine, and the browser had nothing to complain about."""
    requests: list[str] = []
    complaints: list[str] = []
    opened = chromium.new_page()
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    yield opened
    opened.close()
    assert requests
    assert [
        url for url in requests if not url.startswith((served, served.replace("http", "ws"), "data:", "blob:"))
    ] == []
    assert complaints == []


def stands(page) -> None:
    browser.settle(page)
    assert page.locator("[data-testid=stException]").count() == 0


def go(page, url: str) -> None:
    page.goto(url)
    stands(page)


def follow(page, selector: str, title: str) -> None:
    page.locator(selector).first.click()
    page.wait_for_selector(f"h1:has-text('{title}')")
    stands(page)


def test_a_paper_leads_to_its_run_and_back(page, served):
    go(page, served)
    assert page.locator("h1").inner_text() == "What changed"
    go(page, f"{served}/papers?q=1706.03762")
    follow(page, "a:has-text('Go to 1706.03762')", "Attention Is All You Need")
    assert page.url.endswith("/paper?id=1706.03762")
    assert page.locator("text=not-attempted").count() > 0
    page.wait_for_selector(".js-plotly-plot .scatterlayer path", state="attached")
    follow(page, f"a:has-text('{filled.FINISHED}')", filled.FINISHED)
    assert page.url.endswith(f"/run?id={filled.FINISHED}")
    page.wait_for_selector(".js-plotly-plot .scatterlayer path", state="attached")
    assert page.locator("td:has-text('zweiundvierzig')").count() == 2
    follow(page, "a:has-text('Attention Is All You Need')", "Attention Is All You Need")
    page.go_back()
    page.wait_for_selector(f"h1:has-text('{filled.FINISHED}')")
    assert page.url.endswith(f"/run?id={filled.FINISHED}")


def test_back_and_forward_lead_through_every_view(page, served):
    def shows(address: str, title: str, sought: str | None = None) -> None:
        page.wait_for_url(f"{served}/{address}")
        page.wait_for_selector(f"h1:has-text('{title}')")
        if sought is not None:
            page.wait_for_function(
                "said => document.querySelector(\"input[aria-label='search']\")?.value === said", arg=sought
            )
        stands(page)

    go(page, f"{served}/papers")
    page.fill("input[aria-label='search']", "number 17")
    page.keyboard.press("Enter")
    shows("papers?q=number+17", "Papers", "number 17")
    page.locator("button:has-text('unread')").first.click()
    shows("papers?q=number+17&only=unread", "Papers", "number 17")
    page.locator("a:has-text('On the study number 17')").click()
    shows("paper?id=2611.00017", "On the study number 17")
    page.locator("[data-testid=stSidebarNavLink]:has-text('Claims')").click()
    shows("claims", "Claims")
    page.locator("a[href*='source=paperlab']").click()  # from a page to itself
    shows("claims?source=paperlab", "Claims")

    back, forward = page.go_back, page.go_forward
    for move, *view in (
        (back, "claims", "Claims"),
        (back, "paper?id=2611.00017", "On the study number 17"),
        (back, "papers?q=number+17&only=unread", "Papers", "number 17"),
        (back, "papers?q=number+17", "Papers", "number 17"),
        (forward, "papers?q=number+17&only=unread", "Papers", "number 17"),
        (forward, "paper?id=2611.00017", "On the study number 17"),
    ):
        move()
        shows(*view)


def test_a_pasted_address_brings_the_view_back(page, served):
    go(page, f"{served}/papers?q=language+models&category=cs.CV&page=1&sort=newest")
    page.wait_for_selector("text=14 papers, newest first")
    page.wait_for_selector("input[aria-label='search'][value='language models']")


def test_from_today_each_answer_is_at_most_three_clicks_away(page, served):
    go(page, served)  # the paper of a given id
    follow(page, "[data-testid=stSidebarNavLink]:has-text('Papers')", "Papers")
    page.fill("input[aria-label='search']", "1706.03762")
    page.keyboard.press("Enter")
    page.wait_for_selector("a:has-text('Go to 1706.03762')")
    follow(page, "a:has-text('Go to 1706.03762')", "Attention Is All You Need")

    go(page, served)  # the run behind a verdict
    verdicts = page.locator("[data-testid=stColumn]:has(h2:has-text('Verdicts'))").last
    verdicts.locator(f"a:has-text('{filled.FINISHED}')").last.click()
    page.wait_for_selector(f"h1:has-text('{filled.FINISHED}')")
    browser.settle(page)

    # the command that would make it again stands on that page; and from Today it is one click
    assert page.locator("code:has-text('paperlab reproduce transformer-base --tier smoke')").count() >= 1
    go(page, served)
    follow(page, "[data-testid=stSidebarNavLink]:has-text('Reproductions')", "Reproductions")
    assert page.locator("code:has-text('paperlab reproduce transformer-base --tier smoke')").count() >= 1


WALKED = {"today", "papers", "paper", "run", "reproductions"}
"""Pages that the other tests of this file open: to load one takes a second or two of a browser."""
OTHERS = [address for pages in main.PAGES.values() for _, address in pages if address not in WALKED]
BOTH = f"runs={filled.FINISHED},{filled.STOPPED}"
CHOSEN = "button[aria-checked=true]:has-text('{}')"
PASTED = {
    "claims": ("verdict=not-attempted&source=1706.03762", "td:has-text('28.4')"),
    "trends": ("over=1+year&topics=number+17", CHOSEN.format("1 year")),
    "runs": ("status=finished", "text=1 run, newest first"),
    "compare": (f"{BOTH}&against=time", CHOSEN.format("time")),
    "samples": (BOTH, f"h2:has-text('{filled.STOPPED}')"),
    "leaderboard": ("hours=0.0001", "text=1 entry left out"),
    "sync": ("source=query-api", CHOSEN.format("query-api")),
    "query": ("sql=SELECT+42", "textarea:has-text('SELECT 42')"),
}
"""A state for each of the others, and what shows that it was understood."""


@pytest.mark.parametrize("address", OTHERS)
def test_every_page_stands_and_shows_what_a_pasted_address_asks_for(page, served, address):
    state, shown = PASTED[address]
    go(page, f"{served}/{address}?{state}")
    page.wait_for_selector(shown)
    for table in page.locator("[data-testid=stTable]").all():
        assert table.evaluate("here => here.querySelector('table').offsetWidth <= here.clientWidth"), "it is cut off"


def test_hostile_text_is_shown_and_does_nothing(page, served):
    go(page, f"{served}/paper?id=2611.00030")
    assert page.locator("h1").inner_text().replace("\u2060", "") == filled.HOSTILE
    go(page, f"{served}/run?id={filled.FINISHED}&step=25")
    cell = page.locator("td:has-text('alert')").first
    assert cell.inner_text().replace("\u2060", "") == filled.HOSTILE
    assert page.locator("a[href*='javascript'], a[href*='evil'], img[src*='evil'], td script").count() == 0


def test_a_training_run_is_followed_to_its_end(page, served, home):
    with filled.begin(home / "runs", filled.TRAINING) as recorder:
        filled.learn(recorder, range(1, 60))
        recorder.flush()
        recorder.beat()
        go(page, f"{served}/run?id={filled.TRAINING}")
        assert page.locator("text=step 59 of 300").count() == 1
        page.locator("button:has-text('hours')").click()  # while the page moves
        page.wait_for_url(f"{served}/run?id={filled.TRAINING}&against=hours")
        filled.learn(recorder, range(60, 120))
        recorder.flush()
        recorder.beat()
        page.wait_for_selector("text=step 119 of 300")
        recorder.event("finished")
        recorder.result([filled.measurement()], seconds=9.0)
    page.wait_for_selector("text=number-words, test")


def test_the_server_listens_on_this_machine_only(served):
    port = served.rpartition(":")[2]
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("only Linux lists its listening sockets in /proc/net/tcp")
    wanted = f":{int(port):04X}"
    lines = [
        line.split() for file in ("tcp", "tcp6") for line in (listening.parent / file).read_text().splitlines()[1:]
    ]
    local = [fields[1] for fields in lines if fields[3] == "0A" and fields[1].endswith(wanted)]
    assert local == [f"0100007F{wanted}"]  # 127.0.0.1, in the byte order of /proc
