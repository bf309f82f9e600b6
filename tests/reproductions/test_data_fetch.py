"""Fetching: mirror first, hash checked or pinned, retried, gone on with, and never half there."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reproductions.data.manifest import File, fetch
from reproductions.registry import NotReady, TryAgain

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves ``files`` by path; ``faults`` are answered first: a status, or the bytes after which to hang up."""

    def __init__(self):
        self.files, self.faults, self.asked = {"/data/x.bin": CONTENT}, [], []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.path, self.headers.get("Range")))
                fault = server.faults.pop(0) if server.faults else None
                content = server.files.get(self.path)
                if content is None or (isinstance(fault, tuple) and fault[0] == "status"):
                    self.send_response(404 if content is None else fault[1])
                    self.end_headers()
                    return
                start = int(self.headers["Range"][len("bytes=") : -1]) if "Range" in self.headers else 0
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start : fault[1] if fault else None])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def naps():
    return []


def file_at(server, sha256=SHA256):
    return File("set/x.bin", f"{server.url}/data/x.bin", sha256)


def test_a_file_is_fetched_once_and_kept_by_its_hash(server, tmp_path):
    fetched = fetch(file_at(server), tmp_path)
    assert fetched.path == tmp_path / "files" / SHA256
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.provenance() == {
        "sha256": SHA256,
        "url": f"{server.url}/data/x.bin",
        "bytes": len(CONTENT),
        "pinned": False,
    }
    assert fetch(file_at(server), tmp_path) == fetched
    assert len(server.asked) == 1


def test_a_mirror_folder_comes_before_the_network(server, tmp_path):
    (tmp_path / "mirror" / "set").mkdir(parents=True)
    (tmp_path / "mirror" / "set" / "x.bin").write_bytes(CONTENT)
    assert fetch(file_at(server), tmp_path / "home", mirror=str(tmp_path / "mirror")).sha256 == SHA256
    assert server.asked == []


def test_a_mirror_that_lacks_the_file_is_passed_over(server, tmp_path):
    assert fetch(file_at(server), tmp_path / "one", mirror=str(tmp_path)).sha256 == SHA256
    assert fetch(file_at(server), tmp_path / "two", mirror=f"{server.url}/mirror").sha256 == SHA256
    assert [path for path, _ in server.asked] == ["/data/x.bin", "/mirror/set/x.bin", "/data/x.bin"]


def test_a_mirror_may_be_a_url(server, tmp_path):
    server.files["/mirror/set/x.bin"] = CONTENT
    fetch(file_at(server), tmp_path, mirror=f"{server.url}/mirror/")
    assert [path for path, _ in server.asked] == ["/mirror/set/x.bin"]


def test_a_wrong_hash_is_refused_and_nothing_of_it_kept(server, tmp_path):
    with pytest.raises(NotReady, match=r"x.bin has sha256 .* but the manifest says 0000"):
        fetch(file_at(server, "0" * 64), tmp_path)
    assert [path.name for path in (tmp_path / "files").iterdir() if path.suffix != ".lock"] == []


def test_an_unknown_hash_is_pinned_and_held_from_then_on(server, tmp_path):
    first = fetch(file_at(server, None), tmp_path)
    assert (first.sha256, first.pinned) == (SHA256, True)
    assert fetch(file_at(server, None), tmp_path).path == first.path
    first.path.unlink()
    server.files["/data/x.bin"] = CONTENT + b"changed upstream"
    with pytest.raises(NotReady, match="but the first download had"):
        fetch(file_at(server, None), tmp_path)


def test_a_damaged_cache_is_noticed(server, tmp_path):
    fetched = fetch(file_at(server), tmp_path)
    fetched.path.write_bytes(b"rotten")
    assert fetch(file_at(server), tmp_path).path.read_bytes() == CONTENT


def test_a_connection_that_breaks_is_gone_on_with(server, tmp_path, naps):
    server.faults = [("cut", 1000), ("status", 503), None]
    assert fetch(file_at(server), tmp_path, sleep=naps.append).path.read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=1000-", "bytes=1000-"]
    assert naps == [2.0, 4.0]


def test_an_interrupted_fetch_is_gone_on_with_by_the_next(server, tmp_path, naps):
    server.faults = [("cut", 1000)] + [("status", 500)] * 4
    with pytest.raises(TryAgain, match="5 times"):
        fetch(file_at(server), tmp_path, sleep=naps.append)
    server.asked.clear()
    assert fetch(file_at(server), tmp_path).path.read_bytes() == CONTENT
    assert server.asked == [("/data/x.bin", "bytes=1000-")]


def test_a_file_that_is_nowhere_is_said_at_once(server, tmp_path, naps):
    with pytest.raises(NotReady, match="HTTP 404") as caught:
        fetch(File("y", f"{server.url}/y"), tmp_path, sleep=naps.append)
    assert "PAPERLAB_DATA_MIRROR" in caught.value.hint
    assert naps == []


def test_a_home_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(NotReady, match="cannot be stored"):
        fetch(file_at(server), tmp_path / "home")
