"""The claims of every reproduction, read from its claims.toml and checked.

A claim that can't be read is an error that names file, claim and field: half a table of claims would look like a
whole one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from paperlab.entities import Claim, ClaimKind, Pool, Tolerance
from paperlab.errors import InvalidInput, UnknownName
from reproductions import registry

CONFIDENCES = ("verified-in-text", "ours", "memory")
RELATIONS = {ClaimKind.BOUND: ("at-least", "at-most"), ClaimKind.TREND: ("rises", "falls")}

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=/-]*")
_TEXTS = ("id", "source", "statement", "task", "dataset", "split", "metric", "unit", "confidence")
_KNOWN = frozenset(
    (
        *_TEXTS,
        "kind",
        "place",
        "value",
        "protocol",
        "tolerance",
        "recipe",
        "tier",
        "evidence",
        "relation",
        "better",
        "worse",
        "pool",
    )
) | {"series", "source_version"}


def load(reproductions: Iterable[str] | None = None) -> list[Claim]:
    """The claims of the named reproductions, or of all, in the order of their files.  Raises InvalidInput."""
    claims: list[Claim] = []
    for name in registry.names() if reproductions is None else reproductions:
        recipes = registry.get(name).recipes
        try:
            entries = registry.claims(name)
        except registry.ReproductionError as error:
            raise InvalidInput(error.message, error.hint) from error
        except FileNotFoundError as error:
            raise InvalidInput(
                f"{name} has no claims.toml", "a reproduction says what it reproduces: add one"
            ) from error
        claims += [parse(entry, name, recipes, position) for position, entry in enumerate(entries, start=1)]
    check_together(claims)
    return claims


def get(claims: Iterable[Claim], claim_id: str) -> Claim:
    """The claim with this id.  Raises UnknownName."""
    known = {claim.id: claim for claim in claims}
    if claim_id not in known:
        raise UnknownName("claim", claim_id, known, "paperlab claims list")
    return known[claim_id]


def select(
    claims: Iterable[Claim], *, source: str | None = None, kind: ClaimKind | None = None, ids: Iterable[str] = ()
) -> list[Claim]:
    """The claims of a source, of a kind, or with these ids.  Raises UnknownName where no claim has it."""
    everything = list(claims)
    wanted = {get(everything, claim_id).id for claim_id in ids}
    sources = {claim.source for claim in everything}
    if source is not None and source not in sources:
        raise UnknownName("source of claims", source, sources, "paperlab claims list")
    return [
        claim
        for claim in everything
        if (source is None or claim.source == source)
        and (kind is None or claim.kind is kind)
        and (not wanted or claim.id in wanted)
    ]


def parse(entry: Mapping[str, Any], reproduction: str, recipes: Iterable[str] = (), position: int = 1) -> Claim:
    """One [[claim]] of a claims.toml as a Claim.  Raises InvalidInput naming reproduction, claim and field."""
    return _Parser(entry, reproduction, position).claim(tuple(recipes))


class _Parser:
    """Reads one entry; every complaint knows which claim it is about."""

    def __init__(self, entry: Mapping[str, Any], reproduction: str, position: int) -> None:
        self._entry = entry
        self._where = f"claims.toml of {reproduction}, {entry.get('id') or f'claim number {position}'}"
        self._reproduction = reproduction

    def claim(self, recipes: tuple[str, ...]) -> Claim:
        for name in self._entry:
            if name not in _KNOWN:
                raise self._wrong(name, "is not a field of a claim", f"known: {', '.join(sorted(_KNOWN))}")
        texts = {name: self._text(name) for name in _TEXTS}
        if not _ID.fullmatch(texts["id"]):
            raise self._wrong(
                "id", f'is "{texts["id"]}"', "letters, digits and ._:+=/- only, so that a shell takes it as it is"
            )
        kind = ClaimKind(self._one_of("kind", tuple(ClaimKind)))
        self._one_of("confidence", CONFIDENCES)
        recipe, tier = self._judged_by(recipes)
        claim = Claim(
            **texts,
            kind=kind,
            place=self._place(),
            value=self._number("value") if "value" in self._entry else None,
            protocol=self._table("protocol"),
            tolerance=self._tolerance(),
            reproduction=self._reproduction,
            recipe=recipe,
            tier=tier,
            evidence=self._text("evidence", default=""),
            relation=self._one_of("relation", RELATIONS.get(kind, ())) if "relation" in self._entry else None,
            better=self._text("better") if kind is ClaimKind.ORDERING else None,
            worse=self._text("worse") if kind is ClaimKind.ORDERING else None,
            series=self._series() if kind is ClaimKind.TREND else {},
            source_version=self._version(),
            pool=self._pool(kind),
        )
        self._check_kind(claim)
        return claim

    def _check_kind(self, claim: Claim) -> None:
        needs_value = claim.kind in {ClaimKind.STRUCTURAL, ClaimKind.VALUE, ClaimKind.BOUND}
        if needs_value and claim.value is None:
            raise self._wrong("value", "is missing", f"a {claim.kind.value} claim reports a number")
        judged = claim.kind is ClaimKind.STRUCTURAL or (claim.kind is ClaimKind.VALUE and claim.recipe is not None)
        if judged and claim.tolerance is None:
            raise self._wrong("tolerance", "is missing", 'write [claim.tolerance] with value = ... and why = "..."')
        if claim.kind is ClaimKind.BOUND and claim.relation is None:
            raise self._wrong("relation", "is missing", 'a bound is "at-least" or "at-most"')
        if claim.kind is ClaimKind.TREND and (claim.relation is None) == (claim.value is None):
            raise self._wrong(
                "relation", "and value exclude each other", 'a trend "rises" or "falls", or has a slope as value'
            )
        if claim.kind is ClaimKind.TREND and claim.value is not None and claim.tolerance is None:
            raise self._wrong("tolerance", "is missing", "a slope with a value needs one")

    def _text(self, name: str, default: str | None = None) -> str:
        value = self._entry.get(name, default)
        if value is None:
            raise self._wrong(name, "is missing", "docs/adding-a-reproduction.md lists the fields")
        if not isinstance(value, str) or (default is None and name != "unit" and not value.strip()):
            raise self._wrong(name, f"is {value!r}", "a text is needed")
        return value

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self._text(name)
        if value not in allowed:
            raise self._wrong(
                name, f'is "{value}"', f"one of: {', '.join(allowed)}" if allowed else "this kind has none"
            )
        return value

    def _number(self, name: str) -> float:
        return self._as_number(name, self._entry[name])

    def _as_number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
            raise self._wrong(name, f"is {value!r}", "a finite number is needed")
        return float(value)

    def _table(self, name: str) -> dict[str, Any]:
        value = self._entry.get(name, {})
        if not isinstance(value, Mapping):
            raise self._wrong(name, f"is {value!r}", f"write it as a table: [claim.{name}]")
        return dict(value)

    def _place(self) -> dict[str, str]:
        place = {key: str(value) for key, value in self._table("place").items()}
        if not place:
            raise self._wrong(
                "place", "is missing", 'say where it stands: place = { table = "2", row = "...", column = "..." }'
            )
        return place

    def _tolerance(self) -> Tolerance | None:
        table = self._table("tolerance")
        if not table:
            return None
        if set(table) != {"value", "why"} or not str(table["why"]).strip():
            raise self._wrong("tolerance", f"has {', '.join(sorted(table))}", "value and why are needed, and no more")
        value = self._as_number("tolerance.value", table["value"])
        if value < 0:
            raise self._wrong("tolerance.value", f"is {value:g}", "it can't be negative")
        return Tolerance(value, str(table["why"]))

    def _judged_by(self, recipes: tuple[str, ...]) -> tuple[str | None, str | None]:
        recipe, tier = self._entry.get("recipe") or None, self._entry.get("tier") or None
        if recipe is None:
            return None, None
        if recipe not in recipes:
            raise self._wrong("recipe", f'is "{recipe}"', f"the reproduction has: {', '.join(recipes)}")
        if tier not in registry.TIERS:
            raise self._wrong("tier", f"is {tier!r}", f"one of: {', '.join(registry.TIERS)}")
        return str(recipe), str(tier)

    def _series(self) -> dict[str, float]:
        """The claims that a trend runs through; none where each run measures the slope itself."""
        if "series" not in self._entry:
            return {}
        series = {name: self._as_number(f"series.{name}", value) for name, value in self._table("series").items()}
        if len(set(series.values())) < 2:
            raise self._wrong(
                "series", "has fewer than two places on the axis", "claim ids, each with its place on the axis"
            )
        return series

    def _pool(self, kind: ClaimKind) -> Pool | None:
        table = self._table("pool")
        if not table:
            return None
        names = table.get("claims")
        if kind not in {ClaimKind.VALUE, ClaimKind.BOUND}:
            raise self._wrong("pool", f"is no field of a claim of kind {kind.value}", "values and bounds can have one")
        listed = isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
        if set(table) != {"claims", "why"} or not listed or not str(table["why"]).strip():
            raise self._wrong(
                "pool", f"has {', '.join(sorted(table))}", 'claims = ["...", ...] and why = "..." are needed'
            )
        return Pool(tuple(str(name) for name in names or ()), str(table["why"]))

    def _version(self) -> int | None:
        value = self._entry.get("source_version")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise self._wrong("source_version", f"is {value!r}", "a version number from 1 is needed")
        return value

    def _wrong(self, field: str, what: str, hint: str) -> InvalidInput:
        return InvalidInput(f"{self._where}: {field} {what}", hint)


def check_together(claims: list[Claim]) -> None:
    """What one claim alone can't show: ids are unique, and what an ordering or a trend names is there."""
    for claim_id, count in Counter(claim.id for claim in claims).items():
        if count > 1:
            raise InvalidInput(f"claims.toml: the id {claim_id} is used {count} times", "an id names one number")
    known = {claim.id: claim for claim in claims}
    for claim in claims:
        for field, name in [
            ("better", claim.better),
            ("worse", claim.worse),
            *(("series", name) for name in claim.series),
        ]:
            if name is not None and (name not in known or known[name].kind in {ClaimKind.ORDERING, ClaimKind.TREND}):
                where = f"claims.toml of {claim.reproduction}, {claim.id}: {field}"
                raise InvalidInput(f'{where} names "{name}", which is no claim about a number', "paperlab claims list")
        _check_pool(claim, known)


_THE_SAME = ("task", "dataset", "split", "metric", "unit", "protocol")


def _check_pool(claim: Claim, known: Mapping[str, Claim]) -> None:
    """What lends its spread is measured in the same way and by other runs, each by runs of its own."""
    where = f"claims.toml of {claim.reproduction}, {claim.id}: pool"
    seen = {(claim.recipe, claim.tier)}
    for name in claim.pool.claims if claim.pool is not None else ():
        other = known.get(name)
        if other is None or other.recipe is None:
            raise InvalidInput(
                f'{where} names "{name}", which is no claim that a recipe measures', "paperlab claims list"
            )
        if differing := [field for field in _THE_SAME if getattr(claim, field) != getattr(other, field)]:
            hint = "a spread is shared only where the same thing is measured in the same way"
            raise InvalidInput(f"{where} names {name}, which has another {', '.join(differing)}", hint)
        if (other.recipe, other.tier) in seen:
            hint = "the runs of a recipe and tier count once"
            raise InvalidInput(f"{where} names {name}, whose runs count already", hint)
        seen.add((other.recipe, other.tier))
