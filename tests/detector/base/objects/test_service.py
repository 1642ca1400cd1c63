"""A missing object is told from a sick service, which is asked again, and from one that refuses."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backbones.errors import ConfigError, HoopoeError, MediaError
from detector.base.objects import listing, service
from detector.base.objects.address import Address
from detector.base.objects.errors import AccessError, ObjectMissingError, ServiceError
from detector.base.objects.fetching import local_copy, open_place
from detector.base.objects.holder import Holder
from detector.base.objects.lease import LAPSED_S, Lease
from detector.base.objects.listing import is_prefix, list_level, list_objects
from detector.base.objects.service import asking, delete_object, find, put_object, read_object

WHERE = Address("s3", "b", "x.jpg")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.0)


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    """A question that is answered after so many errors, and how often it was asked."""
    asked: list[int] = []

    def question() -> str:
        asked.append(1)
        if len(asked) <= times:
            raise error
        return "answer"

    return question, asked


@pytest.mark.parametrize(
    "error", [OSError(5, "SlowDown"), TimeoutError(), ConnectionResetError(), RuntimeError("500 InternalError")]
)
def test_a_sick_service_is_asked_again(error: Exception) -> None:
    question, asked = failing(3, error)
    assert asking(WHERE, question) == "answer"
    assert len(asked) == 4


def test_a_service_that_stays_sick_is_an_error_that_is_no_files(tmp_path: Path) -> None:
    question, asked = failing(100, OSError(5, "SlowDown at s3://k:SECRET@b/x"))
    with pytest.raises(ServiceError, match="SlowDown") as caught:
        asking(WHERE, question)
    assert not isinstance(caught.value, MediaError)
    assert len(asked) == service.TRIES
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError("b/x.jpg"), ObjectMissingError),
        (PermissionError("Forbidden"), AccessError),
        (OSError(403, "InvalidObjectState"), ObjectMissingError),
        (FileNotFoundError("The specified bucket does not exist"), ServiceError),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate credentials"), ServiceError),
        (ValueError("ours"), ValueError),
    ],
)
def test_what_asking_again_would_not_change_is_said_at_once(error: Exception, expected: type[Exception]) -> None:
    question, asked = failing(100, error)
    with pytest.raises(expected):
        asking(WHERE, question)
    assert len(asked) == 1


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    service.filesystem.cache_clear()
    with pytest.raises(ConfigError, match=r"needs the package s3fs.*hoopoe\[cloud"):
        service.filesystem("s3")
    service.filesystem.cache_clear()


def test_an_empty_bucket_lists_nothing(bucket: Address) -> None:
    assert list(list_objects(bucket)) == []
    assert not is_prefix(bucket)
    assert find(bucket / "x") is None
    assert not (bucket / "x").exists()


def test_objects_are_put_found_listed_and_removed(bucket: Address) -> None:
    for key in ("b/2.jpg", "a/1.jpg", "a/sub/é\n.jpg", "ab/3.jpg", "a/empty.jpg"):
        put_object(bucket / key, b"" if "empty" in key else key.encode())
    assert [info.key for info in list_objects(bucket / "a")] == ["a/1.jpg", "a/empty.jpg", "a/sub/é\n.jpg"]
    assert [info.key for info in list_level(bucket / "a")] == ["a/1.jpg", "a/empty.jpg"]
    assert len(list(list_objects(bucket))) == 5
    assert (bucket / "a").is_dir()
    assert not (bucket / "a").is_file()
    assert read_object(bucket / "a/1.jpg", 2, 4) == b"1."
    delete_object(bucket / "a/1.jpg")
    delete_object(bucket / "a/1.jpg")
    with pytest.raises(ObjectMissingError):
        read_object(bucket / "a/1.jpg")


def test_a_level_that_leads_to_itself_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Files:
        def ls(self, path: str, detail: bool) -> list[dict[str, object]]:
            photo = {"name": f"{path}/x.jpg", "type": "file", "size": 1}
            return [{"name": path, "type": "directory", "size": 0}, photo]  # as of a//b.jpg

    monkeypatch.setattr(listing, "filesystem", lambda protocol: Files())
    assert [info.key for info in list_objects(Address("gs", "b", "a"))] == ["a/x.jpg"]


def test_a_local_copy_keeps_the_names_that_may_tell_a_time_and_goes_away(bucket: Address) -> None:
    put_object(bucket / "2021-05-17/06-30-15.jpg", b"picture")
    with local_copy(bucket / "2021-05-17/06-30-15.jpg") as path:
        assert path.read_bytes() == b"picture"
        assert path.parts[-2:] == ("2021-05-17", "06-30-15.jpg")
    assert not path.exists()


@pytest.mark.parametrize("key", ["..", "a/../../x.jpg", "./.", "a\n/b:c?.jpg", "x" * 300 + ".jpg"])
def test_no_key_leads_out_of_the_temporary_folder(bucket: Address, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.base.objects.fetching.fetch", lambda address, path, size: path.write_bytes(b"here"))
    monkeypatch.setattr("detector.base.objects.fetching.find", lambda address: None)
    with local_copy(bucket / key) as path:
        assert path.resolve() == path
        assert path.read_bytes() == b"here"
        assert path.parents[1].name.startswith("hoopoe-")


def test_a_path_is_its_own_copy(tmp_path: Path) -> None:
    with local_copy(tmp_path / "nothing") as path:
        assert path == tmp_path / "nothing"


def test_files_are_read_block_by_block(bucket: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.base.objects.fetching.BLOCK_BYTES", 64)
    content = bytes(range(256)) * 5
    put_object(bucket / "x", content)
    with open_place(bucket / "x") as file:
        assert file.read(3) + file.read() == content
    with pytest.raises(ObjectMissingError), open_place(bucket / "y"):
        pass


def test_one_writer_at_a_time(bucket: Address) -> None:
    lease = Lease(bucket / "lease", bucket)
    with pytest.raises(Exception, match="is writing to this store"):
        Lease(bucket / "lease", bucket)
    lease.renew()
    assert lease.is_held()
    lease.release()
    Lease(bucket / "lease", bucket).release()
    assert find(bucket / "lease") is None


def test_a_lease_that_nobody_renews_lapses(bucket: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Lease(bucket / "lease", bucket)
    now = time.time()
    monkeypatch.setattr("detector.base.objects.lease.time.time", lambda: now + LAPSED_S + 1)
    other = Lease(bucket / "lease", bucket)
    assert other.is_held()
    assert not lease.is_held()
    lease.release()  # does not take the other's
    assert other.is_held()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_lease_of_a_process_of_this_machine_that_was_killed_counts_no_longer(bucket: Address) -> None:
    gone = replace(Holder.here(), pid=2**22 + 1)  # above all numbers of processes
    for held in (Holder.here(), replace(gone, host="elsewhere")):
        put_object(bucket / "lease", json.dumps({**held.facts(), "renewed": time.time()}).encode())
        with pytest.raises(HoopoeError, match=f"{held} is writing to this store"):
            Lease(bucket / "lease", bucket)
    put_object(bucket / "lease", json.dumps({**gone.facts(), "renewed": time.time()}).encode())
    assert Lease(bucket / "lease", bucket).is_held()
