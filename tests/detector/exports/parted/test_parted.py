"""Formats that workers write slice by slice are byte for byte those of one process."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from backbones.errors import DataError
from detector.base.times import safe_add
from detector.cli.main import main
from detector.exports.export import export
from detector.exports.formats import FORMATS
from detector.exports.parted.slices import read_slice, slices_of
from detector.store.layout import decisions_folder
from detector.store.records import Candidate, DeploymentRecord, EventRecord, MediaRecord
from detector.store.records_reader import read_media
from tests.detector.cluster.pool_here import CLUSTER, PoolHere, put_in_place
from tests.detector.small_stores import make_detection, make_media, write_decided_store

PARTED = [name for name, one in FORMATS.items() if one.parts]
NAMES = [
    ("Upupa epops", "species", "Hoopoe"),
    ("Oenanthe", "genus", None),
    ("Upupa epops", None, None),
    (None, None, None),
]
GROUP_ROWS = 3


def photo(number: int, chance: random.Random) -> MediaRecord:
    """A photo, a video or a failure; some without a time, some with names that no table likes."""
    path = f"DCIM/{number:03d}{chance.choice(['', ' =1+1', ', a', 'é'])}.jpg"
    changes: dict[str, Any] = {"visit_id": f"camera {number // 12}", "deployment_id": f"camera {number // 12}"}
    if chance.random() < 0.2:
        return make_media(path, **changes, failure="image access failure", frames=())
    if chance.random() < 0.1:
        changes |= {"timestamp": None}
    media = make_media(path, **changes)
    boxes = []
    for box in range(chance.randrange(4)):
        name, rank, english = chance.choice(NAMES)
        found = make_detection(
            media.media_id, box=box, name=name, rank=rank, english_name=english, display_name=name or "bird",
            score=chance.choice([0.1, 0.5, 0.9]), event_id=f"e{number // 4}",
            candidates=(Candidate(f"Genus{chance.randrange(5)} x", 0.5),), reviewed_by=chance.choice([None, "Noa"]),
        )  # fmt: skip
        boxes.append(found)
    return replace(media, detections=tuple(boxes), blank=not boxes)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty files in row groups of three, in slices of six."""
    chance = random.Random(0)
    media = [photo(number, chance) for number in range(30)]
    start = media[1].captured_at
    assert start is not None
    name = ("bird", "Upupa epops", "species", "Hoopoe")
    events = [
        EventRecord(f"e{n}", "camera 0", "camera 0", *name, start, start, 180, 180, 1, 1, 1, 0.5) for n in range(7)
    ]
    end = safe_add(start, 3600)
    rest = (True, None, 31.0, 35.0, start, 180, end, 180, None, None, None, ())
    places = [DeploymentRecord(f"camera {n}", f"camera {n}", *rest) for n in range(2)]
    folder = write_decided_store(tmp_path / "store", media, events, deployments=places)
    for name in ("media", "detections"):
        path = decisions_folder(folder) / f"{name}.parquet"
        pq.write_table(pq.read_table(path), path, row_group_size=GROUP_ROWS)
    for module in ("parted.slices", "export"):
        monkeypatch.setattr(f"detector.exports.{module}.SLICE_FILES", 6)
    return folder


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[PoolHere]:
    """In place of Ray's."""
    return put_in_place(monkeypatch)


def written(folder: Path) -> dict[str, Any]:
    """What was exported, but for the moment in which it was."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".csv", ".json")}
    del files["run.json"]
    descriptor = json.loads(files.pop("datapackage.json", b"{}"))
    descriptor.pop("created", None)
    return files | {"datapackage": descriptor}


def test_an_empty_store_is_one_without_slices(tmp_path: Path, pool: type[PoolHere]) -> None:
    folder = write_decided_store(tmp_path / "store", [])
    assert slices_of(folder) == []
    assert all(path.is_file() for path in export(folder, PARTED, cluster=CLUSTER))
    assert pool.begun == 0


@pytest.mark.parametrize("files", [1, 4, 7, 100])
def test_slices_are_the_store_cut_up(store: Path, files: int) -> None:
    slices = slices_of(store, files)
    assert [record for one in slices for record in read_slice(store, one)] == list(read_media(store))
    assert sum(one.files for one in slices) == 30
    assert all(one.files >= files for one in slices[:-1])


def test_tables_that_do_not_fit_are_named(store: Path) -> None:
    path = decisions_folder(store) / "media.parquet"
    pq.write_table(pq.read_table(path).slice(0, 20), path, row_group_size=GROUP_ROWS)
    with pytest.raises(DataError, match="do not fit"):
        slices_of(store)


@pytest.mark.parametrize("deaths", [(), (0, 2)])
@pytest.mark.parametrize("name", PARTED)
def test_files_are_those_of_one_process(
    store: Path, pool: type[PoolHere], monkeypatch: pytest.MonkeyPatch, name: str, deaths: tuple[int, ...]
) -> None:
    paths = export(store, [name])
    expected = written(store)
    monkeypatch.setattr(pool, "deaths", frozenset(deaths))
    assert export(store, [name], cluster=CLUSTER) == paths
    assert written(store) == expected
    assert pool.begun == 1
    assert not list(store.glob(".export*"))


def test_formats_without_parts_are_written_here(store: Path, pool: type[PoolHere]) -> None:
    export(store, ["coco", "events"], cluster=CLUSTER)
    assert (store / "coco.json").is_file()
    assert pool.begun == 0


def test_the_command_takes_a_cluster(store: Path, pool: type[PoolHere]) -> None:
    assert main(["export", str(store), "--format", "csv", "--engine", "ray", "--workers", "2"]) == 0
    assert pool.begun == 1
