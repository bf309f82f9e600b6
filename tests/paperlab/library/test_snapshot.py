"""The dump comes in fast, and the rows are those that papers leave when they come in one page at a time."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from paperlab.arxiv import snapshot as reader
from paperlab.arxiv.limiter import Clock
from paperlab.arxiv.snapshot import TornFile
from paperlab.entities import Paper, Profile, ReceiptStatus
from paperlab.errors import InvalidInput, TryAgain, UnknownName
from paperlab.library import arrivals, landmarks, profiles, snapshot
from paperlab.library import database as library
from paperlab.library.snapshot import SnapshotOptions
from paperlab.library.sync import Stopped, only_sync
from paperlab.query import parse
from paperlab.settings import Settings
from paperlab.store import bulk, database, full_text, papers, receipts, search
from paperlab.store.database import Engine
from paperlab.store.schema import Base
from tests.fakes import make_papers
from tests.fakes import snapshot as dumps

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LINK = " Code: https://github.com/someone/something and https://zenodo.org/record/12345."
_OF_THE_SYNC = {"receipts", "harvests", "cursors"}


def a_clock(moment: datetime = NOW) -> Clock:
    return Clock(wall=moment.timestamp, monotonic=lambda: 0.0)


def some_papers(count: int, seed: int = 0) -> list[Paper]:
    """Made-up papers of a dump: a few with links, withdrawn, revised, with letters of other scripts, old-style ids."""
    rng = random.Random(seed)
    made = []
    for number, paper in enumerate(make_papers(count, NOW - timedelta(days=3))):
        version = rng.choice((1, 1, 1, 2, 5))
        made.append(
            replace(
                paper,
                arxiv_id=paper.arxiv_id
                if number % 7
                else f"cs/05{1 + number // 7 // 999:02d}{1 + number // 7 % 999:03d}",
                version=version,
                title=f"{paper.title} — {rng.choice(('Größe', 'BERTScore', 'C++ & λ', 'plain'))}",
                abstract=paper.abstract + (LINK if rng.random() < 0.2 else ""),
                comment=rng.choice((None, "12 pages", "This paper has been withdrawn by the authors", LINK.strip())),
                updated_at=paper.updated_at if version == 1 else paper.updated_at + timedelta(hours=version),
                doi=rng.choice((None, "10.1000/x")),
                source="snapshot",
            )
        )
    return [replace(paper, withdrawn="withdrawn" in (paper.comment or "")) for paper in made]


def rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the sync's own, and of the full-text index what it finds, word by word."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name not in _OF_THE_SYNC:
                statement = f"SELECT * FROM {table.name}"
                found[table.name] = sorted(map(tuple, connection.exec_driver_sql(statement)), key=repr)
        if connection.dialect.name == "postgresql":
            found["full_text"] = sorted(map(tuple, connection.exec_driver_sql("SELECT * FROM full_text")))
            return found
        connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, 'full_text', 'instance')")
        found["full_text"] = sorted(map(tuple, connection.exec_driver_sql("SELECT * FROM temp.words")))
        connection.exec_driver_sql("DROP TABLE temp.words")
    return found


PLAIN = (4, 2**20)


def index_settings(engine: Engine) -> tuple[int, int]:
    """FTS5's automerge and hashsize, as the database has them."""
    with engine.connect() as connection:
        kept = {"automerge": 4, "hashsize": 2**20}
        kept.update(connection.exec_driver_sql("SELECT k, v FROM full_text_config").all())
    return kept["automerge"], kept["hashsize"]


def assert_index_is_whole(engine: Engine) -> None:
    with database.session(engine) as session:
        assert full_text.check(session).is_good


@pytest.fixture
def store_at(tmp_path: Path, settings_for: Callable[..., Settings], engine_for: Callable[[Settings], Engine]) -> Any:
    def make(name: str) -> tuple[Engine, Settings]:
        settings = settings_for(home=tmp_path / name)
        reader = Profile("reader", ("cs.LG",), ("stat.ML",), ("study*", "memory of past"))
        settings = replace(settings, profiles={**settings.profiles, "reader": reader})
        return engine_for(settings), settings

    return make


def import_(store: tuple[Engine, Settings], path: Path, **options: Any) -> Any:
    engine, settings = store
    batch = options.pop("batch", 64)
    clock = options.pop("clock", a_clock())
    progress = options.pop("progress", lambda _: None)
    chosen = SnapshotOptions(path, **options)
    return snapshot.run(engine, settings, chosen, clock=clock, progress=progress, batch=batch)


