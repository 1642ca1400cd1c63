"""A cluster of three nodes on this machine comes to the store that one process makes, whatever dies."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backbones.errors import HoopoeError
from detector.annotation.distributed import engine
from detector.annotation.distributed.work import Places
from detector.annotation.importing.run import CropsRequest, classify_crops
from detector.annotation.options import SeeingOptions
from detector.annotation.reclassification import reclassify
from detector.annotation.request import AnnotateRequest, AuditRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.cluster import ray_pool
from detector.cluster.options import ClusterOptions
from detector.decisions.decide import decide, stored_options
from detector.exports.refresh import refresh
from detector.store.layout import facts_folder, parts
from tests.detector.annotation.conftest import save_photo, save_species, save_video
from tests.detector.annotation.distributed.poison import HEIGHT, WIDTH, PoisonedFiles
from tests.detector.annotation.store_checks import assert_same_facts, read_store

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are for Linux")]
ray = pytest.importorskip("ray")

PHOTOS, VIDEOS = (int(os.environ.get(name, count)) for name, count in (("HOOPOE_PHOTOS", 48), ("HOOPOE_VIDEOS", 2)))
KILLS = [  # each after so many parts
    (signal.SIGKILL, random.Random(number).randrange(7)) for number in range(int(os.environ.get("HOOPOE_KILLS", 1)))
]
NUMBER = re.compile(r"\b\d+\.\d+\b")
CLUSTER = ClusterOptions(fewest=1, cpus_per_worker=1, device="cpu", precision="fp32", batch_size=3)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one core each."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    started = Cluster(initialize_head=True, head_node_args=node)
    started.spare = [started.add_node(**node) for _ in range(2)]
    ray.init(address=started.address, log_to_driver=False, logging_level="ERROR")
    yield started
    ray.shutdown()
    started.shutdown()


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cards") / "card"
    for number in range(PHOTOS):
        save_photo(root / "DCIM" / f"IMG_{number:04d}.JPG", number, *((160, 120) if number % 3 else (200, 90)))
    for number in range(VIDEOS):
        save_video(root / "DCIM" / f"VID_{number:04d}.mp4", frames=12, seed=100 + number)
    (root / "DCIM" / "IMG_9999.JPG").write_bytes(b"no photo")
    return root


@pytest.fixture(scope="module")
def models(detector_file: Path, species_file: Path) -> Models:
    return Models.of(detector_file, species_file, "cpu", "fp32")


@pytest.fixture(scope="module")
def alone(card, models, tmp_path_factory) -> Path:
    """The store that this process makes."""
    output = tmp_path_factory.mktemp("alone")
    annotate(AnnotateRequest([card], output), models, RunSettings(quiet=True))
    return output


def by_ray(request: AnnotateRequest, models: Models, **changes: Any) -> Any:
    return annotate(request, models, RunSettings(quiet=True, cluster=replace(CLUSTER, **changes)))


def killing(output: Path, kill: Callable[[], None], after: int = 1) -> threading.Thread:
    """A thread that kills when there are so many parts."""

    def wait() -> None:
        while len(parts(facts_folder(output))) < after:
            time.sleep(0.05)
        kill()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def workers() -> list[int]:
    """Process ids of workers."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                name = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if name.startswith(b"ray::_Host") and (process / "environ").read_bytes().count(b"RAY_"):
                found.append(int(process.name))
    return found


def exported(output: Path) -> dict[str, str]:
    """What the exports say."""
    decide(output, stored_options(output))
    refresh(output, ("megadetector", "csv", "events"))
    texts = {path.name: path.read_text() for path in output.glob("*.csv")}
    return texts | {"images": json.dumps(json.loads((output / "results.json").read_text())["images"])}


def assert_same_exports(found: dict[str, str], expected: dict[str, str]) -> None:
    """Equal but for rounding: pictures of other batches."""
    assert found.keys() == expected.keys()
    for name, text in found.items():
        assert NUMBER.sub("", text) == NUMBER.sub("", expected[name]), name
        numbers = [list(map(float, NUMBER.findall(each))) for each in (text, expected[name])]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-3), name  # results.json has three digits


def test_a_node_and_a_worker_die_and_the_store_is_that_of_one_process(cluster, card, models, alone, tmp_path):
    def kill() -> None:
        os.kill(workers()[0], signal.SIGKILL)
        cluster.remove_node(cluster.spare.pop())

    killer = killing(tmp_path, kill)
    report = by_ray(AnnotateRequest([card], tmp_path), models)
    killer.join(timeout=60)
    cluster.spare.append(cluster.add_node(num_cpus=1, object_store_memory=80 << 20))
    assert report.files == PHOTOS + VIDEOS + 1
    assert report.failed == 1
    assert_same_facts(read_store(tmp_path), read_store(alone))
    assert_same_exports(exported(tmp_path), exported(alone))
    assert not list(tmp_path.glob(".staging*"))


