"""Downloading published weights from a local server that stands in for the hub.

huggingface_hub reads its environment at import, so each download runs in a process of its own.
"""

import hashlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from backbones.errors import ConfigError
from backbones.hub import PUBLISHED, download

ROOT = Path(__file__).parents[2]
NAME = "davit_nano_test"
REPOSITORY = f"birder-project/{NAME}"
URL_PATH = f"/{REPOSITORY}/resolve/main/{NAME}.pt"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MEGABYTE = 1_000_000

PROGRAM = """
import json, sys
from backbones import hub
from backbones.errors import HoopoeError
name, sha256 = sys.argv[1:]
hub.STALL_S = 3.0
hub.PUBLISHED[name] = hub.PublishedWeights(name, network="davit_nano", sha256=sha256, megabytes=26.0)
try:
    print(json.dumps({"path": str(hub.download(name))}))
except HoopoeError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


@dataclass
class Hub:
    """Serves one file as the hub does, and notes what was asked for.

    `cut_after` and `reset_after` break the first transfer after that many bytes: by closing the connection in the
    orderly way, or by resetting it.
    """

    body: bytes = b"weights"
    cut_after: int | None = None
    reset_after: int | None = None
    etag: str | None = None
    commit: str = COMMIT
    endless: bool = False
    stalls: bool = False
    port: int = 0
    ranges: list[str | None] = field(default_factory=list)
    released: Event = field(default_factory=Event)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        if self.path != URL_PATH:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        hub, start = self.hub, 0
        if (wanted := self.headers.get("Range")) is not None:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(hub.body) - 1}/{len(hub.body)}")
        etag = hub.etag or hashlib.sha256(hub.body).hexdigest()
        for header, value in {
            "ETag": f'"{etag}"',
            "X-Linked-Etag": f'"{etag}"',
            "X-Linked-Size": len(hub.body),
            "X-Repo-Commit": hub.commit,
            "Accept-Ranges": "bytes",
            "Content-Length": len(hub.body) - start,
        }.items():
            if hub.endless and header in ("Content-Length", "X-Linked-Size"):
                continue
            self.send_header(header, str(value))
        self.end_headers()
        if with_body:
            self._send(start, wanted)

    def _send(self, start: int, wanted: str | None) -> None:
        hub = self.hub
        hub.ranges.append(wanted)
        if hub.stalls:
            hub.released.wait()
            return
        while hub.endless:
            self.wfile.write(bytes(MEGABYTE))
        broken_after = (hub.cut_after or hub.reset_after) if len(hub.ranges) == 1 else None
        self.wfile.write(hub.body[start:broken_after])
        if broken_after is not None and hub.reset_after is not None:
            no_linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            self.connection.detach() if os.name == "nt" else os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.handle_error = lambda *_: None  # connections broken on purpose
    hub.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield hub
    hub.endless = False
    hub.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def run_download(home: Path, endpoint: str, body: bytes, name: str = NAME, **environment: str) -> dict[str, str]:
    """Call `download(name)` in a new process, where the registry expects `body`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE_"))}
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "*", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, hashlib.sha256(body).hexdigest()],
        env=inherited | settings | environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def closed_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def assert_says_what_to_do(message: str, home: Path, endpoint: str) -> None:
    assert f"{endpoint}{URL_PATH}" in message
    assert REPOSITORY in message
    assert "26.0 MB" in message
    assert str(home / "hub" / f"{NAME}.pt") in message


def test_a_download_lands_in_the_hub_cache_and_later_needs_no_network(
    tmp_path: Path, hub: Hub, closed_endpoint: str
) -> None:
    first = run_download(tmp_path, hub.endpoint, hub.body)
    path = Path(first["path"])
    assert path.read_bytes() == hub.body
    assert path == tmp_path / f"hub/models--birder-project--{NAME}/snapshots/{COMMIT}/{NAME}.pt"
    assert run_download(tmp_path, closed_endpoint, hub.body) == first
    assert run_download(tmp_path, closed_endpoint, hub.body, HF_HUB_OFFLINE="1") == first
    assert len(hub.ranges) == 1


def test_a_download_that_is_cut_goes_on_where_it_stopped(tmp_path: Path, hub: Hub) -> None:
    hub.body = random.Random(0).randbytes(26 * MEGABYTE)
    hub.cut_after = 15 * MEGABYTE
    path = Path(run_download(tmp_path, hub.endpoint, hub.body)["path"])
    assert path.read_bytes() == hub.body
    assert len(hub.ranges) == 2
    assert 0 < int(hub.ranges[1].removeprefix("bytes=").removesuffix("-")) <= hub.cut_after