def take_slowly(store: tuple[Engine, Settings], path: Path, size: int = 64) -> None:
    """The papers of a dump by the way of every other source."""
    engine, settings = store
    landmarks.seed(engine, settings, NOW)
    profiles.rematch_changed(engine, settings.profiles, NOW)
    batch = [paper for read in reader.read(path, not_after=NOW) for paper in read.papers]
    for start in range(0, len(batch), size):
        with database.session(engine) as session:
            arrivals.take(session, settings, batch[start : start + size], NOW)


def later(paper: Paper, rng: random.Random) -> Paper:
    """What a dump of another month may say of the same paper."""
    kind = rng.randrange(8)
    newer = replace(paper, version=paper.version + 1, updated_at=paper.updated_at + timedelta(hours=5))
    return [
        paper,
        paper,
        replace(newer, abstract=f"Rewritten. {paper.abstract}", title="Another title"),
        replace(newer, categories=("cs.CV", *paper.categories), primary_category="cs.CV"),
        replace(paper, comment="Accepted", journal_ref="J. 7 (2026)"),
        replace(paper, version=max(1, paper.version - 1), updated_at=paper.submitted_at, abstract="As it was."),
        replace(paper, authors=(*paper.authors, "New One")),
        replace(newer, comment="This paper has been withdrawn by the authors", withdrawn=True),
    ][kind]


# --- the same rows --------------------------------------------------------------------------------------------


def test_both_ways_in_leave_the_same_rows(tmp_path, store_at):
    first = some_papers(300)
    fast, slow = store_at("fast"), store_at("slow")
    path = dumps.write(tmp_path / "one.jsonl", first)
    receipt = import_(fast, path)
    take_slowly(slow, path)
    assert (receipt.new, receipt.status) == (300, ReceiptStatus.COMPLETE)
    written = rows(fast[0])
    assert written == rows(slow[0])
    for table in ("papers", "paper_categories", "paper_versions", "profile_matches", "code_links", "full_text"):
        assert len(written[table]) > 30, table
    assert_index_is_whole(fast[0])


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_in_agree_on_revisions_older_versions_and_papers_that_stand_twice(tmp_path, store_at, seed):
    rng = random.Random(seed)
    first = some_papers(120, seed)
    second = [later(paper, rng) for paper in first if rng.random() < 0.9] + some_papers(160, seed)[120:]
    second += [later(rng.choice(second), rng) for _ in range(20)]
    rng.shuffle(second)
    fast, slow = store_at("fast"), store_at("slow")
    for name, told in (("one.jsonl", first), ("two.jsonl.gz", second)):
        path = dumps.write(tmp_path / name, told)
        receipt = import_(fast, path)
        take_slowly(slow, path)
        assert receipt.announced == receipt.held == len(told)
    assert rows(fast[0]) == rows(slow[0])
    assert_index_is_whole(fast[0])


def test_landmark_papers_give_way_to_the_dump(tmp_path, store_at):
    fast, slow = store_at("fast"), store_at("slow")
    landmarks.seed(*fast, NOW)
    with database.read_only(fast[0]) as session:
        seeds = list(papers.export(session))
    told = [replace(paper, source="snapshot", abstract=f"By arXiv. {paper.abstract}".strip()) for paper in seeds]
    path = dumps.write(tmp_path / "one.jsonl", told)
    import_(fast, path)
    take_slowly(slow, path)
    assert rows(fast[0]) == rows(slow[0])
    with database.read_only(fast[0]) as session:
        assert {paper.source for paper in papers.export(session)} == {"snapshot"}


def test_what_the_query_api_brought_is_known_again(tmp_path, store_at):
    store = store_at("home")
    held = [replace(paper, source="query-api") for paper in some_papers(100)]
    landmarks.seed(*store, NOW)
    with database.session(store[0]) as session:
        arrivals.take(session, store[1], held, NOW)
    profiles.rematch_changed(store[0], store[1].profiles, NOW)
    before = rows(store[0])
    receipt = import_(store, dumps.write(tmp_path / "one.jsonl", held))
    assert (receipt.new, receipt.revised, receipt.unchanged) == (0, 0, 100)
    assert rows(store[0]) == before


