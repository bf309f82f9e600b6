"""What is relevant to whom, decided here and not by arXiv: a profile's terms are looked for in every paper held.

Whole words, case folded; a final * is any ending; a phrase matches over line breaks.  When a profile changes, every
paper held is matched anew: nothing has to be fetched again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from paperlab.entities import Paper, Profile, ProfileMatch
from paperlab.errors import InvalidInput
from paperlab.store import database, matches, papers
from paperlab.store.database import Engine, Session

_BATCH = 1000


@dataclass(frozen=True)
class Matcher:
    """A profile ready for matching."""

    profile: Profile
    always: frozenset[str]
    terms: tuple[tuple[str, str, bool], ...]
    """Of each term: itself, its words as they stand in folded text, and whether any ending will do."""

    def terms_in(self, text: str) -> tuple[str, ...]:
        """The profile's terms that stand in `text`, in the profile's order."""
        return self._terms_in(_folded(text))

    def match(self, paper: Paper) -> ProfileMatch | None:
        return self.match_folded(paper, _text(paper))

    def match_folded(self, paper: Paper, folded: str) -> ProfileMatch | None:
        """As `match`, with the paper's `_text`, which several profiles share."""
        terms = self._terms_in(folded)
        if terms or not self.always.isdisjoint(paper.categories):
            return ProfileMatch(self.profile.name, paper.arxiv_id, terms)
        return None

    def _terms_in(self, folded: str) -> tuple[str, ...]:
        found = []
        # Most terms are not there at all: looking for a literal is many times as fast as any expression.
        for term, literal, any_ending in self.terms:
            if literal in folded and _stands_in(folded, literal, any_ending):
                found.append(term)
        return tuple(found)


@lru_cache(maxsize=64)
def matcher(profile: Profile) -> Matcher:
    """Compile a profile.  Raises InvalidInput for a term without a letter or digit."""
    for term in profile.terms:
        if not re.search(r"\w", term):
            raise InvalidInput(
                f'profiles.{profile.name} has the term "{term}", which stands for everything', "remove it"
            )
    terms = tuple((term, _literal(term), term.rstrip().endswith("*")) for term in dict.fromkeys(profile.terms))
    return Matcher(profile, frozenset(profile.always), terms)


def _stands_in(text: str, literal: str, any_ending: bool) -> bool:
    """Whether `literal` is in `text` as whole words."""
    at = text.find(literal)
    while at >= 0:
        end = at + len(literal)
        begins = at == 0 or not _is_word(text[at - 1])
        if begins and (any_ending or end == len(text) or not _is_word(text[end])):
            return True
        at = text.find(literal, at + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _literal(term: str) -> str:
    return papers.normalised(term).casefold().removesuffix("*")


def _folded(text: str) -> str:
    return papers.normalised(text).casefold()


def _text(paper: Paper) -> str:
    """Where a profile's terms are looked for; a phrase ends with the title."""
    return f"{_folded(paper.title)}\0{_folded(paper.abstract)}"


def find(profiles: Mapping[str, Profile], batch: Iterable[Paper]) -> list[ProfileMatch]:
    """What of each paper is relevant to which profile."""
    matchers = [matcher(profile) for profile in profiles.values()]
    found = []
    for paper in batch:
        folded = _text(paper)
        for each in matchers:
            match = each.match_folded(paper, folded)
            if match is not None:
                found.append(match)
    return found


def record(session: Session, profiles: Mapping[str, Profile], arrived: Iterable[Paper]) -> None:
    """Match papers as they arrive against every profile.  Does not commit."""
    batch = list(arrived)
    matches.replace(session, [paper.arxiv_id for paper in batch], find(profiles, batch), profiles)


def rematch_changed(engine: Engine, profiles: Mapping[str, Profile], now: datetime) -> list[str]:
    """Match every paper held against the profiles whose definition is another than last time.  Returns their names.

    Batch by batch; the definition is noted at the end, so that one that is interrupted is repeated.
    """
    changed = {}
    with database.read_only(engine) as session:
        for name, profile in profiles.items():
            if matches.definition(session, name) != _definition(profile):
                changed[name] = profile
    if not changed:
        return []
    with database.read_only(engine) as reader:
        for batch in _batches(papers.export(reader)):
            with database.session(engine) as session:
                record(session, changed, batch)
    with database.session(engine) as session:
        for name, profile in changed.items():
            matches.set_definition(session, name, _definition(profile), now)
    return list(changed)


def _definition(profile: Profile) -> dict[str, list[str]]:
    fields = asdict(profile)
    return {name: list(fields[name]) for name in ("always", "terms")}


def _batches(every: Iterator[Paper]) -> Iterator[list[Paper]]:
    while batch := list(islice(every, _BATCH)):
        yield batch
