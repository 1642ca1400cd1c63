"""Pictures of the page: by id and box alone, people blurred, each made once."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from detector.exports.pictures.blurring import NONE
from detector.review.pictures import Crop, Pictures, PictureTask, least_side, make_pictures
from tests.detector.review.conftest import SIZE_WH


def decoded(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)


def picture(page, path, **query):
    response = page.client.get(path, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    return decoded(response.content)


def test_a_crop_is_the_box_with_what_is_around_it(page, photos):
    crop = picture(page, "/pictures/crop", media=photos.id("hoopoe0.jpg"), frame=0, box=0)
    assert crop.shape == (96, 63)  # 1/8 x 1/4 of 160 x 120 and half as much again, to whole pixels, enlarged
    whole = picture(page, "/pictures/frame", media=photos.id("hoopoe0.jpg"), frame=0, size="thumb")
    assert whole.shape == SIZE_WH[::-1]


def test_people_are_blurred_also_those_that_a_person_has_just_named(opened, store, photos):
    page = opened(store)
    asked = {"media": photos.id("hoopoe0.jpg"), "frame": 0}
    box = (slice(65, 85), slice(45, 55))  # inside of it
    before = picture(page, "/pictures/frame", **asked)[box].std()
    card = page.get("/api/boxes", queue="all", order="time")["cards"][0]
    [after] = page.mark("person", boxes=[photos.box("hoopoe0.jpg")])["cards"]
    assert after["version"] != card["version"]
    assert picture(page, "/pictures/frame", **asked)[box].std() < before / 3
    page.answers.close()
    plain = opened(store, blur=NONE)
    assert picture(plain, "/pictures/frame", **asked)[box].std() == pytest.approx(before, rel=0.1)


def test_a_picture_that_cannot_be_made_is_no_end_and_is_tried_again(page, photos, tmp_path):
    asked = {"media": photos.id("hoopoe1.jpg"), "frame": 0, "box": 0}
    file = tmp_path / "card" / "hoopoe1.jpg"
    shutil.move(file, tmp_path / "away.jpg")
    assert page.client.get("/pictures/crop", params=asked).status_code == 409
    shutil.move(tmp_path / "away.jpg", file)
    assert picture(page, "/pictures/crop", **asked).size


def test_a_picture_is_made_once_and_forgotten_when_there_is_no_room(tmp_path):
    from tests.detector.review.conftest import write_photo

    write_photo(tmp_path / "a.jpg", 0)
    tasks = [PictureTask(tmp_path / "a.jpg", False, 0, SIZE_WH, longest_px=size) for size in (40, 50)]
    with Pictures(cache_bytes=1) as pictures:
        first = pictures(tasks[0]).result()
        assert pictures(tasks[0]).result() is first
        pictures(tasks[1]).result()
        assert pictures(tasks[0]).result() is not first


def test_a_large_photo_is_decoded_as_small_as_its_boxes_allow(tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(cv2.imencode(".jpg", np.full((1200, 1600, 3), 128, np.uint8))[1].tobytes())
    large, small = Crop(0, 0.0, 0.0, 1.0, 1.0), Crop(3, 0.5, 0.5, 0.1, 0.1)
    task = PictureTask(path, False, 0, (1600, 1200), crops=(large, small))
    sizes = {number: decoded(content).shape for number, content in make_pictures(task)}
    assert sizes == {0: (180, 240), 3: (180, 240)}  # the small one of all pixels that there are
    assert least_side(task) == 1200
    assert least_side(replace(task, crops=(large,))) == 180
