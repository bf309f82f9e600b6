"""claims.toml is read whole or not at all, and a complaint names file, claim and field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import ClaimKind
from paperlab.errors import InvalidInput, UnknownName
from paperlab.library import claims
from reproductions import registry

ENTRY: dict[str, Any] = {
    "id": "1706.03762:table-2:base:wmt14-en-de:bleu",
    "source": "1706.03762",
    "source_version": 7,
    "kind": "value",
    "place": {"table": "2", "row": "Transformer (base model)"},
    "statement": "the base model reaches 27.3 BLEU",
    "task": "translation",
    "dataset": "wmt14-en-de",
    "split": "newstest2014",
    "metric": "bleu",
    "value": 27.3,
    "unit": "BLEU",
    "protocol": {"beam": 4, "length_penalty": 0.6},
    "tolerance": {"value": 0.5, "why": "spread over seeds"},
    "recipe": "transformer-base",
    "tier": "full",
    "confidence": "verified-in-text",
    "evidence": "read in the table",
}
RECIPES = ("transformer-base",)


def parse(**changes: Any) -> Any:
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    return claims.parse(entry, "transformer", RECIPES)


def test_an_entry_becomes_a_claim() -> None:
    claim = parse()
    assert claim.kind is ClaimKind.VALUE
    assert claim.place_text == "table 2, row Transformer (base model)"
    assert (claim.value, claim.tolerance.value, claim.recipe, claim.tier) == (27.3, 0.5, "transformer-base", "full")
    assert claim.protocol == {"beam": 4, "length_penalty": 0.6}


@pytest.mark.parametrize("empty", [None, "", []])
def test_a_claim_that_nothing_measures_yet_has_no_recipe(empty: Any) -> None:
    claim = parse(recipe=empty, tier=empty, tolerance=None)
    assert (claim.recipe, claim.tier) == (None, None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"id": "with space"}, "id is"),
        ({"kind": "rumour"}, 'kind is "rumour"'),
        ({"confidence": "sure"}, 'confidence is "sure"'),
        ({"value": None}, "value is missing"),
        ({"value": "27"}, "value is '27'"),
        ({"value": True}, "value is True"),
        ({"value": float("nan")}, "value is nan"),
        ({"tolerance": None}, "tolerance is missing"),
        ({"tolerance": {"value": 0.5}}, "tolerance has value"),
        ({"tolerance": {"value": -1, "why": "x"}}, "tolerance.value is -1"),
        ({"place": None}, "place is missing"),
        ({"place": "table 2"}, "place is 'table 2'"),
        ({"statement": "  "}, "statement is"),
        ({"metric": None}, "metric is missing"),
        ({"recipe": "transformer-huge"}, 'recipe is "transformer-huge"'),
        ({"tier": "giant"}, "tier is 'giant'"),
        ({"source_version": 0}, "source_version is 0"),
        ({"protocols": {}}, "protocols is not a field"),
        ({"kind": "bound"}, "relation is missing"),
        ({"kind": "bound", "relation": "about"}, 'relation is "about"'),
        ({"kind": "ordering"}, "better is missing"),
        ({"kind": "trend", "series": {"a": 1.0}}, "series has fewer than two"),
        ({"kind": "trend", "value": None, "series": {"a": 1.0, "b": 2.0}}, "relation and value"),
        ({"kind": "value", "relation": "at-least"}, 'relation is "at-least"'),
    ],
)
def test_what_is_wrong_is_named_with_file_claim_and_field(changes: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(**changes)
    assert "claims.toml of transformer, " in caught.value.message
    assert complaint in caught.value.message
    assert changes.get("id", ENTRY["id"]) in caught.value.message
    assert caught.value.hint


@given(
    field=st.sampled_from(sorted(ENTRY)),
    value=st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())),
)
def test_whatever_stands_in_a_field_is_read_or_refused(field: str, value: Any) -> None:
    try:
        claims.parse({**ENTRY, field: value}, "transformer", RECIPES)
    except InvalidInput as error:
        assert field in error.message  # noqa: PT017 - both ways are right


def with_claims(monkeypatch: pytest.MonkeyPatch, entries: list[dict[str, Any]]) -> None:
    monkeypatch.setattr(registry, "claims", lambda name: entries)


def test_an_id_names_one_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    with_claims(monkeypatch, [ENTRY, ENTRY])
    with pytest.raises(InvalidInput, match="used 2 times"):
        claims.load(["transformer"])


def test_an_ordering_names_claims_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    ordering = {**ENTRY, "id": "o", "kind": "ordering", "better": ENTRY["id"], "worse": "nowhere"}
    del ordering["value"]
    with_claims(monkeypatch, [ENTRY, ordering])
    with pytest.raises(InvalidInput, match='o: worse names "nowhere"'):
        claims.load(["transformer"])


def test_a_file_that_is_no_toml_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text("[[claim]\n")
    monkeypatch.setattr(registry, "folder", lambda name: tmp_path)
    with pytest.raises(InvalidInput, match=r"claims\.toml is not valid TOML"):
        claims.load(["transformer"])


def test_a_reproduction_without_claims_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "folder", lambda name: tmp_path)
    with pytest.raises(InvalidInput, match=r"transformer has no claims\.toml"):
        claims.load(["transformer"])


def test_claims_are_selected_by_source_kind_and_id() -> None:
    both = [parse(), parse(id="b", source="paperlab", kind="structural")]
    assert [claim.id for claim in claims.select(both, source="paperlab")] == ["b"]
    assert [claim.id for claim in claims.select(both, kind=ClaimKind.STRUCTURAL)] == ["b"]
    assert [claim.id for claim in claims.select(both, ids=["b"])] == ["b"]
    assert claims.select(both, source="paperlab", kind=ClaimKind.VALUE) == []
    with pytest.raises(UnknownName, match='no claim is called "c"'):
        claims.select(both, ids=["c"])
    with pytest.raises(UnknownName, match="no source of claims is called"):
        claims.select(both, source="1706.0376")


def test_the_claims_of_every_reproduction_can_be_read() -> None:
    loaded = claims.load()
    assert {claim.reproduction for claim in loaded} == set(registry.names())
    assert len({claim.id for claim in loaded}) == len(loaded)