def test_a_connection_that_is_reset_is_tried_again(tmp_path: Path, hub: Hub) -> None:
    hub.body = random.Random(0).randbytes(MEGABYTE)
    hub.reset_after = MEGABYTE // 2
    path = Path(run_download(tmp_path, hub.endpoint, hub.body)["path"])
    assert path.read_bytes() == hub.body
    assert len(hub.ranges) == 2


@pytest.mark.parametrize(
    ("part", "value"),
    [("etag", "../.."), ("etag", "../../../evil"), ("etag", "a/b"), ("commit", "../../evil"), ("commit", "x" * 300)],
)
def test_headers_that_are_no_hashes_make_no_paths(tmp_path: Path, hub: Hub, part: str, value: str) -> None:
    home = tmp_path / "a" / "b" / "c" / "home"
    setattr(hub, part, value)
    answer = run_download(home, hub.endpoint, hub.body)
    assert answer["error"] == "DownloadError"
    assert "no hash" in answer["message"]
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and home not in path.parents]
    assert not outside
    assert hub.body not in [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("fault", "said"), [("endless", "sends more than"), ("stalls", "has sent nothing for")])
def test_a_sick_server_is_given_up_in_words(tmp_path: Path, hub: Hub, fault: str, said: str) -> None:
    setattr(hub, fault, True)
    answer = run_download(tmp_path, hub.endpoint, hub.body)
    assert answer["error"] == "DownloadError"
    assert said in answer["message"]


def test_a_file_with_another_hash_is_refused_and_kept(tmp_path: Path, hub: Hub, closed_endpoint: str) -> None:
    for endpoint in (hub.endpoint, closed_endpoint):
        answer = run_download(tmp_path, endpoint, b"what was published")
        assert answer["error"] == "DownloadError"
        assert hashlib.sha256(hub.body).hexdigest() in answer["message"]
        assert hashlib.sha256(b"what was published").hexdigest() in answer["message"]
    kept = tmp_path / f"hub/models--birder-project--{NAME}/snapshots/{COMMIT}/{NAME}.pt"
    assert str(kept) in answer["message"]
    assert kept.read_bytes() == hub.body


def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(
    tmp_path: Path, closed_endpoint: str
) -> None:
    answer = run_download(tmp_path, closed_endpoint, b"weights")
    assert answer["error"] == "DownloadError"
    assert_says_what_to_do(answer["message"], tmp_path, closed_endpoint)


def test_in_offline_mode_the_error_says_what_to_fetch_and_where_to_put_it(tmp_path: Path, hub: Hub) -> None:
    answer = run_download(tmp_path, hub.endpoint, hub.body, HF_HUB_OFFLINE="1")
    assert answer["error"] == "DownloadError"
    assert "HF_HUB_OFFLINE" in answer["message"]
    assert_says_what_to_do(answer["message"], tmp_path, hub.endpoint)
    assert hub.ranges == []


def test_a_file_that_the_hub_does_not_have_is_named(tmp_path: Path, hub: Hub) -> None:
    answer = run_download(tmp_path, hub.endpoint, hub.body, name="biformer_nano_test")
    assert answer["error"] == "DownloadError"
    assert "404" in answer["message"]
    assert "biformer_nano_test.pt" in answer["message"]


def test_a_file_put_into_the_cache_folder_by_hand_is_used(tmp_path: Path, closed_endpoint: str) -> None:
    placed = tmp_path / "hub" / f"{NAME}.pt"
    placed.parent.mkdir()
    placed.write_bytes(b"weights")
    assert run_download(tmp_path, closed_endpoint, b"weights") == {"path": str(placed)}


def test_a_damaged_file_put_into_the_cache_folder_by_hand_is_refused_and_kept(
    tmp_path: Path, closed_endpoint: str
) -> None:
    placed = tmp_path / "hub" / f"{NAME}.pt"
    placed.parent.mkdir()
    placed.write_bytes(b"weig")
    answer = run_download(tmp_path, closed_endpoint, b"weights")
    assert answer["error"] == "DownloadError"
    assert str(placed) in answer["message"]
    assert placed.read_bytes() == b"weig"


def test_an_unknown_name_names_the_nearest_published_one() -> None:
    with pytest.raises(ConfigError, match="davit_tiny_il-all"):
        download("davit_tiny")


def test_every_published_hash_is_a_sha256() -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", weights.sha256) for weights in PUBLISHED.values())