def test_a_file_that_kills_its_worker_is_failed_and_the_others_are_done(
    cluster, card, models, alone, tmp_path, monkeypatch
):
    root = tmp_path / "card"
    shutil.copytree(card, root)
    save_photo(root / "DCIM" / "IMG_0005A.JPG", 7, WIDTH, HEIGHT)
    monkeypatch.setattr(engine, "ModelFiles", PoisonedFiles)
    monkeypatch.setattr(ray_pool, "VERDICT_S", 3.0)
    report = by_ray(AnnotateRequest([root], tmp_path / "out"), models)
    facts = read_store(tmp_path / "out")
    poison = facts.pop(("card", "DCIM/IMG_0005A.JPG"))
    assert report.failed == 2
    assert poison[0].failure is not None
    assert "ended the process" in poison[0].failure
    expected = read_store(alone)
    assert facts.keys() == expected.keys()
    assert [row[0].failure for row in facts.values()].count(None) == len(facts) - 1


def test_boxes_and_another_classifier_come_to_the_same(cluster, card, models, alone, tmp_path):
    second = save_species(tmp_path / "second.safetensors", seed=5)
    other = Models.of(models.detector, second, "cpu", "fp32").species
    assert other is not None
    assert models.species is not None
    shutil.copytree(alone, tmp_path / "here")
    shutil.copytree(alone, tmp_path / "there")
    reclassify(tmp_path / "here", other, RunSettings(quiet=True))
    reclassify(tmp_path / "there", other, RunSettings(quiet=True, cluster=CLUSTER))
    assert_same_facts(read_store(tmp_path / "there"), read_store(tmp_path / "here"))

    exported(alone)
    for name, settings in (("crops", RunSettings(quiet=True)), ("far", RunSettings(quiet=True, cluster=CLUSTER))):
        classify_crops(CropsRequest([alone / "results.json"], card, tmp_path / name), models.species, settings)
    assert_same_facts(read_store(tmp_path / "far"), read_store(tmp_path / "crops"))


def test_the_gate_the_first_pass_and_the_audit_work_there(cluster, card, models, tmp_path):
    both = replace(models, first_pass=models.detector)
    seeing = SeeingOptions(motion_gate=True, first_pass_threshold=0.5, proposals=30)
    audit = AuditRequest(5, 0.2)
    annotate(AnnotateRequest([card], tmp_path / "here", seeing, audit=audit), both, RunSettings(quiet=True))
    report = by_ray(AnnotateRequest([card], tmp_path / "there", seeing, audit=audit), both)
    assert report.audited is not None
    assert_same_facts(read_store(tmp_path / "there"), read_store(tmp_path / "here"))


def test_a_machine_that_does_not_see_the_card_says_so(cluster, card, models, tmp_path, monkeypatch):
    places = Places.of
    monkeypatch.setattr(Places, "of", lambda writer, roots: places(writer, {"card": tmp_path / "not there"}))
    with pytest.raises(HoopoeError, match="does not see card 'card'"):
        by_ray(AnnotateRequest([card], tmp_path / "out"), models)


@pytest.mark.parametrize(("number", "after"), [(signal.SIGTERM, 1), (signal.SIGINT, 2), *KILLS])
def test_a_run_that_is_ended_goes_on(card, detector_file, species_file, alone, tmp_path, number, after):
    words = [sys.executable, "-m", "detector.cli.main", "annotate", str(card), "--output", str(tmp_path / "out")]
    words += ["--detector", str(detector_file), "--species", str(species_file), "--precision", "fp32"]
    words += ["--engine", "ray", "--workers", "2", "--cpus-per-worker", "1", "--device", "cpu", "--price-per-hour", "1"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    started = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while started.poll() is None and len(parts(facts_folder(tmp_path / "out"))) < after:
        time.sleep(0.05)
    started.send_signal(number)
    _, said = started.communicate(timeout=240)
    if number != signal.SIGKILL:
        assert started.returncode in (128 + number, 0), said
    assert len(read_store(tmp_path / "out")) >= after
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr  # a file is damaged
    assert "hours of machines, which cost" in ended.stdout
    assert_same_facts(read_store(tmp_path / "out"), read_store(alone))
