"""Whoever decides the deployments of a store, and whatever dies, its tables are byte for byte those of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import ConfigError, HoopoeError
from detector.cli.main import main
from detector.decisions import on_cluster
from detector.decisions.decide import decide
from detector.decisions.summary import DecisionSummary
from detector.store.layout import decisions_folder
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_json import load_run
from detector.types import media_id
from tests.detector.cluster.pool_here import CLUSTER, PoolHere, put_in_place
from tests.detector.decisions.small_facts import HOOPOE, SPECIES, START, WHEATEAR, Maker, Photo, options

NOW = datetime(2025, 1, 1)
CAMERAS = "abcdef"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are for Linux")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[PoolHere]:
    """In place of Ray's."""
    return put_in_place(monkeypatch)


@pytest.fixture
def store(tmp_path: Path, facts_maker: Maker, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six cameras, two of which share a portion; a copied file, and words of people."""
    monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 5)
    photos = [
        photo(f"{camera}/{number}.jpg", 40 * number, packed=[HOOPOE, WHEATEAR][: number % 3])
        for camera in CAMERAS
        for number in range(3 if camera in "ab" else 2)
    ]
    stone = facts_maker.box(appearance=bytes(range(64)))
    photos += [
        [facts_maker.row(f"g/{n:02d}.jpg", boxes=[stone], captured_at=START + timedelta(hours=5 * n))]
        for n in range(30)
    ]
    photos.append([facts_maker.row("h/copy.jpg", boxes=[stone], content_hash=photos[0][0].content_hash)])
    folder = facts_maker.write(tmp_path / "store", photos, species=SPECIES)
    said = [
        Review(START, "Noa", "named", media_id("card", "b/1.jpg"), name="Oenanthe oenanthe"),
        Review(START, "Noa", "nothing", media_id("card", "no such file.jpg")),
    ]
    append_reviews(folder, said)
    return folder


def tables(folder: Path) -> dict[str, bytes]:
    """All that was decided, byte for byte."""
    return {path.name: path.read_bytes() for path in decisions_folder(folder).iterdir()}


def by_cluster(folder: Path) -> tuple[DecisionSummary, dict[str, bytes], str | None]:
    """The summary, the tables, and their id."""
    summary = decide(folder, options(), NOW, cluster=CLUSTER)
    return summary, tables(folder), load_run(folder).decided


def alone(folder: Path) -> tuple[DecisionSummary, dict[str, bytes], str | None]:
    """The same in this process."""
    summary = decide(folder, options(), NOW)
    return summary, tables(folder), load_run(folder).decided


def test_a_small_store_needs_no_cluster(tmp_path: Path, facts_maker: Maker, pool: type[PoolHere]) -> None:
    facts_maker.write(tmp_path, [])
    assert by_cluster(tmp_path)[0].photos == 0
    assert pool.begun == 0


@pytest.mark.parametrize("deaths", [(), (0,), (1, 4)])
def test_workers_come_to_the_same_tables_in_whatever_order_they_end(
    store: Path, pool: type[PoolHere], monkeypatch: pytest.MonkeyPatch, deaths: tuple[int, ...]
) -> None:
    expected = alone(store)
    assert (expected[0].lost_reviews, expected[0].duplicates, expected[0].repeat_groups) == (1, 1, 1)
    monkeypatch.setattr(pool, "deaths", frozenset(deaths))
    assert by_cluster(store) == expected
    assert pool.begun == 1


def test_deployments_that_end_two_workers_end_the_run_and_the_tables_before_stay(
    store: Path, pool: type[PoolHere], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = alone(store)
    monkeypatch.setattr(pool, "deaths", frozenset(range(100)))
    with pytest.raises(HoopoeError, match="each of 2 processes ended over"):
        by_cluster(store)
    assert tables(store) == before[1]
    assert not list(store.glob("decisions.*"))


def test_a_machine_that_does_not_see_the_store_says_so(store: Path, pool: type[PoolHere], monkeypatch: Any) -> None:
    start = on_cluster.DecidePortions.start
    monkeypatch.setattr(
        on_cluster.DecidePortions, "start", lambda work, share: start(type(work)(work.decider, Path("gone")), share)
    )
    with pytest.raises(ConfigError, match="does not see the store"):
        by_cluster(store)


def test_options_of_a_cluster_ask_for_one(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--address", "auto"], ["--workers", "2"], ["--cpus-per-worker", "1"]):
        assert main(["decide", str(store), *option]) == 2
        assert "add --engine ray" in capsys.readouterr().err


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("killed", [False, True])
def test_ray_comes_to_the_same_tables(store: Path, killed: bool) -> None:
    pytest.importorskip("ray")
    expected = alone(store)
    ended: list[int] = []

    def kill() -> None:
        while not (found := _workers()):
            time.sleep(0.02)
        os.kill(found[0], signal.SIGKILL)
        ended.append(found[0])

    killer = threading.Thread(target=kill, daemon=True)
    if killed:
        killer.start()
    assert by_cluster(store) == expected
    assert len(ended) == killed


def _workers() -> list[int]:
    """Process ids of workers."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                name = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if name.startswith(b"ray::_Host"):
                found.append(int(process.name))
    return found


def test_deciding_and_exporting_need_no_torch() -> None:
    """It would be most of what a worker keeps in memory."""
    program = "import sys, detector.decisions.decide, detector.exports.export; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
