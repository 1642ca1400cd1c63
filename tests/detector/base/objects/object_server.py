"""A server of S3's on loopback, which fails, throttles and cuts a share of the requests if it is told to."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detector.base.objects.address import Address
from detector.base.objects.fetching import fetch
from detector.base.objects.listing import list_objects
from detector.base.objects.service import filesystem

BUCKET = "bucket"
_FAULTS = {
    "fails": ("500 Internal Server Error", "InternalError"),
    "throttles": ("503 Slow Down", "SlowDown"),
}


class Faults:
    """A WSGI application before another: of every so many requests one fails, is throttled, or is cut off.

    Args:
        app: The other.
        share: Of the requests, 0..1.
        seed: Which of them; their order is the client's.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], share: float, seed: int = 0) -> None:
        self.app, self.share = app, share
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.seen: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.lock:
            fault = self.random.choice(["fails", "throttles", "cuts"]) if self.random.random() < self.share else "none"
            if fault == "cuts" and environ["REQUEST_METHOD"] != "GET":
                fault = "fails"
            self.seen[fault] += 1
        if fault == "none":
            return self.app(environ, start_response)
        if fault == "cuts":
            return self._half(self.app(environ, start_response))
        status, code = _FAULTS[fault]
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    @staticmethod
    def _half(content: Iterable[bytes]) -> Iterator[bytes]:
        """What begins whole, and ends before its length is reached: the client must not take it for the whole."""
        whole = b"".join(content)
        yield whole[: len(whole) // 2]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, share: float = 0.0) -> Iterator[Faults]:
    """A server with an empty bucket, to which this process and its children talk by the environment."""
    # here, as they take a second that collecting the tests need not
    import boto3
    import s3fs
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    app = Faults(DomainDispatcherApplication(create_backend_app), share)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    filesystem.cache_clear()
    s3fs.S3FileSystem.clear_instance_cache()
    app.share = 0.0
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    app.share = share
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        filesystem.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()


def upload(folder: Path, prefix: str) -> None:
    """Put a folder's files under a prefix of the bucket, past all faults."""
    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3", config=Config(retries={"max_attempts": 20, "mode": "standard"}))
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{path.relative_to(folder).as_posix()}", Body=path.read_bytes())


def bring(address: Address, folder: Path) -> Path:
    """A copy of all that is under an address on the disk."""
    for info in list_objects(address):
        path = folder / info.key.removeprefix(f"{address.key}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch(Address("s3", BUCKET, info.key), path)
    return folder
