"""A JPEG that lost a part but kept its end is read, and it is said that a part is lost."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detector.base.pictures import decode_picture
from detector.base.torn import loss_in
from detector.footage.isolation import IsolatedReaders, Produced

sys.path.insert(0, str(Path(__file__).parents[1] / "footage"))  # the processes get this path
import reader_tasks

END = b"\xff\xd9"
EARLY = "a part of the picture is lost: its data end too early"
DAMAGED = "a part of the picture is lost: its data are damaged"


def jpeg(**options: object) -> bytes:
    coarse = np.random.default_rng(1).integers(0, 256, (12, 16, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
    picture.save(buffer := io.BytesIO(), "JPEG", quality=88, **options)
    return buffer.getvalue()


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)] + END


def holed(data: bytes, start: float, share: float, filling: int) -> bytes:
    first, size = int(len(data) * start), int(len(data) * share)
    return data[:first] + bytes([filling]) * size + data[first + size :]


def with_thumbnail(data: bytes) -> bytes:
    GREY.resize((16, 16)).save(thumbnail := io.BytesIO(), "JPEG")
    segment = b"Exif\0\0II*\0" + thumbnail.getvalue()
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


GREY = Image.new("RGB", (64, 64), (128, 128, 128))
WHOLE = {"plain": jpeg(), "progressive": jpeg(progressive=True), "restarts": jpeg(restart_marker_rows=1)}
WHOLE["thumbnail"] = with_thumbnail(WHOLE["plain"])
TORN = {  # whose data end early, so that the last pixels are made up
    **{f"cut at {share}": cut(WHOLE["plain"], share) for share in (0.2, 0.5, 0.8, 0.95, 0.99)},
    "filled with zeros": WHOLE["plain"][:6000] + bytes(3000) + END,
    "a hole of zeros": holed(WHOLE["plain"], 0.5, 0.2, 0),
    "a stray marker": WHOLE["plain"][:6000] + b"\xff\xc1" + WHOLE["plain"][6000:],
    "a thumbnail": with_thumbnail(cut(WHOLE["plain"], 0.6)),
    "restarts, cut": cut(WHOLE["restarts"], 0.6),
}
DAMAGED_INSIDE = {  # which libjpeg alone notices
    "progressive, cut": (cut(WHOLE["progressive"], 0.6), EARLY),
    "restarts, a hole": (holed(WHOLE["restarts"], 0.5, 0.1, 0xA5), DAMAGED),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("min_side", [None, 40])
def test_a_whole_picture_has_no_warning(name: str, min_side: int | None) -> None:
    assert decode_picture(WHOLE[name], min_side=min_side).warning is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_grey_that_was_photographed_is_not_lost(options: dict[str, object]) -> None:
    GREY.save(buffer := io.BytesIO(), "JPEG", **options)
    picture = decode_picture(buffer.getvalue())
    assert (picture.image[-1, -1] == 128).all()
    assert picture.warning is None


@pytest.mark.parametrize("name", TORN)
@pytest.mark.parametrize("min_side", [None, 40, 120])
def test_data_that_end_early_are_noticed_everywhere(name: str, min_side: int | None) -> None:
    picture = decode_picture(TORN[name], min_side=min_side)
    assert picture.warning == EARLY
    assert picture.size_wh == (320, 240)


def test_what_is_there_of_a_torn_picture_is_read_as_ever() -> None:
    whole, torn = (decode_picture(data).image for data in (WHOLE["plain"], TORN["cut at 0.8"]))
    np.testing.assert_array_equal(torn[:96], whole[:96])
    assert (torn[-8:] == 128).all()


@pytest.mark.skipif(os.name != "posix", reason="the decoders' words cannot be collected")
def test_a_reading_process_hears_all_that_libjpeg_notices(capfd: pytest.CaptureFixture[str]) -> None:
    expected = dict.fromkeys(WHOLE.values()) | dict.fromkeys(TORN.values(), EARLY)
    expected |= dict(DAMAGED_INSIDE.values())
    with IsolatedReaders(1, reader_tasks.losses) as readers:
        events = list(readers.run(expected))
    found = [(event.task, event.value) for event in events if isinstance(event, Produced)]
    assert len(found) == 2 * len(expected)
    assert all(loss == expected[data] for data, loss in found)
    assert "JPEG" not in capfd.readouterr().err, "they would not say of which file"


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ("", None),
        ("Corrupt JPEG data: 3 extraneous bytes before marker 0xd9\n", None),  # some cameras fill up
        ("Corrupt JPEG data: 354 extraneous bytes before marker 0xd9\n", DAMAGED),
        ("Invalid SOS parameters for sequential JPEG\n", None),
        ("Corrupt JPEG data: bad Huffman code\n", DAMAGED),
        ("Corrupt JPEG data: found marker 0xd9 instead of RST4\n", DAMAGED),
        ("Corrupt JPEG data: 2 extraneous bytes before marker 0xd9\nCorrupt JPEG data: premature end of d", EARLY),
    ],
)
def test_only_words_of_loss_count(words: str, loss: str | None) -> None:
    assert loss_in(words) == loss
