"""A store among objects is a store on a disk for as long as it is worked on, and put back whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from backbones.errors import HoopoeError
from detector.base.objects.address import Address
from detector.base.objects.errors import ServiceError
from detector.base.objects.listing import list_objects
from detector.base.objects.service import delete_object, put_object, read_object
from detector.base.stopping import StopRequest
from detector.store import copies
from detector.store.copies import LEASE, LeaseLostError, address_of, shown, working_copy
from detector.store.layout import decisions_id
from detector.store.run_file import RunFile
from detector.store.run_json import load_run, write_run


@pytest.fixture
def store() -> Iterator[Address]:
    """The address of a store that is not there yet."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield Address("memory", "bucket", "OUT")
    files.store.clear()


def keys(store: Address) -> list[str]:
    return [info.key.removeprefix("OUT/") for info in list_objects(store)]


def fill(folder: Path, decided: str | None = None) -> None:
    write_run(folder, RunFile(decided=decided))
    for name in ("facts/part-000000.parquet", "decisions/media.parquet", "images/a.jpg", "results.csv", ".lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_a_store_that_is_not_there_begins_empty(store: Address) -> None:
    with working_copy(store) as folder:
        assert list(folder.iterdir()) == []
        assert address_of(folder) == store
        assert shown(f"look at {folder}/results.csv") == f"look at {store}/results.csv"
    assert address_of(folder) is None
    assert keys(store) == []


def test_what_is_written_is_put_and_comes_back(store: Address) -> None:
    with working_copy(store) as folder:
        fill(folder)
    whole = ["decisions/media.parquet", "facts/part-000000.parquet", "images/a.jpg", "results.csv", "run.json"]
    assert sorted(keys(store)) == whole
    with working_copy(store) as folder:
        assert not (folder / "images").exists()
        assert load_run(folder) == RunFile()
        (folder / "results.csv").unlink()
        (folder / "facts" / "part-000000.parquet").write_bytes(b"new")
    assert sorted(keys(store)) == [name for name in whole if name != "results.csv"]
    assert read_object(store / "facts/part-000000.parquet") == b"new"
    with working_copy(store, pictures=True) as folder:
        assert (folder / "images" / "a.jpg").exists()


def test_run_json_is_put_once_until_it_changes(store: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copies._Copy(store, tmp_path, copies.Lease(store / LEASE, store))
    put: list[str] = []
    monkeypatch.setattr(copies, "put_object", lambda address, _: put.append(address.name))
    fill(tmp_path)
    for _ in range(3):
        copy.put_finished()
    assert put == ["run.json", "part-000000.parquet"]
    write_run(tmp_path, RunFile(decided="another"))
    copy.put_finished()
    assert put[2:] == ["run.json"]


def test_after_an_error_the_facts_are_there_and_the_rest_is_as_before(store: Address) -> None:
    def fail() -> None:
        with working_copy(store) as folder:
            fill(folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sorted(keys(store)) == ["facts/part-000000.parquet", "run.json"]


def test_models_made_for_a_store_are_there_before_what_they_saw(store: Address) -> None:
    def fail() -> None:
        with working_copy(store) as folder:
            (folder / "fast" / "detector").mkdir(parents=True)
            (folder / "fast" / "detector" / "export.json").write_bytes(b"{}")
            fill(folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sorted(keys(store)) == ["facts/part-000000.parquet", "fast/detector/export.json", "run.json"]


def test_decisions_of_a_killed_put_are_dropped(store: Address) -> None:
    with working_copy(store) as folder:
        fill(folder)
        write_run(folder, RunFile(decided=decisions_id(folder / "decisions")))
    with working_copy(store) as folder:
        assert (folder / "decisions").is_dir()
    put_object(store / "decisions/media.parquet", b"of the next run, whose run.json did not come")
    with working_copy(store) as folder:
        assert not (folder / "decisions").exists()


def test_parts_are_put_while_work_goes_on(store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PUT_EVERY_S", 0.01)
    with working_copy(store) as folder:
        fill(folder)
        for _ in range(1000):
            if "facts/part-000000.parquet" in keys(store):
                break
            time.sleep(0.01)
        assert "facts/part-000000.parquet" in keys(store)
        assert "results.csv" not in keys(store)


def test_a_second_writer_is_refused_and_one_that_lost_its_lease_writes_no_more(store: Address) -> None:
    def lose_the_lease() -> None:
        with working_copy(store) as folder:
            with pytest.raises(HoopoeError, match="is writing to this store"), working_copy(store):
                pass
            fill(folder)
            put_object(store / LEASE, b'{"token": "another"}')

    with pytest.raises(HoopoeError, match="taken this store over"):
        lose_the_lease()
    assert keys(store) == [LEASE]
    delete_object(store / LEASE)


def test_who_loses_the_lease_is_told_and_ended_at_once(
    store: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(copies, "PUT_EVERY_S", 0.01)
    monkeypatch.setattr(copies, "RENEWED_S", 0.0)

    def work_until_told() -> None:
        with working_copy(store) as folder, StopRequest().listening() as stop:
            fill(folder)
            put_object(store / LEASE, b'{"token": "another"}')
            for _ in range(3000):
                if stop.requested:
                    break
                time.sleep(0.01)
            assert "taken this store over" in capsys.readouterr().err

    with pytest.raises(LeaseLostError, match="taken this store over"):
        work_until_told()
    assert "results.csv" not in keys(store)
    assert read_object(store / LEASE) == b'{"token": "another"}'


def test_footage_beside_a_store_is_not_copied(store: Address) -> None:
    put_object(store / "DCIM/VID_0001.AVI", b"footage")
    put_object(store / "DCIM/IMG_0001.heic", b"footage")
    with working_copy(store, pictures=True) as folder:
        assert list(folder.rglob("*")) == []
    assert sorted(keys(store)) == ["DCIM/IMG_0001.heic", "DCIM/VID_0001.AVI"]


def test_hostile_keys_are_not_written(store: Address) -> None:
    fsspec.filesystem("memory").store["/bucket/OUT/../../escaped.txt"] = fsspec.implementations.memory.MemoryFile(
        fs=fsspec.filesystem("memory"), path="/x", data=b"x"
    )
    with working_copy(store) as folder:
        assert list(folder.rglob("*")) == []


def test_a_file_that_is_moved_meanwhile_does_not_end_the_putting(
    store: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, seen = copies._state, []

    def gone_at_first(path: Path) -> tuple[int, int]:
        seen.append(path)
        if len(seen) == 1:
            raise FileNotFoundError(path)
        return state(path)

    monkeypatch.setattr(copies, "PUT_EVERY_S", 0.01)
    monkeypatch.setattr(copies, "_state", gone_at_first)
    with working_copy(store) as folder:
        fill(folder)
        for _ in range(1000):
            if "facts/part-000000.parquet" in keys(store):
                break
            time.sleep(0.01)
        assert "facts/part-000000.parquet" in keys(store)


def test_a_lease_that_cannot_be_given_back_costs_nothing(store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    def sick(_: copies.Lease) -> None:
        raise ServiceError("the service does not answer")

    monkeypatch.setattr(copies.Lease, "release", sick)
    with working_copy(store) as folder:
        fill(folder)
    assert "run.json" in keys(store)


def test_others_count_from_the_time_that_is_put_not_from_when_it_was(
    store: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(copies.time, "monotonic", lambda: now[0])
    copy = copies._Copy(store, Path(), copies.Lease(store / LEASE, store))
    monkeypatch.setattr(copies.Lease, "renew", lambda _: now.__setitem__(0, now[0] + 400))  # a service that is sick
    now[0] += copies.RENEWED_S
    copy._keep_lease()
    assert copy._renewed == 1000.0 + copies.RENEWED_S
