"""A further card needs its folder and its store: what the runs before were told is remembered, or asked for."""

from __future__ import annotations

import json
import shutil

import pytest

import detector as hp
from detector.annotation.remembered import models_for, stored_seeing
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.cli.main import main
from detector.models.building import build_detector
from detector.models.detector import Detector
from detector.store.run_json import load_run
from tests.detector.annotation.conftest import save_photo, save_species
from tests.detector.annotation.store_checks import read_store

ON_CPU = ["--device", "cpu", "--precision", "fp32", "--workers", "1"]


@pytest.fixture
def models(detector_file, species_file, tmp_path):
    """Files of models that may be moved and changed."""
    return [shutil.copy(file, tmp_path / file.name) for file in (detector_file, species_file)]


def hoopoe(*words):
    return main([str(word) for word in (*words, *ON_CPU)])


def begun(make_card, tmp_path, models, *options):
    """A store of one card."""
    out = tmp_path / "out"
    words = ["--output", out, "--detector", models[0], "--species", models[1], *options]
    assert hoopoe("annotate", make_card("north", photos=1, videos=0), *words) == 0
    return out


def test_without_a_store_there_is_nothing_to_remember(make_card, tmp_path, capsys):
    assert hoopoe("annotate", make_card(photos=1, videos=0), "--output", tmp_path / "out") == 2
    assert "no detector is given" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_second_card_is_the_same_command_without_its_options(make_card, tmp_path, models):
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,card,folder,locationName\nA,north,,pond\nB,south,,hide\n")
    options = ["--deployments", table, "--tile", "--classify-from", "0.3", "--embeddings", "--export", "csv"]
    out = begun(make_card, tmp_path, models, *options, "--unmatched", "allow", "--name-threshold", "0.5")
    before = load_run(out)
    assert hoopoe("annotate", make_card("south", photos=2, videos=1), "--output", out) == 0
    after = load_run(out)
    assert (after.detector, after.species, after.options) == (before.detector, before.species, before.options)
    assert after.decisions == before.decisions
    assert after.options["tile"] is True
    assert (after.exports.keys(), after.exports["csv"].decided) == ({"csv"}, after.decided)
    assert {card for card, _ in read_store(out)} == {"north", "south"}
    assert ",B," in (out / "results.csv").read_text(encoding="utf-8-sig")


def test_an_option_that_is_given_wins(make_card, tmp_path, models, capsys):
    out = begun(make_card, tmp_path, models)
    assert hoopoe("annotate", tmp_path / "north", "--output", out, "--species", "none") == 2
    assert "its classifier is species.safetensors" in capsys.readouterr().err
    assert hoopoe("annotate", tmp_path / "north", "--output", out, "--frame-interval", "2") == 2
    assert "frame_interval is 1.0, not 2.0" in capsys.readouterr().err
    assert hoopoe("annotate", tmp_path / "north", "--output", out, "--name-threshold", "0.9") == 0
    assert load_run(out).decisions["name_threshold"] == 0.9


@pytest.mark.parametrize(("place", "option"), [(0, "--detector"), (1, "--species")])
def test_a_model_that_has_moved_is_asked_for_and_remembered_where_it_is(
    make_card, tmp_path, models, capsys, place, option
):
    out = begun(make_card, tmp_path, models)
    moved = shutil.move(models[place], tmp_path / "moved.safetensors")
    card = make_card("south", photos=1, videos=0)
    assert hoopoe("annotate", card, "--output", out) == 2
    said = capsys.readouterr().err
    assert f"is not at {models[place]} any more" in said
    assert f"{option} PATH" in said
    assert hoopoe("annotate", card, "--output", out, option, moved) == 0
    assert hoopoe("annotate", make_card("east", photos=1, videos=0), "--output", out) == 0
    assert {name for name, _ in read_store(out)} == {"north", "south", "east"}


def test_a_model_that_has_changed_is_refused_and_nothing_is_seen_by_it(make_card, tmp_path, models, capsys):
    out = begun(make_card, tmp_path, models)
    save_species(models[1], seed=9)
    assert hoopoe("annotate", make_card("south", photos=1, videos=0), "--output", out) == 2
    said = capsys.readouterr().err
    assert "holds another classifier now" in said
    assert "hoopoe reclassify" in said
    assert len(read_store(out)) == 1


def test_the_classifier_that_counts_is_remembered(make_card, tmp_path, models):
    out = begun(make_card, tmp_path, models)
    other = save_species(tmp_path / "other.safetensors", seed=7)
    assert hoopoe("reclassify", out, "--species", other) == 0
    assert hoopoe("annotate", make_card("south", photos=1, videos=0), "--output", out) == 0
    species = load_run(out).species
    assert (species.source, species.overlay is None) == (str(other), False)
    assert len(read_store(out)) == 2


def test_boxes_of_another_tool_have_no_detector_to_remember(tmp_path, models, capsys):
    save_photo(tmp_path / "media" / "a.jpg", 1)
    content = {"info": {}, "detection_categories": {"1": "animal"}, "images": [{"file": "a.jpg", "detections": []}]}
    (tmp_path / "md.json").write_text(json.dumps(content))
    words = ["--detections", tmp_path / "md.json", "--media", tmp_path / "media", "--species", models[1]]
    assert hoopoe("classify-crops", *words, "--output", tmp_path / "out") == 0
    assert hoopoe("annotate", tmp_path / "media", "--output", tmp_path / "out") == 2
    assert "came from another tool" in capsys.readouterr().err


def test_a_network_in_memory_is_told_from_another(make_card, tmp_path, detector, work, readers, capsys):
    card, out, settings = make_card(photos=1, videos=0), tmp_path / "out", RunSettings(work, True, readers=readers)
    trained = Detector.of(build_detector(detector.meta.config).eval())
    annotate(AnnotateRequest([card], out), Models(trained), settings)
    assert annotate(AnnotateRequest([card], out), Models(trained), settings).finished_before == 1
    assert hoopoe("annotate", card, "--output", out) == 2
    assert "does not know where its detector" in capsys.readouterr().err
    other = Detector.of(build_detector(detector.meta.config).eval())
    with pytest.raises(Exception, match="its detector is detector"):
        annotate(AnnotateRequest([card], out), Models(other), settings)


def test_the_library_remembers_as_the_command_does(make_card, tmp_path, detector, species):
    options = {"tile": True, "classify_from": 0.3, "name_threshold": 0.5, "first_pass": detector, "audit": 1}
    options |= {"first_pass_threshold": 0.99, "proposals": 40}
    out, quiet = tmp_path / "out", {"workers": 1, "quiet": True}
    hp.annotate(make_card("north", photos=1, videos=0), out, detector=detector, species=species, **options, **quiet)
    before = load_run(out)
    store = hp.annotate(make_card("south", photos=1, videos=0), out, **quiet)
    after = load_run(out)
    for name in ("species", "first_pass", "options", "decisions", "audit"):
        assert getattr(after, name) == getattr(before, name)
    assert (before.options["proposals"], before.audit.sampled) == (40, before.audit.passed_over)
    assert store.media.num_rows == 2


def test_loaded_models_win_over_those_of_the_store(make_card, tmp_path, models, detector, species):
    out = begun(make_card, tmp_path, models, "--frame-interval", "keyframes")
    chosen = models_for(out, detector, species)
    assert (chosen.detector, chosen.species) == (detector, species)
    assert models_for(out, detector, "none").species is None
    assert stored_seeing(out).frame_interval == "keyframes"
    assert stored_seeing(tmp_path / "new").frame_interval == 1.0
