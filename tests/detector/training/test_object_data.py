"""Annotations and pictures among objects: trained on as copies, and fetched once."""

import shutil
import threading
from pathlib import Path

import fsspec
import pytest
import torch

from backbones.errors import ConfigError, DataError, DiskFullError
from detector.base.objects import service
from detector.base.objects.address import Address, place_of
from detector.cli.main import main
from detector.training import object_data
from detector.training.object_data import address_of, place_in, sources_here
from detector.training.records.run_folder import RunFolder
from tests.detector.base.objects.object_server import BUCKET, serving, upload
from tests.detector.training.conftest import SETTINGS

PAIR = [(Address("memory", "bucket", "set/train.json"), Address("memory", "bucket", "set/images"))]


@pytest.fixture
def bucket(drawn_set: Path):
    """The drawn set in a bucket of memory://."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    files.put(str(drawn_set), "/bucket/set", recursive=True)
    yield files
    files.store.clear()


@pytest.fixture
def fetched(monkeypatch) -> list[str]:
    """The objects that were fetched."""
    names: list[str] = []
    fetch = object_data.fetch

    def counting(address: Address, *rest: object) -> None:
        names.append(address.name)
        fetch(address, *rest)

    monkeypatch.setattr(object_data, "fetch", counting)
    return names


def test_paths_of_this_machine_stay_as_they_are(tmp_path) -> None:
    assert sources_here([], tmp_path) == []
    assert sources_here([(Path("train.json"), Path("photos"))], tmp_path / "objects") == [
        (Path("train.json"), Path("photos"))
    ]
    assert not (tmp_path / "objects").exists()


def test_what_is_there_already_is_not_fetched_again(bucket, fetched, drawn_set, tmp_path) -> None:
    [(annotations, images)] = sources_here(PAIR, tmp_path)
    assert annotations.read_bytes() == (drawn_set / "train.json").read_bytes()
    copied = {path.name for path in images.iterdir()}
    assert len(copied) == 12, "not those of val.json"
    assert all((images / name).read_bytes() == (drawn_set / "images" / name).read_bytes() for name in copied)
    assert sorted(fetched) == sorted([*copied, "train.json"])
    fetched.clear()
    bucket.pipe("/bucket/set/images/" + min(copied), b"another picture")
    sources_here(PAIR, tmp_path)
    assert fetched == ["train.json", min(copied)]
    assert (images / min(copied)).read_bytes() == b"another picture"


def test_other_processes_of_a_machine_find_the_copies(bucket, fetched, tmp_path, monkeypatch) -> None:
    sources_here(PAIR, tmp_path)
    fetched.clear()
    monkeypatch.setenv("LOCAL_RANK", "1")
    sources_here(PAIR, tmp_path)
    assert fetched == []
    monkeypatch.delenv("LOCAL_RANK")
    together = [threading.Thread(target=sources_here, args=(PAIR, tmp_path / "new")) for _ in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert sum(name.endswith((".png", ".jpg")) for name in fetched) == 12


def test_what_is_not_there_is_named(bucket, tmp_path, monkeypatch) -> None:
    (annotations, images), *_ = PAIR
    with pytest.raises(DataError, match=r"memory://bucket/none.json: there is no such object"):
        sources_here([(place_of("memory://bucket/none.json"), images)], tmp_path)
    with pytest.raises(DataError, match=r"memory://bucket/none: none of 12 pictures is there"):
        sources_here([(annotations, place_of("memory://bucket/none"))], tmp_path)
    with pytest.raises(ConfigError, match="no path"):
        place_in(tmp_path, Address("memory", "bucket", "a/../../b"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(DiskFullError, match=r"no room for copies of 12 pictures.*--cache"):
        sources_here(PAIR, tmp_path)


def test_a_copy_knows_its_address(tmp_path) -> None:
    address = Address("memory", "bucket", "set/train.json")
    assert address_of(str(place_in(tmp_path, address)), tmp_path) == str(address)
    assert address_of(str(tmp_path / "photos"), tmp_path / "objects") == str(tmp_path / "photos")


def words_on_objects(tmp_path: Path) -> list[str]:
    (tmp_path / "tiny.yaml").write_text(SETTINGS)
    words = ["train", str(tmp_path / "tiny.yaml"), "--accelerator", "cpu", "--output", str(tmp_path / "runs/x")]
    for name in ("train", "val"):
        place = "memory://bucket/set"
        words += [f"--{name}-annotations", f"{place}/{name}.json", f"--{name}-images", f"{place}/images"]
    return words


def test_copies_are_where_cache_says(bucket, tmp_path, capsys) -> None:
    assert main([*words_on_objects(tmp_path), "--dry-run", "--cache", str(tmp_path / "fast")]) == 0
    assert "12 images" in capsys.readouterr().out
    assert (tmp_path / "fast/memory/bucket/set/train.json").exists()


@pytest.mark.slow
def test_a_run_trains_on_objects_and_goes_on_by_its_folder_alone(bucket, tmp_path, capsys) -> None:
    assert main([*words_on_objects(tmp_path), "--set", "train.epochs=1"]) == 0
    assert RunFolder(tmp_path / "runs/x").data_files()["train"] == PAIR
    shutil.rmtree(tmp_path / "runs/objects")
    capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path / "runs/x"), "--set", "train.epochs=2", "--accelerator", "cpu"]) == 0
    assert "going on after step 3" in capsys.readouterr().err
    assert (tmp_path / "runs/objects/memory/bucket/set/train.json").exists()


@pytest.mark.slow
def test_a_run_on_a_sick_server_of_s3_equals_one_on_the_disk(drawn_set, finished, tmp_path, monkeypatch) -> None:
    """5 % of the requests fail, are throttled, or are cut."""
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.01)
    with serving(monkeypatch, share=0.05) as server:
        upload(drawn_set, "set")
        words = [word.replace("memory://bucket", f"s3://{BUCKET}") for word in words_on_objects(tmp_path)]
        assert main(words) == 0
        assert sum(server.seen[kind] for kind in ("fails", "throttles", "cuts")) > 0
    weights = [torch.load(run / "checkpoints/last.pt")["model"] for run in (tmp_path / "runs/x", finished)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