def test_an_older_dump_fills_in_what_is_missing_and_takes_nothing_away(tmp_path, store_at):
    store = store_at("home")
    (told,) = some_papers(1)
    told = replace(told, source="query-api", comment="accepted at ACL", journal_ref="ACL 2026", doi=None)
    with database.session(store[0]) as session:
        arrivals.take(session, store[1], [told], NOW)
    dumped = replace(told, comment="4 pages", journal_ref=None, doi="10.1000/1", categories=told.categories[:1])
    receipt = import_(store, dumps.write(tmp_path / "old.jsonl", [dumped]))
    assert (receipt.new, receipt.revised) == (0, 1)
    with database.read_only(store[0]) as session:
        assert papers.get(session, told.arxiv_id) == replace(told, doi="10.1000/1")


def test_where_there_is_no_fast_way_the_slow_one_serves(tmp_path, store_at, monkeypatch):
    fast, other = store_at("fast"), store_at("other")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(100))
    quick = import_(fast, path)
    monkeypatch.setattr(bulk, "is_supported", lambda _: False)
    slow = import_(other, path)
    assert slow.details["matches"] == quick.details["matches"]
    assert rows(fast[0]) == rows(other[0])


def test_the_same_dump_again_changes_nothing(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(200))
    import_(store, path)
    before = rows(store[0])
    receipt = import_(store, path, clock=a_clock(NOW + timedelta(days=1)))
    assert (receipt.new, receipt.revised, receipt.unchanged, receipt.open) == (0, 0, 200, 0)
    assert rows(store[0]) == before


def test_real_records_leave_the_same_rows(tmp_path, store_at, test_data):
    source = test_data / "arxiv" / "papers" / "cscl_1993-2018.jsonl.gz"
    with gzip.open(source) as lines:
        chosen = [line for number, line in enumerate(lines) if number % 20 == 0]
    (tmp_path / "real.jsonl").write_bytes(b"".join(chosen))
    fast, slow = store_at("fast"), store_at("slow")
    receipt = import_(fast, tmp_path / "real.jsonl")
    assert receipt.held > 500
    take_slowly(slow, tmp_path / "real.jsonl")
    assert rows(fast[0]) == rows(slow[0])
    assert_index_is_whole(fast[0])


# --- receipts -------------------------------------------------------------------------------------------------


def test_the_receipt_balances_and_names_what_could_not_be_read(tmp_path, store_at):
    store = store_at("home")
    good = some_papers(100)
    lines: list[Paper | bytes] = [*good[:50], b"{", b"", b'{"id": "x"}', *good[50:], *([b"nonsense"] * 30)]
    receipt = import_(store, dumps.write(tmp_path / "one.jsonl", lines))
    assert (receipt.announced, receipt.held, receipt.open, receipt.new) == (132, 100, 32, 100)
    assert receipt.status is ReceiptStatus.COMPLETE
    assert receipt.reason.startswith("32 lines could not be read: line 51: broken JSON")
    named = receipt.details["unreadable"]
    assert [each["line"] for each in named[:2]] == [51, 53]
    assert len(named) == 20
    assert receipt.details["to_line"] == 133
    matched = receipt.details["matches"]
    assert matched["matching"] + matched["no term of the profile"] == 100
    with database.read_only(store[0]) as session:
        assert receipts.latest(session)[0] == receipt
        counted = sum(1 for row in rows(store[0])["profile_matches"] if row[0] == "llm")
        assert matched["matching"] == counted - len(landmark_matches(store, good))


def landmark_matches(store: tuple[Engine, Settings], dump: list[Paper]) -> list[str]:
    ids = {paper.arxiv_id for paper in dump}
    return [row[1] for row in rows(store[0])["profile_matches"] if row[0] == "llm" and row[1] not in ids]


def test_only_papers_of_the_categories_asked_for_come_in(tmp_path, store_at):
    store = store_at("home")
    dump = some_papers(100)
    receipt = import_(store, dumps.write(tmp_path / "one.jsonl", dump), categories=("stat.ML", "cs.AI"))
    wanted = {p.arxiv_id for p in dump if {"stat.ML", "cs.AI"} & set(p.categories)}
    assert (receipt.held, receipt.details["outside"]) == (len(wanted), 100 - len(wanted))
    with database.read_only(store[0]) as session:
        assert {p.arxiv_id for p in papers.export(session) if p.source == "snapshot"} == wanted


