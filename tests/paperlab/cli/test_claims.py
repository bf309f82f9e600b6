"""`paperlab claims`: the table, the check and its gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import launch
from reproductions import registry
from tests.paperlab.runs import directories


def accuracy(value: float) -> dict[str, Any]:
    return directories.measured(
        "claimed:accuracy",
        value,
        task="next symbol",
        dataset="tiny",
        metric="accuracy",
        unit="",
        protocol={"averaged": 2},
    )


def run_of(home: Path, seed: int, value: float) -> None:
    directories.finished(
        home / "runs",
        recipe="claimed-next",
        seed=seed,
        fingerprint=registry.fingerprint("claimed-next", "smoke"),
        measurements=[accuracy(value)],
    )


@pytest.fixture
def checked(home: Path) -> None:
    """The structural check has been made on this machine (runs/test_judging.py makes it for real)."""
    entry = {"metric": "parameters", "value": 189, "unit": "", "protocol": {"vocabulary": 13}}
    names = ("claimed:parameters", "claimed:wrong-parameters", "claimed:other-vocabulary")
    kept = home / "structure" / f"claimed-{registry.fingerprint('claimed')[:16]}.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"measurements": [{**entry, "claim": name} for name in names]}))


def verdicts(outcome: Any) -> dict[str, str]:
    return {claim["id"]: claim["verdict"] for claim in outcome.json["claims"]}


def test_nothing_is_attempted_at_first_and_each_claim_says_why(paperlab: Any) -> None:
    listed = paperlab("claims", "list", "--json")
    assert set(verdicts(listed).values()) == {"not-attempted"}
    reasons = {claim["id"]: claim["reason"] for claim in listed.json["claims"]}
    assert reasons["claimed:parameters"] == "not checked with this code yet: paperlab claims check"
    assert reasons["claimed:accuracy"].endswith("paperlab reproduce claimed-next --tier smoke")
    assert reasons["claimed:heard-of"].startswith("not confirmed in a text")


def test_a_check_judges_every_claim_and_the_list_shows_the_same(paperlab: Any, home: Path, checked: None) -> None:
    for seed, value in enumerate([0.5, 0.6, 0.7], start=1):
        run_of(home, seed, value)
    judged = paperlab("claims", "check", "--json")
    assert judged.code == 0, judged.err
    assert verdicts(judged) == {
        "claimed:parameters": "reproduced",
        "claimed:wrong-parameters": "differs",
        "claimed:other-vocabulary": "not-comparable",
        "claimed:accuracy": "reproduced",
        "claimed:heard-of": "not-attempted",
    }
    assert len(judged.json["changed"]) == 4
    assert verdicts(paperlab("claims", "list", "--json")) == verdicts(judged)
    assert paperlab("claims", "check", "--json").json["changed"] == []
    table = paperlab("claims", "list", "--verdict", "differs").out
    assert "189 is not 200 ± 0.5" in table
    assert "claimed:accuracy" not in table


def test_the_gate_tells_differs_from_inconclusive(paperlab: Any, home: Path, checked: None) -> None:
    run_of(home, 1, 0.5)
    assert paperlab("claims", "check", "--gate").code == 6
    assert paperlab("claims", "check", "--gate", "claimed:accuracy").code == 7
    assert paperlab("claims", "check", "--gate", "claimed:parameters").code == 0
    assert paperlab("claims", "check").code == 0


def test_stale_claims_do_not_pass_the_gate(paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (1, 2, 3):
        run_of(home, seed, seed / 10)
    assert paperlab("claims", "check", "--gate", "claimed:accuracy").code == 0
    monkeypatch.setattr(registry, "fingerprint", lambda *_, **__: "e" * 64)
    stale = paperlab("claims", "check", "--gate", "claimed:accuracy", "--json")
    assert stale.code == 7
    assert verdicts(stale) == {"claimed:accuracy": "stale"}


def test_without_torch_the_check_goes_on_and_says_so(paperlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "missing_packages", list)
    judged = paperlab("claims", "check", "--kind", "structural")
    assert judged.code == 0
    assert "torch is not installed: pip install 'paperlab[train]'" in judged.out


@pytest.mark.parametrize(
    "words", [("check", "claimed:accurcy"), ("list", "--source", "1706.03762"), ("list", "--verdict", "maybe")]
)
def test_unknown_claims_sources_and_verdicts_are_refused(paperlab: Any, words: tuple[str, ...]) -> None:
    refused = paperlab("claims", *words)
    assert refused.code in (2, 3)
    assert refused.err.strip()
    assert refused.out == ""


# --- decisions ------------------------------------------------------------------------------------------------


def test_a_retracted_claim_is_judged_no_more_until_it_is_confirmed(paperlab: Any, home: Path) -> None:
    for seed in (1, 2, 3):
        run_of(home, seed, seed / 10)
    assert verdicts(paperlab("claims", "check", "claimed:accuracy", "--json")) == {"claimed:accuracy": "reproduced"}
    retract = ("claims", "retract", "claimed:accuracy", "--reason", "the number is of another row")
    retracted = paperlab(*retract, "--json")
    assert retracted.code == 0, retracted.err
    assert retracted.json["decided"] == ["claimed:accuracy"]
    (claim,) = retracted.json["claims"]
    assert (claim["verdict"], claim["measured"]) == ("not-attempted", None)
    assert claim["reason"].endswith(": the number is of another row")
    assert verdicts(paperlab("claims", "list", "--json"))["claimed:accuracy"] == "not-attempted"
    assert "1 were already" in paperlab(*retract).err

    confirmed = paperlab("claims", "confirm", "claimed:accuracy", "--reason", "the row is right after all", "--json")
    assert verdicts(confirmed) == {"claimed:accuracy": "reproduced"}
    shown = paperlab("claims", "show", "claimed:accuracy", "--json").json
    assert [each["kind"] for each in shown["decisions"]] == ["retracted", "confirmed"]
    assert [each["kind"] for each in shown["log"]] == ["reproduced", "not-attempted", "reproduced"]
    in_words = paperlab("claims", "show", "claimed:accuracy").out
    for expected in ("six steps reach an accuracy", "table 1, row tiny", "averaged 2", "the row is right after all"):
        assert expected in in_words


def test_an_unread_claim_says_how_to_confirm_it_and_then_waits_for_runs(paperlab: Any) -> None:
    said = paperlab("claims", "show", "claimed:heard-of").out
    assert 'paperlab claims confirm claimed:heard-of --reason "..."' in said
    assert paperlab("claims", "confirm", "claimed:heard-of", "--reason", "table 1 of the page").code == 0
    listed = paperlab("claims", "list", "--json").json["claims"]
    assert {claim["reason"] for claim in listed if claim["id"] == "claimed:heard-of"} == {"no recipe measures it yet"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("confirm", "claimed:accurcy", "--reason", "read"), 3),
        (("confirm", "claimed:accuracy", "--reason", "  "), 3),
        (("retract", "claimed:accuracy"), 2),
        (("show", "claimed:accurcy"), 3),
    ],
)
def test_a_decision_without_a_reason_or_about_no_claim_is_refused(
    paperlab: Any, words: tuple[str, ...], code: int
) -> None:
    refused = paperlab("claims", *words)
    assert refused.code == code
    assert refused.err.strip()
    assert refused.out == ""
