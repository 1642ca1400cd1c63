"""results.json, read by MegaDetector's own validator."""

import json

import pytest
from megadetector.postprocessing.validate_batch_results import validate_batch_results

from detector.exports.megadetector import write_megadetector
from detector.exports.source import ExportOptions
from detector.store.records import Candidate
from detector.store.run_file import RunFile


def export(tmp_path, source, **options):
    [path] = write_megadetector(source, tmp_path, ExportOptions(**options))
    outcome = validate_batch_results(str(path))["validation_results"]  # its command line exits with 0 on invalid files
    assert outcome["errors"] == []
    assert outcome["warnings"] == []
    return json.loads(path.read_text())


def test_an_empty_store_is_valid(tmp_path, make):
    results = export(tmp_path, make.source(run=RunFile()))
    assert results["images"] == []
    assert results["info"]["format_version"] == "1.6"


def test_photos_videos_blanks_and_failures_are_valid(tmp_path, make):
    media = [
        make.media("a.jpg", make.detection(), make.person(box=1)),
        make.media("blank.jpg"),
        make.failure("broken.jpg"),
        make.failure("broken.mp4", media_type="video"),
        make.video("v.mp4", make.detection(frame_number=30, time_s=1.0)),
        make.video("blank.avi", frame_rate=None),
    ]
    images = {image["file"]: image for image in export(tmp_path, make.source(media))["images"]}
    assert [found["category"] for found in images["a.jpg"]["detections"]] == ["1", "2"]
    assert images["blank.jpg"] == {"file": "blank.jpg", "detections": []}
    assert images["broken.jpg"] == {"file": "broken.jpg", "failure": "the file is empty", "detections": None}
    assert images["broken.mp4"]["frame_rate"] == -1
    assert images["broken.mp4"]["frames_processed"] == []
    assert images["v.mp4"]["frames_processed"] == [0, 30, 60]
    assert images["v.mp4"]["detections"][0]["frame_number"] == 30


def test_confidences_are_floats_and_rounded(tmp_path, make):
    found = make.detection(score=1, x=0.12344999611377716, confidence=1)
    [image] = export(tmp_path, make.source([make.media("a.jpg", found)]))["images"]
    [detection] = image["detections"]
    assert isinstance(detection["conf"], float)
    assert detection["conf"] == 1
    assert detection["bbox"] == [0.1234, 0.5, 0.125, 0.25]


def test_low_scores_stay_and_what_was_ruled_out_goes(tmp_path, make):
    found = (make.detection(score=0.0625, box=0), make.detection(suppressed=True, box=1))
    [image] = export(tmp_path, make.source([make.media("a.jpg", *found)]), score_threshold=0.5)["images"]
    assert [detection["conf"] for detection in image["detections"]] == [pytest.approx(0.0625, abs=1e-3)]


def classes_of(results, detection):
    return [(results["classification_categories"][key], score) for key, score in detection["classifications"]]


def test_species_are_classifications_by_falling_confidence(tmp_path, make):
    genus = make.detection(
        name="Oenanthe",
        rank="genus",
        confidence=0.875,
        candidates=(Candidate("Oenanthe lugens", 0.5), Candidate("Oenanthe finschii", 0.375)),
    )
    results = export(tmp_path, make.source([make.media("a.jpg", genus)]))
    [detection] = results["images"][0]["detections"]
    assert classes_of(results, detection) == [
        ("Oenanthe", 0.875),
        ("Oenanthe lugens", 0.5),
        ("Oenanthe finschii", 0.375),
    ]
    assert results["classification_category_descriptions"].keys() == results["classification_categories"].keys()
    assert (
        ";aves;passeriformes;muscicapidae;oenanthe;lugens;oenanthe lugens"
        in results["classification_category_descriptions"].values()
    )


def test_a_description_learns_the_english_name_when_it_comes(tmp_path, make):
    first = make.detection(name="Oenanthe", rank="genus", candidates=(Candidate("Oenanthe lugens", 0.5),))
    media = [make.media("a.jpg", first), make.media("b.jpg", make.detection())]
    results = export(tmp_path, make.source(media))
    assert (
        ";aves;passeriformes;muscicapidae;oenanthe;lugens;mourning wheatear"
        in results["classification_category_descriptions"].values()
    )


def test_an_unnamed_bird_is_still_told_from_other_animals(tmp_path, make):
    nameless = dict.fromkeys(("name", "rank", "confidence"))
    bird = make.detection(**nameless, candidates=(Candidate("Oenanthe lugens", 0.25),))
    mammal = make.detection(**nameless, kind="animal", candidates=(), box=1)
    results = export(tmp_path, make.source([make.media("a.jpg", bird, mammal)]))
    first, second = results["images"][0]["detections"]
    assert classes_of(results, first) == [("Aves", 0.9), ("Oenanthe lugens", 0.25)]
    assert "classifications" not in second


def test_a_persons_word_is_the_only_classification(tmp_path, make):
    named, bird = make.detection(reviewed_by="Noa", confidence=1.0), make.detection(box=1, reviewed_by="Noa")
    results = export(tmp_path, make.source([make.media("a.jpg", named, bird)]))
    first, second = results["images"][0]["detections"]
    assert classes_of(results, first) == [("Oenanthe lugens", 1.0)]
    guess = [("Oenanthe lugens", 0.75), ("Oenanthe finschii", 0.125)]
    assert classes_of(results, second) == guess, "who says 'a bird' has not said which"


def test_hard_names_survive(tmp_path, make, hard_media):
    results = export(tmp_path, make.source(hard_media))
    assert [image["file"] for image in results["images"]] == [record.path for record in hard_media]


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        ("Oenanthe lugens", "species", "passeriformes;muscicapidae;oenanthe;lugens"),
        ("Oenanthe", "genus", "passeriformes;muscicapidae;oenanthe;"),
        ("Laridae", "family", "charadriiformes;laridae;;"),
        ("Passeriformes", "order", "passeriformes;;;"),
        ("Aves", "class", ";;;"),
        ("Pictorostrum piscator", "species", "pictorostriformes;pictorostridae;pictorostrum;piscator"),
        ("Nothing known", None, ";;;"),
        ("Novum ignotum", "species", ";;novum;ignotum"),
    ],
)
def test_descriptions_give_every_rank_above(tmp_path, make, name, rank, expected):
    found = make.detection(name=name, rank=rank, english_name=None, candidates=())
    results = export(tmp_path, make.source([make.media("a.jpg", found)]))
    assert list(results["classification_category_descriptions"].values()) == [f";aves;{expected};{name.lower()}"]


def test_detections_come_by_falling_confidence(tmp_path, make):
    scores = (0.25, 0.875, 0.5)
    found = [make.detection(box=box, score=score) for box, score in enumerate(scores)]
    [image] = export(tmp_path, make.source([make.media("a.jpg", *found)]))["images"]
    assert [each["conf"] for each in image["detections"]] == sorted(scores, reverse=True)
