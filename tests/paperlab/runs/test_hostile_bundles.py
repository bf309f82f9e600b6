"""Bundles and directories that mean harm: refused, nothing written outside, nothing left behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperlab.errors import InvalidInput, PaperlabError
from paperlab.runs import archive, bundle, changes, importer, verify
from paperlab.runs.importer import Outcome
from paperlab.runs.snapshot import Checkpoints
from reproductions import registry
from reproductions.run_directory import RunDirectory
from tests.paperlab.runs import whole_runs

Files = dict[str, bytes]


@pytest.fixture(autouse=True, scope="module")
def unsynced() -> Iterator[None]:
    """Thousands of files that nobody keeps need not reach the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, which the tests read and never change."""
    return whole_runs.finished(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="module")
def honest(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("honest") / "run.tar"
    bundle.write(origin, path, Checkpoints.ALL)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Brings in a source that must be refused; returns why.  Afterwards nothing is anywhere that was not there."""
    (tmp_path / "home" / "runs").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()

    def bring(source: Path) -> str:
        before = names(tmp_path) | {"home/runs/.lock"}
        try:
            (run,) = importer.bring(source, tmp_path / "home" / "runs")
        except InvalidInput as error:
            why = error.message
        else:
            assert run.outcome is None, f"it came in: {run}"
            why = run.why
        assert names(tmp_path) | {"home/runs/.lock"} == before
        assert why.isprintable()
        assert len(why) < 400
        return why

    return bring


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def packed(files: Files, run_id: str, promises: Mapping[str, Any] | None = None) -> bytes:
    """A bundle of these files as its writer would make it; `promises` replaces entries of its manifest by name."""
    entries = {
        name: bundle.Entry(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    entries.update(promises or {})
    document = bundle.Manifest(run_id, tuple(entries[name] for name in sorted(entries))).document()
    out = io.BytesIO()
    archive.write_member(out, run_id, archive.MANIFEST, len(document), [document])
    for name in sorted(files):
        archive.write_member(out, run_id, name, len(files[name]), [files[name]])
    archive.write_end(out)
    return out.getvalue()


def file_of(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "run.tar"
    path.write_bytes(content)
    return path


PICKLE = pickle.dumps(print)


@pytest.mark.parametrize(
    "name",
    [
        "../outside/x", "/tmp/outside", "checkpoints/../../x", "artifacts/../run.json", "./run.json", "RUN.JSON",
        "run.json ", "rün.json", "run\u2024json", "run.json\n", "a\\..\\b", "C:x", "checkpoints/step-000005",
        "checkpoints/step-5/model.pt", "checkpoints/step-000005/model.pt", "checkpoints/step-000005/pytorch_model.bin",
        "artifacts/0123456789abcdef.pkl", "artifacts/0123456789abcdef.pt", "artifacts/plot.png", "model.pkl",
        ".lock", "manifest.json", "notes.txt", "x" * 100, "",
    ],
)  # fmt: skip
def test_a_name_that_no_run_has_is_refused(tmp_path: Path, origin: Path, refused: Any, name: str) -> None:
    files = whole_runs.content(origin)
    encoded = name.encode("ascii", "replace").decode()
    content = packed({**files, encoded: PICKLE}, origin.name)
    if encoded != name:  # a header can't hold it: the manifest can
        content = packed(files, origin.name, {name: bundle.Entry(name, 1, "0" * 64)})
    why = refused(file_of(tmp_path, content))
    assert "no file of a run" in why or "not as we write one" in why or "name twice" in why or "beside" in why


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE,
             tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, b"\0", b"7"]
)  # fmt: skip
def test_links_devices_and_extensions_are_refused(tmp_path: Path, honest: bytes, refused: Any, kind: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(honest)) as read:
        at = next(member for member in read if member.name.endswith("run.json")).offset
    block = bytearray(honest[at : at + 512])
    block[156:157] = kind
    block[157:170] = b"/etc/passwd\0\0"
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    why = refused(file_of(tmp_path, honest[:at] + bytes(block) + honest[at + 512 :]))
    assert "promises" in why


def test_other_archives_and_bombs_are_refused_unread(tmp_path: Path, refused: Any) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("run.json", b"\0" * 10_000_000)
    assert "a zip file" in refused(file_of(tmp_path, bomb.getvalue()))
    assert "compressed" in refused(file_of(tmp_path, gzip.compress(b"\0" * 10_000_000)))
    assert "a pickle" in refused(file_of(tmp_path, PICKLE))
    for content in (b"", b"\0" * 10240, b"{}", os.urandom(4096)):
        assert "it is no bundle" in refused(file_of(tmp_path, content))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as other:
        other.addfile(tarfile.TarInfo("20261124-093001-a-smoke-7f3a/run.json"))
    assert "does not begin with a manifest" in refused(file_of(tmp_path, plain.getvalue()))


def test_sizes_that_lie_are_refused(tmp_path: Path, origin: Path, honest: bytes, refused: Any) -> None:
    files = whole_runs.content(origin)
    size, digest = len(files["metrics.jsonl"]), hashlib.sha256(files["metrics.jsonl"]).hexdigest()
    for lie in (0, size - 1, size + 1, 8**11 - 1, 10**30):
        promises = {"metrics.jsonl": bundle.Entry("metrics.jsonl", lie, digest)}
        assert refused(file_of(tmp_path, packed(files, origin.name, promises)))
    for change in (honest[:-512], honest[:-1], honest + b"\0" * 512, honest + b"more", honest[:5000]):
        assert refused(file_of(tmp_path, change))
    huge = {"result.json": b" " * (17 * 2**20)}
    assert "at most" in refused(file_of(tmp_path, packed({**files, **huge}, origin.name)))


def test_wrong_hashes_are_refused(tmp_path: Path, origin: Path, honest: bytes, refused: Any) -> None:
    files = whole_runs.content(origin)
    wrong = {"run.json": bundle.Entry("run.json", len(files["run.json"]), "0" * 64)}
    assert "not the hash" in refused(file_of(tmp_path, packed(files, origin.name, wrong)))
    at = honest.index(b'"value": 9.0')
    assert "not the hash" in refused(file_of(tmp_path, honest[:at] + b'"value": 8.0' + honest[at + 12 :]))
    artifact = next(name for name in files if name.startswith("artifacts/"))
    forged = packed({**unfinished(origin), artifact: b"<other/>"}, origin.name)
    assert "named after another content" in refused(file_of(tmp_path, forged))
    tensors = {"checkpoints/step-000010/model.safetensors": (3).to_bytes(8, "little") + b"{} "}
    assert "is not what its state.json says" in refused(file_of(tmp_path, packed({**files, **tensors}, origin.name)))
    points = {"metrics.jsonl": files["metrics.jsonl"].replace(b"9.0", b"8.0")}
    assert "is not what result.json says" in refused(file_of(tmp_path, packed({**files, **points}, origin.name)))


def unfinished(origin: Path, **changes: bytes) -> Files:
    """The files of the run before its end, some replaced: there is no result that has their hashes."""
    files = {name: content for name, content in whole_runs.content(origin).items() if name != "result.json"}
    return files | {name.replace("__", "."): content for name, content in changes.items()}


def run_json(origin: Path, **changes: Any) -> bytes:
    return json.dumps({**json.loads((origin / "run.json").read_bytes()), **changes}).encode()


DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000


def test_forged_content_is_refused(tmp_path: Path, origin: Path, refused: Any) -> None:
    point = b'{"step": 11, "time": 1.0, "name": "val/loss", "value": %s}\n'
    result = {"step": 10, "measurements": [{"metric": "bleu", "value": 1.0}]}
    pickled = {"checkpoints/step-000010/model.safetensors": PICKLE.ljust(64, b".")}
    cases: list[Files] = [
        unfinished(origin, run__json=b"{"),
        unfinished(origin, run__json=b"[]"),
        unfinished(origin, run__json=PICKLE),
        unfinished(origin, run__json=DEEP),
        unfinished(origin, run__json=run_json(origin, id="20261124-093001-other-smoke-7f3a")),
        unfinished(origin, run__json=run_json(origin, recipe="other")),
        unfinished(origin, run__json=run_json(origin, recipe="../../x")),
        unfinished(origin, run__json=run_json(origin, format=99)),
        unfinished(origin, run__json=run_json(origin, seed="1")),
        unfinished(origin, run__json=run_json(origin, seed=10**30)),
        unfinished(origin, run__json=run_json(origin, created_at="yesterday")),
        unfinished(origin, run__json=run_json(origin, fingerprint="\x1b[2J")),
        unfinished(origin, run__json=run_json(origin, overrides={"optim.lr": "\x1b[31m"})),
        unfinished(origin, run__json=run_json(origin, overrides={"x" * 100_000: "1"})),
        unfinished(origin, run__json=run_json(origin, command=["x" * 100_000])),
        unfinished(origin, run__json=run_json(origin, command=["\x07"])),
        unfinished(origin, run__json=run_json(origin, provenance={"a": float("nan")})),
        unfinished(origin, metrics__jsonl=point % b"NaN"),
        unfinished(origin, metrics__jsonl=point % b"1e999"),
        unfinished(origin, metrics__jsonl=point % (b"9" * 4000)),
        unfinished(origin, metrics__jsonl=point % b'"1"'),
        unfinished(origin, metrics__jsonl=point % DEEP),
        unfinished(origin, metrics__jsonl=(point % b"1").replace(b"val", b"\\u001b")),
        unfinished(origin, metrics__jsonl=(point % b"1").replace(b"val", b"v" * 100_000)),
        unfinished(origin, metrics__jsonl=(point % b"1").replace(b"11", b"-1")),
        unfinished(origin, metrics__jsonl=b"garbage\n" * 100),
        unfinished(origin, metrics__jsonl=b"x" * 2**21),
        unfinished(origin, samples__jsonl=b'{"step": 1, "time": 1, "output": %s}\n' % DEEP),
        unfinished(origin, samples__jsonl=b'{"step": 1, "time": 1, "output": 7}\n'),
        unfinished(origin, events__jsonl=b'{"event": "\\u001b[2J", "time": 1}\n'),
        unfinished(origin, events__jsonl=b'{"event": "resumed", "time": 1, "from_step": 1e300}\n'),
        unfinished(origin, events__jsonl=b'{"time": 1}\n'),
        unfinished(origin, heartbeat=b'{"time": "now"}'),
        unfinished(origin, result__json=json.dumps({**result, "step": -1}).encode()),
        unfinished(origin, result__json=b'{"step": 10, "measurements": [{"metric": "bleu", "value": NaN}]}'),
        unfinished(origin, result__json=b'{"step": 10, "measurements": [{"metric": "bleu", "value": 1e400}]}'),
        unfinished(origin, result__json=b'{"step": 10, "measurements": [{"metric": "b\\u0007", "value": 1}]}'),
        unfinished(origin, result__json=b'{"step": 10}'),
        {**unfinished(origin), **pickled},
        {**unfinished(origin), "artifacts/0123456789abcdef.diff": b"another content"},
        {name: content for name, content in unfinished(origin).items() if not name.endswith("5/state.json")},
        {name: content for name, content in unfinished(origin).items() if name != "run.json"},
    ]
    for files in cases:
        assert refused(file_of(tmp_path, packed(files, origin.name)))


def test_the_files_that_the_forgeries_change_come_in_unchanged(tmp_path: Path, origin: Path) -> None:
    result = b'{"step": 10, "measurements": [{"metric": "bleu", "value": 1}]}'
    files = unfinished(origin, result__json=result, run__json=run_json(origin, command=["x" * 1000]))
    (run,) = importer.bring(file_of(tmp_path, packed(files, origin.name)), tmp_path / "runs")
    assert run.outcome is Outcome.NEW, run.why


def test_a_long_sample_with_control_characters_is_only_text(tmp_path: Path, origin: Path) -> None:
    line = {"step": 1, "time": 1.0, "source": "\x1b[2J", "output": "a" * 100_000, "reference": None, "decoding": {}}
    files = unfinished(origin, samples__jsonl=json.dumps(line).encode() + b"\n")
    (run,) = importer.bring(file_of(tmp_path, packed(files, origin.name)), tmp_path / "runs")
    assert run.outcome is Outcome.NEW


@pytest.mark.parametrize("run_id", ["../../x", "/etc/x", "x", "20261124-093001-a-smoke-7f3a/..", "a" * 155, "..", ""])
def test_the_name_of_a_run_can_t_lead_elsewhere(tmp_path: Path, origin: Path, refused: Any, run_id: str) -> None:
    assert refused(file_of(tmp_path, packed(unfinished(origin), run_id)))


def test_a_manifest_is_what_we_write_or_nothing(tmp_path: Path, origin: Path, refused: Any) -> None:
    files = unfinished(origin)
    good = packed(files, origin.name)
    size = int(good[124:135], 8)
    content = json.loads(good[512 : 512 + size])
    first = content["files"][0]
    for manifest in (
        DEEP,
        b"[]",
        b'{"format": 1}',
        json.dumps({**content, "more": 1}).encode(),
        json.dumps({**content, "format": 2}).encode(),
        json.dumps({**content, "format": 10**40}).encode(),
        json.dumps({**content, "run": "20261124-093009-a-smoke-7f3a"}, indent=1).encode() + b"\n",
        json.dumps({**content, "files": [first, *content["files"]]}, indent=1).encode() + b"\n",
        json.dumps({**content, "files": content["files"][::-1]}, indent=1).encode() + b"\n",
        json.dumps({**content, "files": [{**first, "bytes": -1}]}, indent=1).encode() + b"\n",
        json.dumps({**content, "files": [{**first, "bytes": 1.0}]}, indent=1).encode() + b"\n",
        json.dumps(content, indent=1).replace('"run"', '"run": "x",\n "run"', 1).encode() + b"\n",
    ):
        head = archive.header(origin.name, archive.MANIFEST, len(manifest)) + manifest + b"\0" * (-len(manifest) % 512)
        assert refused(file_of(tmp_path, head + good[512 + -(-size // 512) * 512 :]))


def test_links_pipes_and_devices_in_a_directory_are_refused(tmp_path: Path, origin: Path, refused: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"step": 1, "time": 1, "name": "secret", "value": 1}\n')
    (tmp_path / "elsewhere").mkdir()

    def copy() -> Path:
        folder = tmp_path / "source" / origin.name
        for name, content in unfinished(origin).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_bytes(content)
        return folder

    for name in ("metrics.jsonl", "run.json", "checkpoints/step-000005/model.safetensors"):
        folder = copy()
        (folder / name).unlink()
        (folder / name).symlink_to(secret)
        assert "ordinary file" in refused(folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert "ordinary file" in refused(folder)
    folder = copy()
    os.rename(folder / "checkpoints", tmp_path / "elsewhere" / "checkpoints")  # noqa: PTH104
    (folder / "checkpoints").symlink_to(tmp_path / "elsewhere" / "checkpoints")
    assert "is not a folder" in refused(folder)
    assert refused(Path("/dev/zero"))


def test_what_is_no_part_of_a_run_stays_outside(tmp_path: Path, origin: Path) -> None:
    folder = tmp_path / "source" / origin.name
    for name, content in {**whole_runs.content(origin), "model.pkl": PICKLE, "artifacts/x.pt": PICKLE}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    importer.bring(folder, tmp_path / "runs")
    assert whole_runs.content(tmp_path / "runs" / origin.name) == whole_runs.content(origin)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_bundle_is_refused_or_comes_in_whole(
    tmp_path_factory: pytest.TempPathFactory, origin: Path, honest: bytes, data: st.DataObject
) -> None:
    """Bytes changed, cut out, put in, or the end cut off: only our own errors, and never a part."""
    content = bytearray(honest)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)) | st.sampled_from([0, 124, 156, 257, 345, 512, 600]))
        kind = data.draw(st.sampled_from(["change", "cut", "insert", "end", "double"]))
        if kind == "change":
            content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "cut":
            del content[at : at + data.draw(st.sampled_from([1, 7, 512, 1024]))]
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=512))
        elif kind == "end":
            del content[max(at, 1) :]
        else:
            content[at:at] = content[at : at + 512]
    folder = tmp_path_factory.mktemp("mutated")
    path = folder / "run.tar"
    path.write_bytes(content)
    try:
        (run,) = importer.bring(path, folder / "runs")
    except PaperlabError:
        run = None
    left = names(folder) - {"run.tar", "runs", "runs/.lock"}
    if run is not None and run.outcome is Outcome.NEW:
        assert bytes(content) == honest
    else:
        assert left == set()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**18, "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_run_it_is_refused_or_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, origin: Path, data: st.DataObject
) -> None:
    """Hashes are right and content is anything: what comes in can be indexed and verified without an error of ours."""
    files = unfinished(
        origin, result__json=b'{"step": 10, "seconds": 1, "measurements": [{"metric": "bleu", "value": 1}]}'
    )
    name = data.draw(st.sampled_from(["run.json", "result.json", "events.jsonl", "metrics.jsonl", "samples.jsonl"]))
    first, newline, rest = files[name].partition(b"\n") if name.endswith("l") else (files[name], b"", b"")
    value = json.loads(first)
    key = data.draw(st.sampled_from(sorted(value)) | st.text(max_size=9))
    if data.draw(st.booleans()):
        value[key] = data.draw(JSON_VALUES)
    else:
        value.pop(key, None)
    files[name] = json.dumps(value).encode() + newline + rest
    folder = tmp_path_factory.mktemp("forged")
    (run,) = importer.bring(file_of(folder, packed(files, origin.name)), folder / "runs")
    if run.outcome is None:
        assert names(folder / "runs") == {".lock"}
        return
    brought = folder / "runs" / origin.name
    changes.read(RunDirectory(brought), {})
    with pytest.MonkeyPatch.context() as patch:  # taking the fingerprint of our code takes half a second
        patch.setattr(registry, "fingerprint", lambda *_, **__: "f" * 64)
        verify.verify(brought, data_home=folder)


def test_every_beginning_of_a_bundle_is_refused(tmp_path: Path, honest: bytes, refused: Any) -> None:
    for end in {*range(0, len(honest), 1499), len(honest) - 1}:
        assert refused(file_of(tmp_path, honest[:end]))
