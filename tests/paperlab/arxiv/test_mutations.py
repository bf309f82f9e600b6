"""Damaged answers, from a flipped byte to XML bombs: the parsers read them or refuse them in our own words.

The seeds are answers of the fake arXiv, and the real ones where the data is there.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from benchmarks import record
from paperlab.arxiv import oai_pmh, query_api, rss
from paperlab.arxiv.client import BadAnswer, Client
from paperlab.errors import PaperlabError
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_papers

SEED = 20261123
QUICK = 600
LONG = 20_000


@dataclass(frozen=True)
class Interface:
    """One parser, with the answers that it is tried on."""

    name: str
    folder: str
    read: Callable[[bytes], object]
    made_up: tuple[str, ...]
    """Paths that the fake arXiv answers."""

    def answers(self, data: Path | None) -> dict[str, bytes]:
        with FakeArxiv(make_papers(4)) as arxiv:
            arxiv.announce(list(arxiv.truth().values()))
            arxiv.oai.delete("2611.00002", arxiv.papers["2611.00002"][0].updated_at)
            found = {path: arxiv.answer(path)[1] for path in self.made_up}
        real = sorted((data / "arxiv" / self.folder).glob("*.xml")) if data else []
        found |= {path.name: path.read_bytes() for path in real}
        if self.read is not oai_pmh.read_record:
            return found
        return {
            f"{name}, record {number}": text.encode()
            for name, body in found.items()
            for number, text in enumerate(re.findall("<record.*?</record>", body.decode(), re.DOTALL))
        }


@dataclass(frozen=True)
class Given:
    """A client whose every answer is this body."""

    body: bytes

    def get(self, _url: str, *, check: Callable[[bytes], None], refused: Callable[[bytes], PaperlabError]) -> bytes:
        refused(self.body)
        check(self.body)
        return self.body


def read_atom(body: bytes) -> object:
    """As an answer, through the `arxiv` package to papers, and as a refusal."""
    client = cast(Client, Given(body))
    return query_api.fetch_page(
        client, "http://arxiv/api", "cat:cs.CL", start=0, size=100, order="submittedDate", descending=True
    )


def read_feed(body: bytes) -> object:
    rss.refusal(body)
    return rss.read_feed(body)


def read_oai(body: bytes) -> object:
    oai_pmh.refusal(body)
    return oai_pmh.read_listing(body)


INTERFACES = (
    Interface(
        "query API",
        "atom",
        read_atom,
        ("/api/query?search_query=cat:cs.CL&max_results=5", "/api/query?id_list=abc", "/api/query?id_list=2611.00001"),
    ),
    Interface("RSS", "rss", read_feed, ("/rss/cs.CL+cs.LG+stat.ML+cs.AI", "/rss/cs.XX")),
    Interface(
        "OAI-PMH",
        "oai",
        read_oai,
        (
            "/oai?verb=ListRecords&metadataPrefix=arXivRaw",
            "/oai?verb=ListRecords&metadataPrefix=arXivRaw&set=xx",
            "/oai?verb=ListRecords&resumptionToken=old",
        ),
    ),
    Interface("OAI-PMH record", "oai", oai_pmh.read_record, ("/oai?verb=ListRecords&metadataPrefix=arXivRaw",)),
)
OURS = (PaperlabError, BadAnswer)


# --- damage ---------------------------------------------------------------------------------------------------


def flip_bytes(body: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(rng.randint(1, 20)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def flip_bits(body: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(rng.randint(1, 5)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut(body: bytes, rng: random.Random) -> bytes:
    return body[: rng.randrange(len(body))]


def piece(body: bytes, rng: random.Random) -> slice:
    start = rng.randrange(len(body))
    return slice(start, min(len(body), start + rng.randint(1, max(1, len(body) // 8))))


def delete_piece(body: bytes, rng: random.Random) -> bytes:
    gone = piece(body, rng)
    return body[: gone.start] + body[gone.stop :]


def repeat_piece(body: bytes, rng: random.Random) -> bytes:
    again = piece(body, rng)
    at = rng.randrange(len(body))
    return body[:at] + body[again] * rng.randint(1, 3) + body[at:]


def swap_pieces(body: bytes, rng: random.Random) -> bytes:
    one, other = sorted((piece(body, rng), piece(body, rng)), key=lambda part: part.start)
    if one.stop > other.start:
        return body[::-1]
    return body[: one.start] + body[other] + body[one.stop : other.start] + body[one] + body[other.stop :]


def tags(body: bytes) -> list[bytes]:
    names = {part.split(b">")[0].split(b" ")[0].strip(b"/?!") for part in body.split(b"<")[1:]}
    return sorted(name for name in names if name) or [b"none"]


def swap_tags(body: bytes, rng: random.Random) -> bytes:
    """One element under another's name, so that the XML stays well-formed and only its meaning is wrong."""
    one, other = rng.choice(tags(body)), rng.choice(tags(body))
    for mark in (b"<", b"</"):
        body = body.replace(mark + one, mark + other)
    return body


def empty_elements(body: bytes, rng: random.Random) -> bytes:
    """The text of every element of one name is gone, or another's: still well-formed."""
    name = rng.choice(tags(body))
    instead = rng.choice((b"", b" ", b"0", b"-1", b"9" * 30, b"9999-99-99", b"Mon, 99 Foo 99999 99:99:99 GMT", b"v0"))
    parts = body.split(b"<" + name + b">")
    rest = [instead + part[part.find(b"<") :] if b"<" in part else part for part in parts[1:]]
    return (b"<" + name + b">").join([parts[0], *rest])