def test_a_wrong_category_or_file_or_profile_is_told_at_once(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(3))
    with pytest.raises(UnknownName):
        import_(store, path, categories=("cs.cl",))
    with pytest.raises(UnknownName):
        import_(store, path, profile="nobody")
    with pytest.raises(InvalidInput, match="absent"):
        import_(store, tmp_path / "absent.jsonl")


def test_one_sync_at_a_time(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(3))
    with only_sync(store[1]), pytest.raises(TryAgain, match="another sync"):
        import_(store, path)


# --- stop and go on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dump.jsonl", "dump.jsonl.gz"])
def test_a_budget_stops_it_and_the_next_one_goes_on(tmp_path, store_at, name):
    store, whole = store_at("home"), store_at("whole")
    path = dumps.write(tmp_path / name, [*some_papers(150), b"{", *some_papers(300)[150:]])
    seconds = iter(range(1000))
    clock = Clock(wall=NOW.timestamp, monotonic=lambda: float(next(seconds)))
    seen = []
    for _ in range(20):
        try:
            seen.append(import_(store, path, clock=clock, max_seconds=2.0))
            break
        except Stopped as stopped:
            seen.append(stopped.receipt)
            reasons = stopped.reason, stopped.exit_code
    import_(whole, path)
    assert 2 <= len(seen) < 20
    assert reasons == ("budget", 75)
    assert [receipt.status for receipt in seen] == [ReceiptStatus.PARTIAL] * (len(seen) - 1) + [ReceiptStatus.COMPLETE]
    assert sum(receipt.new for receipt in seen) == 300
    assert sum(receipt.open for receipt in seen) == 1
    assert [one.details["to_line"] + 1 for one in seen[:-1]] == [two.details["from_line"] for two in seen[1:]]
    assert rows(store[0]) == rows(whole[0])


def test_ctrl_c_keeps_what_came_in(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(300))

    def interrupt(receipt: Any) -> None:
        if receipt.new > 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_(store, path, progress=interrupt)
    with database.read_only(store[0]) as session:
        stopped = receipts.latest(session)[0]
    assert (stopped.status, stopped.new) == (ReceiptStatus.PARTIAL, 192)
    assert import_(store, path).new == 300 - 192


def test_a_file_that_has_changed_is_read_from_its_beginning(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(300))
    with pytest.raises(Stopped):
        import_(store, path, max_seconds=0.0)
    dumps.write(path, some_papers(310))
    receipt = import_(store, path)
    assert receipt.details["changed_file"]
    assert (receipt.details["from_line"], receipt.held) == (1, 310)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl", some_papers(30))
    with pytest.raises(Stopped, match="changed while it was read"):
        import_(store, path, progress=lambda _: dumps.write(path, some_papers(31)))
    assert import_(store, path).held == 31


def test_a_torn_file_leaves_what_could_be_read(tmp_path, store_at):
    store = store_at("home")
    path = dumps.write(tmp_path / "one.jsonl.gz", some_papers(300))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(TornFile):
        import_(store, path)
    with database.read_only(store[0]) as session:
        failed = receipts.latest(session)[0]
    assert failed.status is ReceiptStatus.FAILED
    assert 100 < failed.new < 300
    path.write_bytes(whole)
    assert import_(store, path).held == 300


_CHILD = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from tests.paperlab.library.test_snapshot import a_clock
from paperlab.library import snapshot
from paperlab.query import parse
from paperlab.settings import Settings
from paperlab.store import database, receipts

home, file, place, at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
settings = Settings(home, sys.argv[5])
saved = receipts.save
calls = []

def save(session, receipt):
    saved(session, receipt)
    calls.append(1)
    if place == "inside" and len(calls) == at:
        os.kill(os.getpid(), signal.SIGKILL)

def progress(receipt):
    if place == "between" and len(calls) == at:
        os.kill(os.getpid(), signal.SIGKILL)

