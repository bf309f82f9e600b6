"""`paperlab import` and `paperlab leaderboard` as people and programs meet them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paperlab import settings
from paperlab.entities import Claim, ClaimKind, Verdict, VerdictKind
from paperlab.library import database, leaderboard, metrics
from paperlab.store import papers, verdicts
from paperlab.store.database import read_only, session
from tests.fakes import make_paper
from tests.paperlab.runs import directories

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def table(task: str, dataset: str, rows: list[tuple[str, str, dict[str, str]]]) -> dict[str, object]:
    return {
        "task": task,
        "datasets": [
            {
                "dataset": dataset,
                "sota": {
                    "rows": [
                        {
                            "model_name": model,
                            "paper_title": model,
                            "paper_url": url,
                            "metrics": values,
                            "code_links": [],
                        }
                        for model, url, values in rows
                    ]
                },
            }
        ],
        "subtasks": [],
    }


BIG, BASE, OTHER = "https://arxiv.org/abs/1706.03762", "https://arxiv.org/pdf/1706.03762.pdf", "https://aclweb.org/P1"


@pytest.fixture
def imported(paperlab, tmp_path):
    first = table(
        "Machine Translation",
        "WMT 2014 EN-DE",
        [
            ("Big", BIG, {"BLEU": "28.4", "Size": "213M"}),
            ("Base", BASE, {"BLEU": "27.3"}),
            ("Convolution", OTHER, {"BLEU": "25.2*"}),
            ("Unknown", "", {"BLEU": "-"}),
        ],
    )
    second = table(
        "machine translation",
        "WMT14 English-German",
        [("Big", BIG, {"BLEU": "28.40"}), ("Base", BIG, {"BLEU": "27.0"})],
    )
    language = table("Language Modelling", "PTB", [("A", "", {"Perplexity": "50"}), ("B", "", {"Perplexity": "40"})])
    (tmp_path / "one.json").write_text(json.dumps([first, language]))
    (tmp_path / "two.json").write_text(json.dumps([second]))
    return paperlab("import", "one.json", "two.json", "--json")


def test_an_import_says_what_came_in_and_whose_it_is(imported):
    assert imported.code == 0
    one, two = imported.json["files"]
    assert (one["rows"], one["results"], one["results_new"]) == (6, 7, 7)
    assert (two["rows"], two["results_new"]) == (2, 2)
    assert "CC-BY-SA 4.0" in imported.json["attribution"]


def test_a_model_index_is_its_authors_own(paperlab, tmp_path):
    results = "results: [{task: {name: T}, dataset: {name: D}, metrics: [{name: BLEU, value: 1}]}]"
    (tmp_path / "model-index.yml").write_text(f"model-index: [{{name: M, {results}}}]")
    done = paperlab("import", "model-index.yml", "--json").json
    assert done["files"][0]["results"] == 1
    assert "CC-BY-SA" not in done["attribution"]


def test_the_same_file_twice_adds_nothing(imported, paperlab):
    again = paperlab("import", "one.json", "--json").json["files"][0]
    assert (again["results"], again["results_new"]) == (7, 0)


def test_a_torn_file_leaves_nothing_and_is_3(paperlab, tmp_path):
    text = json.dumps([table("T", "D", [("M", "", {"BLEU": "1"})])] * 3)
    (tmp_path / "torn.json").write_text(text[:-40])
    done = paperlab("import", "torn.json")
    assert done.code == 3
    assert "line 1" in done.err
    assert paperlab("leaderboard", "--json").json["leaderboards"] == []


def test_spellings_of_two_sources_are_one_board(imported, paperlab):
    boards = paperlab("leaderboard", "--json").json["leaderboards"]
    assert [(b["task"], b["dataset"], b["results"]) for b in boards] == [
        ("Language Modelling", "PTB", 2),
        ("Machine Translation", "WMT 2014 EN-DE", 7),
    ]
    assert boards[1]["sources"] == ["one", "two"]


@pytest.mark.parametrize(
    "name", ["machine translation/WMT2014 English-German", "Translation/wmt14-en-de", "MT/WMT 2014 EN-DE"]
)
def test_rows_are_ordered_merged_and_their_sources_named_but_not_ranked(imported, paperlab, name):
    with session(database.open_or_create(settings.load())) as writing:
        papers.upsert(writing, [replace(make_paper(1, NOW), arxiv_id="1706.03762")], NOW)
    shown = paperlab("leaderboard", name, "--json").json
    values = [row["values"]["BLEU"] for row in shown["reported"]]
    assert [row["model"] for row in shown["reported"]] == ["Big", "Base", "Convolution", "Unknown"]
    assert not any("rank" in row for row in shown["reported"])
    assert values[0] == [{"value_text": "28.4", "value": 28.4, "sources": ["one", "two"]}]
    assert [(value["value_text"], value["sources"]) for value in values[1]] == [("27.3", ["one"]), ("27.0", ["two"])]
    assert values[2][0]["value_text"] == "25.2*"
    assert {row["kind"] for row in shown["reported"]} == {"reported, not measured"}
    assert shown["reported"][0]["arxiv_id"] == "1706.03762"
    assert shown["reported"][0]["held"] is True
    assert (shown["reported"][2]["arxiv_id"], shown["reported"][2]["held"]) == (None, False)


def test_people_see_that_sources_disagree_and_that_nobody_here_measured(imported, paperlab):
    done = paperlab("leaderboard", "machine translation/wmt 2014 en-de")
    assert "27.3 (one) | 27.0 (two)" in done.out
    assert "sources disagree" in done.out
    assert "not measured here" in done.err


def test_lower_is_better_for_perplexity(imported, paperlab):
    shown = paperlab("leaderboard", "language modeling/ptb", "--json").json
    assert shown["direction"] == "lower is better"
    assert [row["model"] for row in shown["reported"]] == ["B", "A"]


def test_a_metric_of_unknown_direction_is_said_and_not_ranked(imported, paperlab):
    done = paperlab("leaderboard", "machine translation/wmt 2014 en-de", "--metric", "size")
    assert "is not known, so nothing is ranked" in done.err
    assert "rank" not in done.out.replace("without ranks", "")


def test_near_names_and_metrics_are_offered(imported, paperlab):
    near = paperlab("leaderboard", "machine translaton/WMT 2014 EN-DE")
    assert near.code == 3
    assert 'did you mean: "Machine Translation/WMT 2014 EN-DE"' in near.err
    metric = paperlab("leaderboard", "language modelling/ptb", "--metric", "BLEU")
    assert metric.code == 3
    assert "its metrics: Perplexity" in metric.err


def test_an_empty_store_names_the_next_command(paperlab):
    assert "paperlab import" in paperlab("leaderboard").err
    assert "paperlab import" in paperlab("leaderboard", "a/b").err


def claim(claim_id: str, **changes) -> Claim:
    fields = {
        "source": "1706.03762",
        "kind": ClaimKind.VALUE,
        "place": {"table": "2"},
        "statement": "It reaches 28.4.",
        "task": "translation",
        "dataset": "wmt14-en-de",
        "split": "test",
        "metric": "bleu",
        "value": 28.4,
        "unit": "BLEU",
        "protocol": {},
        "tolerance": None,
        "reproduction": "r",
        "recipe": None,
        "tier": None,
        "confidence": "memory",
    }
    return Claim(id=claim_id, **{**fields, **changes})


def test_our_claims_stand_beside_and_only_what_a_run_measured_is_measured(imported):
    engine = database.open_or_create(settings.load())
    claims = [
        claim("ours"),
        claim("waiting"),
        claim("elsewhere", dataset="wmt14-en-fr"),
        claim("size", metric="parameters"),
    ]
    with session(engine) as writing:
        verdicts.append_if_changed(writing, Verdict("ours", VerdictKind.REPRODUCED, "it holds", measured=28.2), {}, NOW)
    with read_only(engine) as reading:
        ours = leaderboard.show(reading, "machine translation/wmt14 en-de", claims).ours
    assert [(c.id, c.verdict, c.measured) for c in ours] == [
        ("ours", VerdictKind.REPRODUCED, 28.2),
        ("waiting", VerdictKind.NOT_ATTEMPTED, None),
    ]


def bleu(value: float, **changes) -> dict[str, object]:
    place = {"dataset": "wmt14-en-de", "task": "translation", "metric": "bleu", "unit": "BLEU"}
    return directories.measured(None, value, **{**place, **changes})


@pytest.fixture
def measured(paperlab, home):
    """A good recipe and a fair one with two seeds each, a greedy decoding, and a lone seed."""
    for seed in (1, 2):
        for recipe, value in (("good", 30.0), ("fair", 20.0)):
            items = [bleu(value + seed / 100), bleu(value - 1 + seed / 100, protocol={"beam": 1})]
            path = directories.finished(home / "runs", recipe=recipe, seed=seed, measurements=items)
            if recipe == "fair":
                result = json.loads((path / "result.json").read_text())
                (path / "result.json").write_text(json.dumps(result | {"peak_memory_bytes": 3 * 10**9}))
    directories.finished(home / "runs", recipe="lone", measurements=[bleu(40.0)])


def test_own_numbers_are_ranked_within_one_protocol_beside_reported_ones_without_rank(imported, measured, paperlab):
    shown = paperlab("leaderboard", "machine translation/wmt14 en-de", "--json").json
    beam, greedy = shown["measured"]
    assert (beam["conditions"]["beam"], greedy["conditions"]["beam"]) == (4, 1)
    assert [(each["recipe"], each["ranks"]) for each in beam["standings"]] == [
        ("lone", None),
        ("good", [1, 1]),
        ("fair", [2, 2]),
    ]
    assert shown["reported"][0]["model"] == "Big"
    text = paperlab("leaderboard", "machine translation/wmt14 en-de").out
    assert "1 seed shows no spread" in text
    assert "reported, not measured here" in text


def test_a_board_of_own_numbers_alone_is_there(measured, paperlab):
    (board,) = paperlab("leaderboard", "--json").json["leaderboards"]
    assert (board["task"], board["results"], board["measured"]) == ("translation", 0, 9)
    assert paperlab("leaderboard", "translation/wmt14-en-de", "--json").json["reported"] == []


def test_which_model_fits_me_is_answered_by_what_the_runs_took(imported, measured, paperlab):
    done = paperlab("leaderboard", "translation/wmt14 en-de", "--max-memory", "4GB", "--max-hours", "2")
    assert done.code == 0, done.err
    assert "fair" in done.out
    assert "good" not in done.out  # it did not record what it takes
    assert "reported" not in done.out
    assert "2 did not record what they take" in done.err
    none = paperlab("leaderboard", "translation/wmt14 en-de", "--max-memory", "2GiB", "--json").json
    fits = {each["recipe"]: each["fits"] for table in none["measured"] for each in table["standings"]}
    assert fits == {"fair": False, "good": None, "lone": None}
    assert paperlab("leaderboard", "translation/wmt14 en-de", "--max-memory", "much").code == 2


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        *((name, True) for name in ("Test perplexity", "ppl", "WER", "Top-1 Error", "Percentage error", "BPC", "FID")),
        *((name, False) for name in ("BLEU score", "Accuracy", "F1", "ROUGE-L", "R_1@100", "P@5", "Hits@1", "F-Score")),
        *((name, None) for name in ("Score", "Number of params", "Dev", "", "Q->A")),
    ],
)
def test_the_direction_of_standard_metrics_is_known(metric, lower):
    assert metrics.is_lower_better(metric) is lower