def odd_numbers(body: bytes, rng: random.Random) -> bytes:
    """Digits of dates, versions and counts, some of them changed."""
    damaged = bytearray(body)
    digits = [at for at, byte in enumerate(damaged) if 48 <= byte <= 57]
    for at in rng.sample(digits, min(len(digits), rng.randint(1, 40))):
        damaged[at] = rng.choice(b"0123456789-Z/ v")
    return bytes(damaged)


def other_encoding(body: bytes, rng: random.Random) -> bytes:
    name = rng.choice(("utf-16", "utf-16-be", "utf-32", "latin-1", "cp037", "utf-7"))
    text = body.decode("utf-8", "replace")
    if rng.random() < 0.5:
        text = text.replace("UTF-8", name)
    return text.encode(name, "replace")


def wrong_declaration(body: bytes, rng: random.Random) -> bytes:
    name = rng.choice((b"ascii", b"utf-16", b"shift_jis", b"nonsense", b"", b"ebcdic-cp-us"))
    return body.replace(b"UTF-8", name, 1)


def control_characters(body: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(body))
    odd = (
        b"\x00",
        b"\x1b",
        b"\x7f",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"&#0;",
        b"&#xD800;",
        b"&#x110000;",
        b"&what;",
        b"]]>",
    )
    return body[:at] + rng.choice(odd) + body[at:]


DAMAGES = (
    *(flip_bytes, flip_bits, cut, delete_piece, repeat_piece, swap_pieces, swap_tags, empty_elements, odd_numbers),
    *(other_encoding, wrong_declaration, control_characters),
)


def mutations(interface: Interface, data: Path | None, count: int) -> Iterator[tuple[str, bytes]]:
    """(how it came about, body), the same ones every time."""
    answers = interface.answers(data)
    names = sorted(answers)
    for number in range(count):
        rng = random.Random(f"{SEED}:{interface.name}:{number}")
        name, body, done = rng.choice(names), b"", []
        body = answers[name]
        for damage in rng.choices(DAMAGES, k=rng.choice((1, 1, 2, 3))):
            body = damage(body, rng) if body else body
            done.append(damage.__name__)
        yield f"{interface.name}, {name}, mutation {number}: {'+'.join(done)}", body


def survive(interface: Interface, data: Path | None, count: int) -> tuple[int, int]:
    """How many damaged answers were read after all, and how many refused."""
    read = refused = 0
    for how, body in mutations(interface, data, count):
        try:
            interface.read(body)
            read += 1
        except OURS:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{how} raised {error!r}") from error
    return read, refused


def real_data() -> Path | None:
    folder = Path(os.environ.get("PAPERLAB_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if (folder / "arxiv").is_dir() else None


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
def test_a_damaged_answer_is_read_or_refused_in_our_own_words(interface):
    read, refused = survive(interface, None, QUICK // len(INTERFACES))
    assert refused > read >= 0


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
def test_a_damaged_real_answer_is_read_or_refused_in_our_own_words(interface, test_data):
    assert sum(survive(interface, test_data, 30)) == 30


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_twenty_thousand_damaged_answers_raise_nothing_but_our_own_errors():
    began = time.process_time()
    data = real_data()
    measured = {each.name: survive(each, data, LONG // len(INTERFACES)) for each in INTERFACES}
    seconds = time.process_time() - began
    sys.stdout.write(f"\n(read, refused): {measured}, {seconds:.0f} CPU s\n")
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(
            ROOT / folder,
            "mutations",
            "Do damaged answers of arXiv raise anything but our own errors?",
            {
                "seed": SEED,
                "mutations": LONG,
                "with_real_answers": data is not None,
                "foreign_errors": 0,
                "read": {name: read for name, (read, _) in measured.items()},
                "refused": {name: refused for name, (_, refused) in measured.items()},
                "cpu_s": round(seconds, 1),
            },
        )


# --- bombs and foreign entities -------------------------------------------------------------------------------

ROOTS = {"query API": "feed", "RSS": "rss", "OAI-PMH": "OAI-PMH", "OAI-PMH record": "record"}
BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENT_TYPES = {
    "billion laughs": f'<!DOCTYPE r [<!ENTITY e0 "ha">{BOMB}]>',
    "quadratic blow-up": f'<!DOCTYPE r [<!ENTITY e9 "{"ha" * 50_000}">]>',
    "file": '<!DOCTYPE r [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>',
    "network": '<!DOCTYPE r [<!ENTITY e9 SYSTEM "http://127.0.0.1:9/e9">]>',
    "parameter entity": '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
    "external subset": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd">',
}


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", DOCUMENT_TYPES)
def test_document_types_bombs_and_foreign_entities_are_refused(interface, kind, encoding):
    root = ROOTS[interface.name]
    body = f'<?xml version="1.0"?>{DOCUMENT_TYPES[kind]}<{root} a="&e9;">{"&e9;" * 100}</{root}>'.encode(encoding)
    began = time.process_time()
    with pytest.raises(OURS):
        interface.read(body)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)
def test_deep_nesting_is_refused(interface):
    root = ROOTS[interface.name]
    with pytest.raises(OURS):
        interface.read(f"<{root}>{'<a>' * 100_000}".encode())
    with pytest.raises(OURS):
        interface.read(f"<{root}>{'<a>' * 5_000}{'</a>' * 5_000}</{root}>".encode())