receipts.save = save
options = snapshot.SnapshotOptions(file)
snapshot.run(database.open_database(settings), settings, options, clock=a_clock(), progress=progress, batch=100)
"""


def test_after_kills_in_the_middle_the_store_is_that_of_an_undisturbed_import(tmp_path, settings_for, engine_for):
    disturbed, whole = (settings_for(home=tmp_path / name) for name in ("disturbed", "whole"))
    path = dumps.write(tmp_path / "one.jsonl", some_papers(800))
    engine_for(disturbed).dispose()
    for place, at in (("inside", 3), ("between", 2)):
        words = [sys.executable, "-c", _CHILD, str(disturbed.home), str(path), place, str(at), disturbed.database_url]
        killed = subprocess.run(words, cwd=ROOT, env=os.environ, check=False, capture_output=True, text=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        if disturbed.database_url.startswith("sqlite"):
            assert index_settings(engine_for(disturbed)) == PLAIN
    store = engine_for(disturbed), disturbed
    receipt = import_(store, path, batch=100)
    assert receipt.details["from_line"] == 401
    assert receipt.new == 400
    import_((engine_for(whole), whole), path, batch=100)
    assert rows(store[0]) == rows(engine_for(whole))
    assert_index_is_whole(store[0])
    with database.read_only(store[0]) as session:
        kept = receipts.latest(session)
    assert [each.status for each in kept] == [ReceiptStatus.COMPLETE, *[ReceiptStatus.INTERRUPTED] * 2]
    assert sum(each.new for each in kept) == 800


# --- the connection -------------------------------------------------------------------------------------------


def test_papers_are_found_while_the_dump_comes_in(tmp_path, store_at):
    store = store_at("home")
    found = []

    def look(receipt: Any) -> None:
        with database.read_only(store[0]) as session:
            found.append((receipt.held, search.newest(session, parse("ti:study"), 1).total))

    import_(store, dumps.write(tmp_path / "one.jsonl", some_papers(300)), progress=look)
    assert [held for held, _ in found] == [64, 128, 192, 256, 300]
    assert all(held == seen for held, seen in found)


@pytest.mark.sqlite
def test_what_was_set_for_mass_writing_is_set_back(settings_for, engine_for):
    engine = engine_for(settings_for())

    def pragmas(connection: sa.Connection) -> list[Any]:
        names = ("cache_size", "wal_autocheckpoint", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    with engine.connect() as connection:
        before = pragmas(connection)
    with bulk.connection(engine) as connection:
        during = pragmas(connection)
        connection.rollback()
    with engine.connect() as connection:
        assert pragmas(connection) == before
    assert during != before
    assert during[2:] == before[2:]


@pytest.mark.sqlite
def test_the_index_is_written_in_large_joins_within_a_batch_and_nothing_of_it_is_left(settings_for, engine_for):
    engine = engine_for(settings_for())
    with bulk.connection(engine) as connection:
        with bulk.session(connection) as session:
            within = dict(session.connection().exec_driver_sql("SELECT k, v FROM full_text_config").all())
            bulk.insert(session, some_papers(20), NOW)
        assert (within["automerge"], within["hashsize"]) == (8, 8 * 2**20)
        assert index_settings(engine) == PLAIN
    assert_index_is_whole(engine)


@pytest.mark.sqlite
def test_what_an_older_version_left_of_a_killed_import_is_mended_by_the_next_one_and_by_a_reindex(tmp_path, store_at):
    for name, mend in (
        ("import", lambda store: import_(store, dumps.write(tmp_path / "one.jsonl", some_papers(20)))),
        ("reindex", lambda store: library.reindex(store[1])),
    ):
        store = store_at(name)
        with store[0].begin() as connection:
            connection.exec_driver_sql("INSERT INTO full_text (full_text, rank) VALUES ('automerge', 8)")
        assert index_settings(store[0])[0] == 8
        mend(store)
        assert index_settings(store[0]) == PLAIN


def test_a_dump_of_damaged_lines_never_stops_the_import(tmp_path, store_at):
    rng = random.Random(3)
    lines: list[Paper | bytes] = []
    for paper in some_papers(400):
        raw = bytearray(json.dumps(dumps.as_record(paper)).encode())
        for _ in range(rng.choice((0, 0, 1, 3))):
            raw[rng.randrange(len(raw))] = rng.choice(b'0 {}"\\,:x\xff')
        lines.append(bytes(raw))
    store = store_at("home")
    receipt = import_(store, dumps.write(tmp_path / "one.jsonl", lines))
    assert receipt.status is ReceiptStatus.COMPLETE
    assert receipt.announced == 400
    assert receipt.open > 20
    assert_index_is_whole(store[0])


def test_a_file_of_which_no_line_can_be_read_is_no_success(tmp_path, store_at):
    store = store_at("home")
    path = tmp_path / "no.jsonl"
    path.write_text('{"id": "2401.00001", "title": "No versions"}\n' * 3, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="3 lines could not be read: line 1"):
            import_(store, path)
        with database.read_only(store[0]) as session:
            assert receipts.latest(session, 1)[0].status is ReceiptStatus.FAILED
