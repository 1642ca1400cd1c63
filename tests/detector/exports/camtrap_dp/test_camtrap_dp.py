"""Camtrap DP packages, by the official schemas where they are at hand."""

import csv
import importlib.util
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from detector.exports.camtrap_dp.columns import DEPLOYMENT_COLUMNS, MEDIA_COLUMNS, OBSERVATION_COLUMNS
from detector.exports.camtrap_dp.package import write_camtrap_dp
from detector.exports.source import ExportOptions, ExportSource
from detector.store.records import Candidate
from detector.store.run_file import DetectorEntry
from detector.store.schema import MOTION_GATE

SCHEMAS = Path(__file__).parents[4] / "../shared/data/schemas/camtrap-dp"


@pytest.fixture(scope="module")
def validator():
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas of Camtrap DP are not here")
    spec = importlib.util.spec_from_file_location("validate_offline", SCHEMAS / "validate_offline.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def export(tmp_path, source, **options):
    [path] = write_camtrap_dp(source, tmp_path, ExportOptions(**options))
    return path.parent


def read(folder, table):
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def faults(validator, folder):
    descriptor = json.loads((folder / "datapackage.json").read_text())
    return validator.check_profile(descriptor) + validator.check_tables(folder, descriptor)


@pytest.fixture
def survey(make):
    """Photos, a video, a person, a blank, a failure with a time, and what has none or no place."""
    summer = {"timestamp": datetime(2024, 3, 30, 7), "utc_offset_min": 180}
    named = make.detection(box=1, x=-0.01, w=0.5, reviewed_by="Noa", confidence=1.0)
    nameless = dict.fromkeys(("name", "rank", "english_name", "hebrew_name", "confidence"), None)
    media = [
        make.media("a,1.jpg", make.detection(), named),
        make.media("b.jpg", make.detection(**nameless, candidates=(Candidate("Oenanthe lugens", 0.5),))),
        make.media("c.jpg", make.person(), make.detection(kind="vehicle", **nameless, box=1)),
        make.media("faint.jpg", make.person(score=0.06)),
        make.media("blank.PNG", **summer),
        make.failure("broken.jpg", timestamp=datetime(2024, 3, 1), frames=()),
        make.media("unseen.jpg", frames=()),
        make.video("v.avi", make.detection(frame_number=60, time_s=2.0, name="Oenanthe", rank="genus")),
        make.media("no_time.jpg", make.detection(), timestamp=None),
        make.media("no_zone.jpg", make.detection(), utc_offset_min=None),
        make.media("no_place.jpg", make.detection(), deployment_id="CAM2"),
        make.media("dots..jpg", make.detection()),
    ]
    events = [make.event(), make.event(event_id="e2", name=None, rank=None, kind="person", confidence=None, count=1)]
    events += [make.event(event_id="e3", deployment_id="CAM2"), make.event(event_id="e4", utc_offset_min=None)]
    deployments = [
        make.deployment(),
        make.deployment("CAM2", latitude=None),
        make.deployment("CAM3", longitude=35.1, details=(("cameraHeight", "1.3 m"), ("cameraTilt", "-15"))),
    ]
    return make.source(media, events, deployments)


def test_an_empty_store_is_a_valid_package(tmp_path, make, validator):
    folder = export(tmp_path, make.source())
    assert faults(validator, folder) == []
    assert read(folder, "media") == []


def test_photos_videos_and_events_are_a_valid_package(tmp_path, survey, validator):
    assert faults(validator, export(tmp_path, survey)) == []


def test_a_store_on_the_disk_is_a_valid_package(decided_store, validator):
    folder = export(decided_store, ExportSource.of(decided_store))
    assert faults(validator, folder) == []
    rows = read(folder, "observations")
    assert {row["observationLevel"] for row in rows} == {"media", "event"}
    assert {row["fileMediatype"] for row in read(folder, "media")} == {"image/jpeg", "video/mp4"}


def test_columns_are_those_of_the_schemas(validator):
    for table, columns in (
        ("deployments", DEPLOYMENT_COLUMNS),
        ("media", MEDIA_COLUMNS),
        ("observations", OBSERVATION_COLUMNS),
    ):
        schema = json.loads((SCHEMAS / f"{table}-table-schema.json").read_text())
        assert [one["name"] for one in schema["fields"]] == list(columns)


def test_what_has_no_time_zone_or_place_is_listed_and_in_no_table(tmp_path, survey):
    said = []
    folder = export(tmp_path, survey, notify=said.append)
    assert {row["file"]: row["reason"] for row in read(folder, "left-out")} == {
        "no_time.jpg": "its time is unknown",
        "no_zone.jpg": "the time zone of its deployment is unknown",
        "no_place.jpg": "the place of its deployment is unknown",
        "dots..jpg": "Camtrap DP does not take its name",
    }
    known = {row["mediaID"] for row in read(folder, "media")}
    assert len(known) == 8
    observations = read(folder, "observations")
    assert {row["mediaID"] for row in observations if row["observationLevel"] == "media"} <= known
    assert [row["eventID"] for row in observations if row["observationLevel"] == "event"] == ["e1", "e2"]
    assert any("4 of 12 files" in sentence for sentence in said)


def test_people_are_never_public(tmp_path, survey):
    public = {row["fileName"]: row["filePublic"] for row in read(export(tmp_path, survey), "media")}
    assert public["a,1.jpg"] == public["blank.PNG"] == public["v.avi"] == "true"
    assert public["c.jpg"] == public["faint.jpg"] == "false"
    assert public["broken.jpg"] == public["unseen.jpg"] == "false"  # nobody knows what they show


def test_boxes_events_and_blanks_are_observations(tmp_path, survey):
    folder = export(tmp_path, survey)
    files = {row["mediaID"]: row["fileName"] for row in read(folder, "media")}
    rows = read(folder, "observations")
    of = {name: [row for row in rows if files.get(row["mediaID"]) == name] for name in files.values()}
    machine, human = of["a,1.jpg"]
    assert machine["scientificName"] == "Oenanthe lugens"
    assert (machine["count"], machine["classificationMethod"]) == ("1", "machine")
    assert machine["classifiedBy"].endswith("detector coco | classifier davit_tiny_il-all")
    assert machine["classificationProbability"] == "0.75"
    written = "asExported:animal/Oenanthe lugens///1/0.25/0.5/0.125/0.25"
    candidates = "candidate:Oenanthe lugens (0.750) | candidate:Oenanthe finschii (0.125)"
    assert machine["observationTags"] == f"{candidates} | {written}"
    assert (human["classificationMethod"], human["classifiedBy"]) == ("human", "Noa")
    assert (float(human["bboxX"]), float(human["bboxWidth"])) == (0, 0.49)
    assert [row["scientificName"] for row in of["b.jpg"]] == ["Aves"]
    assert [row["observationType"] for row in of["c.jpg"]] == ["human", "vehicle"]
    assert [(row["observationType"], row["eventStart"]) for row in of["blank.PNG"]] == [
        ("blank", "2024-03-30T07:00:00+03:00")
    ]
    assert [row["observationType"] for row in of["unseen.jpg"]] == ["unclassified"]
    assert of["broken.jpg"] == []
    assert [row["eventStart"] for row in of["v.avi"]] == ["2024-03-01T06:30:02+02:00"]
    event = next(row for row in rows if row["observationLevel"] == "event")
    assert (event["count"], event["mediaID"], event["bboxX"]) == ("2", "", "")
    assert (event["classificationMethod"], event["classifiedBy"]) == ("human", "Noa")


def test_the_descriptor_tells_of_place_time_taxa_and_licences(tmp_path, survey):
    folder = export(tmp_path, survey, title="Springs", data_license="CC0-1.0")
    descriptor = json.loads((folder / "datapackage.json").read_text())
    assert descriptor["temporal"] == {"start": "2024-02-28", "end": "2024-04-02"}
    [ring] = descriptor["spatial"]["coordinates"]
    assert ring[0] == ring[-1] == [34.793, 30.8736]
    taxa = {one["scientificName"]: one for one in descriptor["taxonomic"]}
    assert taxa.keys() == {"Aves", "Oenanthe", "Oenanthe lugens"}
    assert taxa["Oenanthe lugens"]["vernacularNames"]["heb"] == "סלעית לבנת-כנף"
    assert [one["scope"] for one in descriptor["licenses"]] == ["data", "media"]


def test_columns_of_the_users_table_are_taken_where_the_schema_allows_them(tmp_path, survey):
    said = []
    rows = {row["deploymentID"]: row for row in read(export(tmp_path, survey, notify=said.append), "deployments")}
    assert rows.keys() == {"CAM1", "CAM3"}
    assert (rows["CAM1"]["cameraID"], rows["CAM1"]["baitUse"], rows["CAM1"]["featureType"]) == (
        "C1",
        "false",
        "waterSource",
    )
    assert rows["CAM1"]["deploymentEnd"] == "2024-04-02T08:00:00+03:00"
    assert (rows["CAM3"]["cameraTilt"], rows["CAM3"]["cameraHeight"]) == ("-15", "")
    assert any("cameraHeight '1.3 m'" in sentence for sentence in said)


def test_an_error_midway_leaves_the_old_package_whole(tmp_path, make, survey):
    folder = export(tmp_path, make.source(deployments=[make.deployment()]))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail():
        yield from list(survey.media())[:3]
        raise OSError("the disk is gone")

    broken = make.source(deployments=list(survey.deployments()))
    object.__setattr__(broken, "media", fail)
    with pytest.raises(OSError, match="gone"):
        export(tmp_path, broken)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_seconds_offset_of_a_video_moves_its_observation(tmp_path, make):
    found = [make.detection(frame_number=30 * n, time_s=float(n)) for n in range(3)]
    folder = export(tmp_path, make.source([make.video("v.mp4", *found)], deployments=[make.deployment()]))
    starts = [datetime.fromisoformat(row["eventStart"]) for row in read(folder, "observations")]
    assert [start - starts[0] for start in starts] == [timedelta(seconds=n) for n in range(3)]


def test_how_pictures_were_taken_is_told_by_deployment(tmp_path, make, validator):
    deployments = [
        make.deployment(details=(("captureMethod", "timeLapse"), ("locationID", "spring"))),
        make.deployment("CAM2", details=()),
        make.deployment("CAM3", details=(("captureMethod", "by hand"),)),
    ]
    media = [make.media(f"{number}.jpg", deployment_id=f"CAM{number}") for number in (1, 2, 3)]
    said = []
    folder = export(tmp_path, make.source(media, deployments=deployments), notify=said.append)
    assert faults(validator, folder) == []
    assert [row["captureMethod"] for row in read(folder, "media")] == ["timeLapse", *["activityDetection"] * 2]
    assert [row["locationID"] for row in read(folder, "deployments")] == ["spring", "CAM2", "CAM3"]
    project = json.loads((folder / "datapackage.json").read_text())["project"]
    assert project["captureMethod"] == ["activityDetection", "timeLapse"]
    assert [text for text in said if "by hand" in text]


@pytest.mark.parametrize(("label", "public"), [("leaf", "true"), ("non_bird", "false"), ("No animal", "false")])
def test_what_a_label_does_not_name_may_be_a_person(tmp_path, make, label, public):
    nameless = dict.fromkeys(("name", "rank", "english_name", "hebrew_name", "confidence"))
    found = make.detection(**nameless, kind="blank", label=label, suppressed=True, candidates=())
    [row] = read(export(tmp_path, make.source([make.media("a.jpg", found)], deployments=[make.deployment()])), "media")
    assert row["filePublic"] == public


@pytest.mark.parametrize(
    ("categories", "public"),
    [(None, ["true", "true"]), (["bird", "person"], ["true", "false"]), (["bird"], ["false", "false"])],
)
def test_what_only_a_first_pass_saw_is_not_public(tmp_path, make, categories, public):
    first = None if categories is None else DetectorEntry(name="fast", categories=categories)
    run = make.run().model_copy(update={"first_pass": first})
    film = make.video("a.mp4")  # of some frames nobody knows whether both looked
    still = make.media("b.jpg", passed_over=MOTION_GATE)  # like the photo before it, which was passed over, too
    folder = export(tmp_path, make.source([film, still], deployments=[make.deployment()], run=run))
    assert [row["filePublic"] for row in read(folder, "media")] == public
    assert ("first pass fast" in read(folder, "observations")[0]["classifiedBy"]) == (first is not None)


def test_a_name_that_no_person_gave_is_the_machines_also_where_a_person_called_it_a_bird(tmp_path, make):
    found = make.detection(reviewed_by="Noa")
    source = make.source([make.media("a.jpg", found)], deployments=[make.deployment()], events=[make.event()])
    box, event = read(export(tmp_path, source), "observations")
    assert (box["scientificName"], box["classificationProbability"]) == ("Oenanthe lugens", "0.75")
    assert [row["classificationMethod"] for row in (box, event)] == ["machine", "machine"]
    assert "confirmedBy:Noa" in box["observationTags"]
