"""Public files of links and results are read as what they say; what can't be read is named with its reason."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import CodeLink, LinkRole, ReportedResult
from paperlab.errors import InvalidInput
from paperlab.library import json_stream, model_index, reported_values, result_formats
from paperlab.library.result_formats import PaperDescribed, Row, Unreadable

ROW = {
    "model_name": "Big",
    "paper_title": "A paper",
    "paper_url": "https://arxiv.org/pdf/1706.03762v7.pdf",
    "paper_date": "2017-06-12",
    "code_links": [{"title": "Link", "url": "https://github.com/a/b"}],
    "metrics": {"BLEU": "28.5*", "Number of params": "213M"},
    "uses_additional_data": True,
}
TASK = {
    "task": "Machine Translation",
    "datasets": [
        {
            "dataset": "WMT",
            "sota": {"metrics": ["BLEU"], "rows": [ROW]},
            "subdatasets": [{"subdataset": "Small", "sota": {"rows": [{**ROW, "paper_url": ""}, {"metrics": {}}]}}],
        }
    ],
    "subtasks": [{"task": "Unsupervised", "datasets": [{"dataset": "X", "sota": {"rows": [ROW]}}]}],
}


def read(path: Path) -> tuple[str, list[result_formats.Item]]:
    with result_formats.opened(path) as source:
        return source.format, list(source.items)


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    if name.endswith(".gz"):
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("value", "number", "remarks"),
    [
        ("28.5*", 28.5, {"remark": "*"}),
        ("-", None, {"remark": "no number"}),
        ("\N{MINUS SIGN}", None, {"remark": "no number"}),
        ("85.1%", 85.1, {"unit": "%"}),
        ("1,234", 1234.0, {}),
        ("23.4 ± 0.2", 23.4, {"uncertainty": 0.2}),
        ("<0.5", 0.5, {"relation": "<"}),
        ("~257M", 257e6, {"relation": "~", "scale": "M"}),
        ("-0.4", -0.4, {}),
        ("1.5e-3", 0.0015, {}),
        ("70.1 (measured by others)", 70.1, {"remark": "(measured by others)"}),
        ("93.0/90.7", None, {"remark": "not one number"}),
        ("0,85", None, {"remark": "not one number"}),
        ("1e999", None, {"remark": "no number"}),
        (float("nan"), None, {"remark": "no number"}),
        (81.3, 81.3, {}),
        ("", None, {"remark": "no number"}),
        (None, None, {"remark": "no number"}),
    ],
)
def test_a_cell_is_kept_as_it_stands_beside_its_number(value, number, remarks):
    text, found, said = reported_values.parse(value)
    assert (found, said) == (number, remarks)
    assert text == ("" if value is None else str(value))


@given(st.text(max_size=40) | st.floats() | st.integers() | st.booleans())
def test_any_cell_is_a_finite_number_or_none(value):
    _, number, _ = reported_values.parse(value)
    assert number is None or number - number == 0


def test_tables_are_read_with_subdatasets_and_subtasks(tmp_path):
    kind, items = read(written(tmp_path, "tables.json.gz", [TASK]))
    results = [item for item in items if isinstance(item, ReportedResult)]
    assert kind == "evaluation tables"
    assert sum(isinstance(item, Row) for item in items) == 4
    assert [(r.task, r.dataset, r.metric, r.value) for r in results][:4] == [
        ("Machine Translation", "WMT", "BLEU", 28.5),
        ("Machine Translation", "WMT", "Number of params", 213e6),
        ("Machine Translation", "WMT: Small", "BLEU", 28.5),
        ("Machine Translation", "WMT: Small", "Number of params", 213e6),
    ]
    assert results[0].arxiv_id == "1706.03762"
    assert results[2].arxiv_id is None
    assert results[0].details["code_links"] == ["https://github.com/a/b"]
    assert results[0].details["uses_additional_data"] is True
    assert results[-1].task == "Unsupervised"
    assert [item.reason for item in items if isinstance(item, Unreadable)] == ["the row reports no metric"]


@pytest.mark.parametrize("name", ["links.json", "links.json.gz", "links.jsonl", "links.csv"])
def test_links_are_read_from_a_list_from_lines_and_from_a_table(tmp_path, name):
    link = {"paper_arxiv_id": "1706.03762", "repo_url": "https://github.com/a/b.git", "is_official": True}
    without = {"paper_arxiv_id": "", "repo_url": "https://github.com/c/d", "is_official": False}
    content: object = [link, without]
    if name.endswith("jsonl"):
        content = "\n".join(map(json.dumps, (link, without)))
    elif name.endswith("csv"):
        content = "\n".join([",".join(link), *(",".join(map(str, row.values())) for row in (link, without))])
    _, items = read(written(tmp_path, name, content))
    found, left_out = items
    assert isinstance(found, CodeLink)
    assert (found.url, found.role, found.source) == ("https://github.com/a/b", LinkRole.OWN, "papers-with-code")
    assert left_out == Unreadable("https://github.com/c/d", "its paper has no arXiv identifier")


def test_papers_with_abstracts_and_the_rest_interface_are_recognised_and_only_counted(tmp_path):
    paper = {"title": "A", "url_abs": "https://arxiv.org/abs/1706.03762", "arxiv_id": "1706.03762"}
    for content in ([paper], paper, {"count": 1, "results": [paper]}):
        assert read(written(tmp_path, "papers.json", content))[1] == [PaperDescribed()]


CARD = """model-index:
- name: Tiny
  results:
  - task: {type: translation, name: Translation}
    dataset: {type: wmt14, name: WMT14, config: de-en, split: test}
    metrics:
    - {type: bleu, name: BLEU, value: 27.3}
    - {type: bleu, value: [1, 2]}
