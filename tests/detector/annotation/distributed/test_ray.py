"""A cluster of three nodes on this machine comes to the store that one process makes, whatever dies."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
from detector.store.layout import facts_folder, parts
from tests.detector.annotation.conftest import save_photo, save_species
from tests.detector.annotation.distributed.clusters import (
    CLUSTER,
    FILES,
    ThreeNodes,
    assert_same_exports,
    by_ray,
    exported,
    killing,
    make_card,
    three_nodes,
)
from tests.detector.annotation.distributed.poison import HEIGHT, WIDTH, PoisonedFiles
from tests.detector.annotation.store_checks import assert_same_facts, read_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are for Linux"),
]
ray = pytest.importorskip("ray")

KILLS = [  # each after so many parts
    (signal.SIGKILL, random.Random(number).randrange(7)) for number in range(int(os.environ.get("HOOPOE_KILLS", 1)))
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    with three_nodes() as started:
        yield started


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_card(tmp_path_factory.mktemp("cards") / "card")


@pytest.fixture(scope="module")
def models(detector_file: Path, species_file: Path) -> Models:
    return Models.of(detector_file, species_file, "cpu", "fp32")


@pytest.fixture(scope="module")
def alone(card, models, tmp_path_factory) -> Path:
    """The store that this process makes."""
    output = tmp_path_factory.mktemp("alone")
    annotate(AnnotateRequest([card], output), models, RunSettings(quiet=True))
    return output


def test_a_node_and_a_worker_die_and_the_store_is_that_of_one_process(cluster, card, models, alone, tmp_path):
    killer = killing(tmp_path, cluster.kill)
    report = by_ray(AnnotateRequest([card], tmp_path), models)
    killer.join(timeout=60)
    cluster.mend()
    assert report.files == FILES
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
    _, said = started.communicate(timeout=900)
    if number != signal.SIGKILL:
        assert started.returncode in (128 + number, 0), said
    assert len(read_store(tmp_path / "out")) >= after
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr  # a file is damaged
    assert "hours of machines, which cost" in ended.stdout
    assert_same_facts(read_store(tmp_path / "out"), read_store(alone))
