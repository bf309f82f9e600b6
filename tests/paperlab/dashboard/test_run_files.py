"""Pictures that a run kept are shown; what only looks like one is named and no more."""

from __future__ import annotations

from paperlab.dashboard import run_files
from reproductions.run_directory import Recorder
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_views import said

RUN = "20261123-093001-transformer-base-smoke-dddd"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf50000002810180b9b8d0e60000000049454e44ae426082"
)


def test_attention_maps_and_other_files_are_shown(view, tmp_path):
    filled.fill(tmp_path, n_papers=2)
    with filled.begin(tmp_path / "runs", RUN) as recorder:
        filled.learn(recorder, range(1, 4))
        recorder.artifact(
            "attention <b>map</b>.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
        )
        recorder.artifact("notes.txt", b"hello")
        recorder.event("finished")
        recorder.result([filled.measurement()], seconds=9.0)
    page = view("run", tmp_path, id=RUN)
    assert not page.exception
    assert "attention <b>map</b>.svg" in said(page)
    assert "notes.txt" in said(page)
    assert "shown 1 of 1 picture, 2 of 2 files" in said(page)
    (picture,) = [image for shown in page.get("image") for image in shown.proto.imgs]
    assert picture.url.startswith("data:image/svg+xml")  # an <img>, in which no script runs
    assert not [element for element in page.get("html") if "<script>" in element.proto.body]


def test_only_pictures_inside_the_run_are_opened(tmp_path):
    run = tmp_path / "run"
    (run / "artifacts").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(PNG)
    (run / "artifacts" / "link.png").symlink_to(tmp_path / "secret.png")
    (run / "artifacts" / "good.png").write_bytes(PNG)
    (run / "artifacts" / "page.svg").write_bytes(b"<html><svg></svg></html>")
    opened = [
        run_files._picture(run, {"file": name}) is not None
        for name in ("artifacts/good.png", "artifacts/link.png", "../secret.png", "artifacts/page.svg", "artifacts/no")
    ]
    assert opened == [True, False, False, False, False]


def test_a_damaged_directory_has_no_artifacts(tmp_path):
    run_files.artifacts(tmp_path / "nothing")
    (tmp_path / "run").mkdir()
    with Recorder(tmp_path / "run") as recorder:
        recorder.event("artifact", name="x")
    run_files.artifacts(tmp_path / "run")


def test_attention_maps_stand_with_the_samples_of_their_step(view, tmp_path):
    filled.fill(tmp_path, n_papers=2)
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><text>{}</text></svg>'
    with filled.begin(tmp_path / "runs", RUN) as recorder:
        filled.learn(recorder, range(1, 4))
        for step in (2, 3):
            recorder.sample(
                step=step,
                source="ein <b>Hund</b>",
                output=f"a dog {step}",
                reference=None,
                decoding={},
                artifacts={"attention.svg": drawing.format(step).encode()},
            )
        recorder.event("finished")
        recorder.result([filled.measurement()], seconds=9.0, peak_memory_bytes=1_500_000_000)
    page = view("run", tmp_path, id=RUN)
    assert [header.value for header in page.subheader] == ["Attention maps"]
    (picture,) = [image for shown in page.get("image") for image in shown.proto.imgs]
    assert picture.caption.replace("\\", "") == "ein <b>Hund</b> → a dog 3"
    assert "shown 1 of 1 picture of this step's samples" in said(page)
    assert "Artifacts" not in [header.value for header in page.header], "they are not shown twice"
    assert "peak memory 1.5 GB" in said(page)
    earlier = view("run", tmp_path, id=RUN, step="2")
    (picture,) = [image for shown in earlier.get("image") for image in shown.proto.imgs]
    assert picture.caption.endswith("a dog 2")
