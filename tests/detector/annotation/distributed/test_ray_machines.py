"""A file that takes down each machine that looks at it is found, and costs no other."""

from __future__ import annotations

import sys

import pytest

from detector.annotation.distributed import engine
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from tests.detector.annotation.conftest import save_photo
from tests.detector.annotation.distributed.clusters import by_ray, make_card, mending, three_nodes
from tests.detector.annotation.distributed.poison import HEIGHT, WIDTH, FellingFiles
from tests.detector.annotation.store_checks import assert_same_facts, read_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="Ray's clusters are for Linux"),
]
pytest.importorskip("ray")


def test_a_file_that_takes_its_machine_down_is_failed_and_the_others_are_done(
    detector_file, species_file, tmp_path, monkeypatch
):
    card = make_card(tmp_path / "card")
    models = Models.of(detector_file, species_file, "cpu", "fp32")
    annotate(AnnotateRequest([card], tmp_path / "alone"), models, RunSettings(quiet=True))
    save_photo(card / "DCIM" / "IMG_0005A.JPG", 7, WIDTH, HEIGHT)
    monkeypatch.setattr(engine, "ModelFiles", FellingFiles)
    with three_nodes(head_works=False) as nodes:
        report, came = mending(nodes, lambda: by_ray(AnnotateRequest([card], tmp_path / "out"), models))
    facts = read_store(tmp_path / "out")
    felled = facts.pop(("card", "DCIM/IMG_0005A.JPG"))
    assert report.failed == 2
    assert felled[0].failure is not None
    assert "went down" in felled[0].failure
    assert 3 <= came <= 8
    assert_same_facts(facts, read_store(tmp_path / "alone"))