"""
MODELS = """Collections:
- {Name: C, Paper: {Title: T, URL: https://arxiv.org/abs/1512.03385}, Code: https://github.com/a/b}
Models:
- Name: M
  In Collection: C
  Results: {Task: Image Classification, Dataset: ImageNet, Metrics: {Top 1 Error: 22.9%}}
- other.yml
"""


@pytest.mark.parametrize(("name", "text"), [("model-index.yml", CARD), ("README.md", f"---\n{CARD}---\n# Tiny\n---\n")])
def test_a_model_card_reports_results(tmp_path, name, text):
    _, items = read(written(tmp_path, name, text))
    [result] = [item for item in items if isinstance(item, ReportedResult)]
    assert (result.task, result.dataset, result.metric, result.value) == (
        "Translation",
        "WMT14 de-en test",
        "BLEU",
        27.3,
    )
    assert [item.reason for item in items if isinstance(item, Unreadable)] == ["a result without a single value"]


def test_the_older_model_index_takes_paper_and_code_from_the_collection(tmp_path):
    _, items = read(written(tmp_path, "model-index.yml", MODELS))
    [result] = [item for item in items if isinstance(item, ReportedResult)]
    assert (result.model, result.arxiv_id, result.value) == ("M", "1512.03385", 22.9)
    assert result.details["code_links"] == ["https://github.com/a/b"]
    assert Unreadable("other.yml", "it is the name of another file") in items


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nmodel-index: *c\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", '[\n{"task": "A",\n"datasets": [],}\n]', "line 3"),
        ("x.json", '[{"task": "A"}', "line 1"),
        ("x.json", '[{"task": "A"},]', "comma"),
        ("x.json", '[{"task": "A"}] x', "behind the list"),
        ("x.json", '[{"unheard": 1}]', "unheard"),
        ("x.json", "", "no format"),
        ("x.json", "[" * 100_000, "deeply"),
        ("x.csv", "one,two\n1,2\n", "one, two"),
        ("x.yml", "a: [1", "line"),
        ("x.yml", BOMB, "aliases"),
        ("x.yml", "[" * 5000, "deep"),
        ("x.yml", "Metadata: 1", "Metadata"),
        ("x.md", "# no front matter", "front matter"),
    ],
)
def test_a_file_that_cant_be_read_is_refused_with_line_or_reason(tmp_path, name, text, said):
    with pytest.raises(InvalidInput, match=said):
        read(written(tmp_path, name, text))


def test_missing_torn_and_binary_files_are_refused(tmp_path):
    whole = written(tmp_path, "t.json.gz", [TASK] * 50).read_bytes()
    (tmp_path / "torn.json.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "false.json.gz").write_bytes(b"not gzip")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("torn.json.gz", "false.json.gz", "binary.json", "missing.json", "."):
        with pytest.raises(InvalidInput, match="can't be read"):
            read(tmp_path / name)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=3), max_size=8))
def test_a_streamed_list_is_the_list(values):
    text = json.dumps(values, indent=1)
    assert list(json_stream.items(io.StringIO(text), "x")) == values


def test_an_item_may_span_many_pieces(monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 3)
    values = [{"a": "long " * 20}, 12345, {"b": [1, 2, {"c": None}]}, 67890]
    assert list(json_stream.items(io.StringIO(json.dumps(values)), "x")) == values


@given(st.text(max_size=60))
def test_any_yaml_is_read_or_refused(text):
    with contextlib.suppress(InvalidInput):
        list(model_index.entries(model_index.load(text, "x.yml")))


@pytest.mark.parametrize(("name", "rows"), [("eff", 1714), ("nlp-progress", 559), ("ogb", 244), ("redditsota", 32)])
def test_the_public_tables_have_as_many_rows_as_counted_by_hand(test_data, name, rows):
    _, items = read(test_data / "arxiv" / "pwc" / f"sota-extractor_{name}.json")
    assert sum(isinstance(item, Row) for item in items) == rows
    assert not [item for item in items if isinstance(item, Unreadable)]


def test_the_public_links_are_all_read(test_data):
    _, items = read(test_data / "arxiv" / "pwc" / "links-between-papers-and-code.subset.jsonl.gz")
    assert len(items) == 1810
    assert sum(isinstance(item, CodeLink) for item in items) == 1700


def test_the_public_example_that_is_no_json_is_refused_with_its_line(test_data):
    with pytest.raises(InvalidInput, match="line 27"):
        read(test_data / "arxiv" / "pwc" / "sota-extractor_example_json_format.json")
