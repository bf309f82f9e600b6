"""Names of tasks, datasets and models: spellings of one thing are one, names of two things stay two."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from paperlab.entities import ReportedResult
from paperlab.library import leaderboard
from paperlab.library.leaderboard import fold_dataset, fold_task
from paperlab.store import database, reported_results

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
APART = [("Net", "Net++"), ("X (C++)", "X (C#)"), ("X (C)", "X (C#)"), ("SQuAD1.1", "SQuAD 11"), ("v2.0", "v20")]


@pytest.mark.parametrize(
    "spellings",
    [
        ("SQuAD 1.1", "SQuAD1.1", "squad-1.1", "SQUAD_1.1"),
        ("WMT2014 English-German", "WMT 2014 EN-DE", "wmt14-en-de"),
        ("CoNLL++", "conll ++", "CoNLL-++"),
        ("CodeXGLUE C#", "codexglue-c#"),
    ],
)
def test_spellings_of_a_dataset_are_one(spellings):
    assert len({fold_dataset(name) for name in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), [*APART, ("SQuAD 1 1", "SQuAD 11"), ("SQuAD 1 1", "SQuAD 1.1")])
def test_datasets_that_differ_in_a_mark_are_two(one, other):
    assert fold_dataset(one) != fold_dataset(other)


@pytest.mark.parametrize(("one", "other"), APART)
def test_tasks_that_differ_in_a_mark_are_two(one, other):
    assert fold_task(one) != fold_task(other)


def a_result(dataset: str, model: str, value: float) -> ReportedResult:
    return ReportedResult(
        source="tables",
        task="Translation",
        dataset=dataset,
        model=model,
        metric="Accuracy",
        value_text=str(value),
        value=value,
        arxiv_id="2401.00001",
        details={},
    )


def test_models_of_a_paper_and_boards_that_differ_in_a_mark_have_rows_of_their_own(settings_for, engine_for):
    models = ("Net", "Net++", "net", "GPT-3.5", "GPT-35", "X (C++)", "X (C#)")
    rows = [a_result("Code 1.1", model, n + 1.0) for n, model in enumerate(models)]
    rows += [a_result(dataset, "Net", 1.0) for dataset in ("code-1.1", "Code 11", "Code++")]
    with database.session(engine_for(settings_for())) as session:
        reported_results.add(session, rows, NOW)
        found = {board.dataset: len(board.spellings) for board in leaderboard.boards(session)}
        assert found == {"Code 1.1": 2, "Code 11": 1, "Code++": 1}
        shown = leaderboard.show(session, "translation/code1.1")
    assert sorted(entry.model for entry in shown.entries) == ["GPT-3.5", "GPT-35", "Net", "Net++", "X (C#)", "X (C++)"]
