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
    """A profile ready for matching: one expression finds where any term begins."""

    profile: Profile
    anywhere: re.Pattern[str] | None
    by_group: tuple[tuple[str, tuple[tuple[str, re.Pattern[str]], ...]], ...]
    """For each group of `anywhere`: its term, and other terms that may begin at the same place with their patterns."""

    def terms_in(self, text: str) -> tuple[str, ...]:
        """The profile's terms that stand in `text`, in the profile's order."""
        if self.anywhere is None:
            return ()
        folded = papers.normalised(text).casefold()
        found: set[str] = set()
        for hit in self.anywhere.finditer(folded):
            term, others = self.by_group[(hit.lastindex or 1) - 1]
            found.add(term)
            found.update(
                other for other, pattern in others if other not in found and pattern.match(folded, hit.start())
            )
        return tuple(term for term in self.profile.terms if term in found)

    def match(self, paper: Paper) -> ProfileMatch | None:
        terms = self.terms_in(f"{paper.title} \N{BULLET} {paper.abstract}")
        if terms or not set(self.profile.always).isdisjoint(paper.categories):
            return ProfileMatch(self.profile.name, paper.arxiv_id, terms)
        return None


@lru_cache(maxsize=64)
def matcher(profile: Profile) -> Matcher:
    """Compile a profile.  Raises InvalidInput for a term without a letter or digit."""
    for term in profile.terms:
        if not re.search(r"\w", term):
            raise InvalidInput(
                f'profiles.{profile.name} has the term "{term}", which stands for everything', "remove it"
            )
    # Longest first: at one place the expression reports one term, and `others` looks for the rest.
    terms = sorted(dict.fromkeys(profile.terms), key=lambda term: (-len(_literal(term)), term))
    if not terms:
        return Matcher(profile, None, ())
    anywhere = re.compile(rf"(?<!\w)(?=(?:{'|'.join(f'({_pattern(term)})' for term in terms)}))")
    patterns = {term: re.compile(_pattern(term)) for term in terms}
    by_group = tuple(
        (term, tuple((other, patterns[other]) for other in terms if other != term and _may_share_start(term, other)))
        for term in terms
    )
    return Matcher(profile, anywhere, by_group)


def _literal(term: str) -> str:
    return papers.normalised(term).casefold().removesuffix("*")


def _pattern(term: str) -> str:
    ending = r"\w*" if term.rstrip().endswith("*") else ""
    return rf"{re.escape(_literal(term))}{ending}(?!\w)"


def _may_share_start(one: str, other: str) -> bool:
    return _literal(one).startswith(_literal(other)) or _literal(other).startswith(_literal(one))


def record(session: Session, profiles: Mapping[str, Profile], arrived: Iterable[Paper]) -> None:
    """Match papers as they arrive against every profile.  Does not commit."""
    batch = list(arrived)
    found = [
        match
        for profile in profiles.values()
        for paper in batch
        if (match := matcher(profile).match(paper)) is not None
    ]
    matches.replace(session, [paper.arxiv_id for paper in batch], found, profiles)


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
