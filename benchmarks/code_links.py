"""How many of the links that a reader marked does the extractor find, and how many of its own are right?

    python benchmarks/code_links.py --data ../shared/data

Scores library/code_links.extract on the 200 fields of benchmarks/labels/code_links.jsonl; the texts come from the data
folder.  A predicted address is right if the label of its field has it.  Writes benchmarks/results/code-links.json,
where the first score ever taken stays beside the last.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402
from paperlab.library import code_links  # noqa: E402

LABELS = ROOT / "benchmarks" / "labels" / "code_links.jsonl"
BAR = "repository and owner links: precision >= 0.97, recall >= 0.95"

Case = tuple[str, str]
Links = dict[str, tuple[str, str]]  # address -> kind, role


def main() -> None:
    parser = argparse.ArgumentParser(description="Precision and recall of the code links.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder with the texts")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--errors", action="store_true", help="print what was missed and what was wrong")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    labelled = labels()
    texts = read_texts(arguments.data / "arxiv" / "papers" / "code_link_cases.jsonl.gz", labelled)
    started = time.process_time()
    predicted = {case: links(code_links.extract(text)) for case, text in texts.items()}
    seconds = time.process_time() - started
    measured = score(labelled, predicted) | {"cases": len(labelled), "cpu_s": round(seconds, 4)}
    if arguments.errors:
        show_errors(labelled, predicted)
    if not arguments.dry:
        keep(arguments.out, measured)
    print(json.dumps(measured, indent=2))


def labels() -> dict[Case, Links]:
    rows = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {
        (row["id"], row["field"]): {link["url"]: (link["kind"], link["role"]) for link in row["links"]} for row in rows
    }


def read_texts(path: Path, wanted: Iterable[Case]) -> dict[Case, str]:
    """The text of each labelled field; every one must be there."""
    texts: dict[Case, str] = {}
    needed = set(wanted)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if (case := (row["id"], row["field"])) in needed:
                texts[case] = row["text"]
    if missing := needed - texts.keys():
        raise SystemExit(f"{path} lacks {len(missing)} of the labelled fields, {sorted(missing)[0]} for one")
    return texts


def links(found: Iterable[code_links.Found]) -> Links:
    return {url: (kind.value, role.value) for url, kind, role in found}


def score(labelled: Mapping[Case, Links], predicted: Mapping[Case, Links]) -> dict[str, Any]:
    """Rates over all links and over repository and owner links; kind and role where the address is right."""
    both = [
        (labelled[case][url], predicted[case][url])
        for case in labelled
        for url in labelled[case].keys() & predicted[case]
    ]
    return {
        "all_links": rates(labelled, predicted, ("repository", "owner", "page", "archive")),
        "repository_and_owner": rates(labelled, predicted, ("repository", "owner")),
        "kind_right": f"{sum(label[0] == own[0] for label, own in both)} of {len(both)}",
        "role_right": f"{sum(label[1] == own[1] for label, own in both)} of {len(both)}",
        "wholly_right_cases": sum(labelled[case] == predicted[case] for case in labelled),
    }


def rates(labelled: Mapping[Case, Links], predicted: Mapping[Case, Links], kinds: tuple[str, ...]) -> dict[str, Any]:
    """Precision over the predicted links of these kinds, recall over the labelled ones."""
    said = [(case, url) for case, found in predicted.items() for url, (kind, _) in found.items() if kind in kinds]
    meant = [(case, url) for case, found in labelled.items() for url, (kind, _) in found.items() if kind in kinds]
    right = sum(url in labelled[case] for case, url in said)
    found = sum(url in predicted[case] for case, url in meant)
    return {
        "predicted": len(said),
        "predicted_and_right": right,
        "labelled": len(meant),
        "labelled_and_found": found,
        "precision": round(right / len(said), 4),
        "recall": round(found / len(meant), 4),
    }


def show_errors(labelled: Mapping[Case, Links], predicted: Mapping[Case, Links]) -> None:
    for case, wanted in labelled.items():
        for url in wanted.keys() - predicted[case].keys():
            print("missed", *case, url, *wanted[url])
        for url in predicted[case].keys() - wanted.keys():
            print("wrong ", *case, url, *predicted[case][url])
        for url in wanted.keys() & predicted[case].keys():
            if wanted[url] != predicted[case][url]:
                print("other ", *case, url, *wanted[url], "->", *predicted[case][url])


def keep(folder: Path, measured: dict[str, Any]) -> None:
    """The last score beside the first, which is never written over."""
    path = folder / "code-links.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    first = before.get("first_score") or {**measured, "commit": record.commit()}
    record.write(folder, "code-links", BAR, {"first_score": first, "last_score": measured})


if __name__ == "__main__":
    main()
