"""A cluster reads cards from S3 and writes a store there, and both die and fail: it is the store of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.base.objects.address import Address
from detector.base.objects.listing import list_objects
from detector.store.copies import working_copy
from tests.detector.annotation.distributed.clusters import (
    FILES,
    assert_same_exports,
    by_ray,
    exported,
    killing,
    make_card,
    three_nodes,
)
from tests.detector.annotation.store_checks import assert_same_facts, read_store, without_file_times
from tests.detector.base.objects.object_server import BUCKET, Faults, bring, serving, upload

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are for Linux"),
]
pytest.importorskip("ray")

CARD = Address("s3", BUCKET, "photos/card")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_card(tmp_path_factory.mktemp("cards") / "card")


@pytest.fixture(scope="module")
def alone(card: Path, detector_file: Path, species_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that one process makes on a disk."""
    output = tmp_path_factory.mktemp("alone")
    annotate(
        AnnotateRequest([card], output), Models.of(detector_file, species_file, "cpu", "fp32"), RunSettings(quiet=True)
    )
    return output


@pytest.fixture
def server(card: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Has the card, and fails, throttles or cuts 5 % of the requests; what begins now talks to it."""
    with serving(monkeypatch, share=0.05) as started:
        upload(card, CARD.key)
        yield started


def test_a_node_and_a_worker_die_and_the_service_fails(server, alone, detector_file, species_file, tmp_path):
    store = Address("s3", BUCKET, "stores/disturbed")
    models = Models.of(detector_file, species_file, "cpu", "fp32")
    with three_nodes() as nodes, working_copy(store) as folder:
        killer = killing(folder, nodes.kill)
        report = by_ray(AnnotateRequest([CARD], folder), models)
        killer.join(timeout=60)
    assert (report.files, report.failed) == (FILES, 1)
    with working_copy(store) as folder:
        exports = exported(folder)
    copy = bring(store, tmp_path / "copy")
    assert all(server.seen[fault] > 0 for fault in ("fails", "throttles", "cuts"))
    assert server.seen["none"] > FILES
    assert_same_facts(without_file_times(read_store(copy)), without_file_times(read_store(alone)))
    assert_same_exports(exports, exported(alone))
    assert {path.name for path in copy.iterdir()} == {path.name for path in alone.iterdir() if path.name[0] != "."}


def test_a_run_that_is_killed_goes_on(server, alone, detector_file, species_file, tmp_path):
    store = Address("s3", BUCKET, "stores/killed")
    words = [sys.executable, "-m", "detector.cli.main", "annotate", str(CARD), "--output", str(store)]
    words += ["--detector", str(detector_file), "--species", str(species_file), "--precision", "fp32"]
    words += ["--engine", "ray", "--workers", "2", "--cpus-per-worker", "1", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    started = subprocess.Popen(words, env=environment, start_new_session=True)
    while started.poll() is None and not any(True for _ in list_objects(store / "facts")):
        time.sleep(0.5)
    started.send_signal(signal.SIGKILL)
    started.wait(60)
    assert started.returncode == -signal.SIGKILL
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr  # a file is damaged
    assert "secret" not in ended.stdout + ended.stderr
    copy = bring(store, tmp_path / "copy")
    assert not [path for path in copy.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert_same_facts(without_file_times(read_store(copy)), without_file_times(read_store(alone)))
    assert_same_exports(exported(copy), exported(alone))
