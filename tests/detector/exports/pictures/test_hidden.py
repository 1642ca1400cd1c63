"""Where people are in the frames of a video: nobody is seen on the way from one sampled frame to another."""

import av
import numpy as np
import pytest

from detector.exports.pictures.crops import make_crops
from detector.exports.pictures.hidden import WHOLE, Area, HiddenAreas
from detector.exports.pictures.media_files import MediaTask
from detector.exports.pictures.videos import make_video
from detector.footage.video import Video

FRAMES, SAMPLED, RATE = 13, (0, 4, 8, 12), 4
SIZE_WH = (320, 240)
WIDTH, HEIGHT = 48, 96  # of the person, pixels


def test_nobody_to_hide_hides_nothing():
    assert HiddenAreas((), ()).at(5) == ()
    assert HiddenAreas((0, 30), ()).at(15) == ()


def test_in_a_photo_the_boxes_are_hidden(make):
    person = make.person()
    assert HiddenAreas((0,), (person,)).at(0) == (person,)


def test_between_two_frames_all_that_lies_between_is_hidden(make):
    person = make.person(frame_number=30, individual_id="p", x=0.25, y=0.5, w=0.25, h=0.25)
    later = make.person(frame_number=60, individual_id="p", x=0.75, y=0.25, w=0.25, h=0.5)
    hidden = HiddenAreas((0, 30, 60, 90), (person, later))
    assert hidden.at(30) == (person,)
    assert hidden.at(31) == hidden.at(59) == (Area(0.25, 0.25, 0.75, 0.5),)
    assert hidden.at(60) == (later,)


def test_who_comes_or_goes_may_be_anywhere(make):
    alone = make.person(frame_number=30, individual_id=None)
    hidden = HiddenAreas((0, 30, 60, 90), (alone,))
    assert [hidden.at(number) == (WHOLE,) for number in (0, 1, 29, 30, 31, 59, 60, 61)] == [
        False, True, True, False, True, True, False, False,
    ]  # fmt: skip
    assert HiddenAreas((0, 30), (alone,)).at(31) == (WHOLE,)  # after the last


def test_whom_a_detector_missed_in_one_frame_is_hidden_there_too(make):
    boxes = [make.person(frame_number=number, individual_id="p", x=0.01 * number, w=0.1) for number in (10, 30)]
    [part] = HiddenAreas((0, 10, 20, 30), boxes).at(20)
    assert (part.x, part.w) == (pytest.approx(0.1), pytest.approx(0.3))


def stripes(number: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A grey frame through which a striped person walks, ever faster and down and up; and its left upper corner."""
    pixels = np.full((SIZE_WH[1], SIZE_WH[0], 3), 100, np.uint8)
    way = number / (FRAMES - 1)
    left = round((SIZE_WH[0] - WIDTH) * way)
    top = round((SIZE_WH[1] - HEIGHT) * way)
    pixels[top : top + HEIGHT, left : left + WIDTH] = np.where(np.arange(HEIGHT) % 8 < 4, 0, 255)[:, None, None]
    return pixels, (left, top)


def detail(picture: np.ndarray) -> float:
    """The strongest edge from a row to the next but three, grey levels."""
    grey = picture.astype(float).mean(-1)
    return float(np.abs(grey[4:] - grey[:-4]).max())


@pytest.fixture
def walker(tmp_path, make):
    """A video, and the record of it: of four sampled frames the third missed the person; a bird sits below."""
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "bgr0"
        for number in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stripes(number)[0], format="rgb24")))
        container.mux(stream.encode(None))
    people = []
    for number in (0, 4, 12):
        left, top = stripes(number)[1]
        place = {"x": left / SIZE_WH[0], "y": top / SIZE_WH[1], "w": WIDTH / SIZE_WH[0], "h": HEIGHT / SIZE_WH[1]}
        people.append(make.person(frame_number=number, individual_id="p", **place))
    birds = [make.detection(frame_number=number, box=1, x=0.3, y=0.3, w=0.6, h=0.6) for number in SAMPLED]
    return make.video("v.mkv", *people, *birds, frames=SAMPLED), tuple(people)


@pytest.mark.parametrize("hides", [False, True])
def test_in_no_frame_of_a_drawn_video_a_walker_can_be_recognised(tmp_path, walker, hides):
    record, people = walker
    task = MediaTask(tmp_path / "v.mkv", record, (), tmp_path / "videos", people if hides else ())
    [made] = make_video(task)
    frames = [frame.image for frame in Video(tmp_path / "videos" / made.name).read("all")]
    assert len(frames) == FRAMES
    if hides:
        assert max(map(detail, frames)) < 90
    else:
        assert min(map(detail, frames)) > 200


def test_nor_in_a_crop_of_a_frame_in_which_the_detector_missed_it(tmp_path, walker):
    from PIL import Image

    record, people = walker
    shown = tuple(box for box in record.detections if box.kind == "bird")
    for hidden, low, high in ((), 200, 256), (people, 0, 90):
        made = [*make_crops(MediaTask(tmp_path / "v.mkv", record, shown, tmp_path / "crops", hidden))]
        [missed] = [each.name for each in made if "_000008_" in each.name]
        assert low <= detail(np.asarray(Image.open(tmp_path / "crops" / missed))) < high
