"""Label Studio's tasks, by what its documentation states of predictions and of its tags."""

import json
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

import pytest

from detector.exports.label_studio.tasks import write_label_studio
from detector.exports.source import ExportOptions


def export(tmp_path, source, **options):
    write_label_studio(source, tmp_path, ExportOptions(**options))
    tasks = json.loads((tmp_path / "label-studio.json").read_text())
    return tasks, ET.parse(tmp_path / "label-studio.xml").getroot()


def check(tasks, interface):
    """Every name and label of the predictions is one of the labelling interface; ids are unique; boxes are percent."""
    names = {element.get("name"): element for element in interface.iter() if element.get("name")}
    allowed = {element.get("value") for element in interface.iter("Label")}
    variables = {
        element.get("value", "").lstrip("$") for element in interface.iter() if element.tag in ("Image", "Video")
    }
    regions = [region for task in tasks for prediction in task["predictions"] for region in prediction["result"]]
    assert len({region["id"] for region in regions}) == len(regions)
    for task in tasks:
        assert variables <= task["data"].keys()
        for prediction in task["predictions"]:
            assert isinstance(prediction["model_version"], str)
            assert 0 <= prediction["score"] <= 1
    for region in regions:
        assert names[region["from_name"]].tag.lower() == region["type"]
        assert names[region["from_name"]].get("toName") == region["to_name"]
        value = region["value"]
        assert set(value.get("rectanglelabels", value.get("labels"))) <= allowed
        for box in value.get("sequence", [value]):
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 100
            assert 0 <= box["y"] <= box["y"] + box["height"] <= 100


def test_an_empty_store_is_a_project_without_tasks(tmp_path, make):
    tasks, interface = export(tmp_path, make.source())
    assert tasks == []
    assert [label.get("value") for label in interface.iter("Label")] == ["bird", "animal", "person", "vehicle"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["label-studio.json", "label-studio.xml"]


def test_boxes_are_predictions_in_percent(tmp_path, make):
    media = [
        make.media("DCIM/a.jpg", make.detection(), make.person(box=1, x=-0.01)),
        make.media("b.jpg"),
        make.failure("c.jpg"),
    ]
    tasks, interface = export(tmp_path, make.source(media))
    check(tasks, interface)
    first, blank = tasks
    assert first["data"]["image"] == "/data/local-files/?d=DCIM/a.jpg"
    [prediction] = first["predictions"]
    assert prediction["model_version"] == "coco + davit_tiny_il-all"
    assert prediction["score"] == 0.75
    bird, person = prediction["result"]
    assert (bird["original_width"], bird["original_height"]) == (640, 480)
    assert bird["value"] == {
        "x": 25,
        "y": 50,
        "width": 12.5,
        "height": 25,
        "rotation": 0,
        "rectanglelabels": ["Oenanthe lugens"],
    }
    assert person["value"]["rectanglelabels"] == ["person"]
    assert blank["predictions"][0]["result"] == []
    hints = {label.get("value"): label.get("hint") for label in interface.iter("Label")}
    assert hints["Oenanthe lugens"] == "Mourning wheatear / סלעית לבנת-כנף"


def test_hard_names_survive_in_addresses(tmp_path, make, hard_media):
    tasks, interface = export(tmp_path, make.source(hard_media), label_studio_prefix="/data/local-files/?d=cards/")
    check(tasks, interface)
    served = [parse_qs(urlsplit(task["data"]["image"]).query)["d"][0] for task in tasks]
    assert served == [f"cards/{record.path}" for record in hard_media]


def test_labels_are_escaped_in_the_interface(tmp_path, make):
    odd = 'O\'Brien & "co" <b>'
    tasks, interface = export(tmp_path, make.source([make.media("a.jpg", make.detection(name=odd, english_name=odd))]))
    check(tasks, interface)


def test_videos_are_a_project_of_their_own_with_a_region_an_individual(tmp_path, make):
    track = [make.detection(frame_number=n, time_s=n / 30, individual_id="i1", box=0) for n in (0, 30, 90)]
    other = make.detection(frame_number=90, time_s=3.0, x=0.75, box=1)
    video = make.video("v.mp4", *track, other, frames=(0, 30, 60, 90), duration_s=4.0)
    photos, _ = export(tmp_path, make.source([video]))
    assert photos == []
    tasks = json.loads((tmp_path / "label-studio-videos.json").read_text())
    interface = ET.parse(tmp_path / "label-studio-videos.xml").getroot()
    check(tasks, interface)
    rate = float(interface.find("Video").get("framerate"))
    first, second = tasks[0]["predictions"][0]["result"]
    frames = first["value"]["sequence"]
    assert [frame["frame"] for frame in frames] == [1, 26, 76]
    assert [frame["enabled"] for frame in frames] == [True, False, False]  # not seen at frame 60, and never after 90
    assert first["value"]["framesCount"] == 4 * rate
    assert [frame["time"] for frame in second["value"]["sequence"]] == [pytest.approx(3.0)]


@pytest.mark.parametrize("tick", [1 / 25, 512 * (1 / 12800)])
def test_every_frame_of_a_video_at_the_projects_rate_is_its_own_key_frame(tmp_path, make, tick):
    """1.16 s times 25 is a little less than 29."""
    track = [make.detection(frame_number=n, time_s=n * tick, individual_id="i1") for n in range(2000)]
    export(tmp_path, make.source([make.video("v.mp4", *track, frames=tuple(range(2000)), duration_s=80.0)]))
    [task] = json.loads((tmp_path / "label-studio-videos.json").read_text())
    [region] = task["predictions"][0]["result"]
    assert [key["frame"] for key in region["value"]["sequence"]] == list(range(1, 2001))
