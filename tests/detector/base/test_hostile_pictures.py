"""Pictures that claim much and hold little, or the other way round, end soon: as a picture or as a reason."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import MediaError
from backbones.inference.images import our_limits
from detector.base import pictures
from detector.base.failures import OUT_OF_MEMORY, failure_words, ran_out_of_memory
from detector.base.pictures import decode_picture

SCENE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def encoded(kind: str, **options: object) -> bytes:
    Image.fromarray(SCENE).save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def pixels(rows: int = 64) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in SCENE[:rows])


IDAT = zlib.compress(pixels())
SEGMENT = b"\xff\xe1" + struct.pack(">H", 60_002 - 4) + b"Exif\0\0" + bytes(59_990)
JPEG = encoded("JPEG")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"P6\n17000 17000\n255\n", "it claims 17000 x 17000 pixels, more than the 250 million that are decoded"),
        (png(17_000, 17_000, chunk(b"IDAT", IDAT)), "it claims 17000 x 17000 pixels"),
        (encoded("GIF")[:6] + struct.pack("<HH", 65_535, 65_535) + encoded("GIF")[10:], "it claims 65535 x 65535"),
        (png(96, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(8 << 20))), chunk(b"IDAT", IDAT)), "too large"),
        (png(96, 64, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(8 << 20))), chunk(b"IDAT", IDAT)), "too large"),
        (JPEG[:2] + SEGMENT * 300 + JPEG[2:], "it has more than 100 EXIF blocks"),
        (b"P6\n" + b"9" * 100_000 + b" 1\n255\n", "this is a PPM image, but damaged"),
    ],
    ids=["PPM's claim", "PNG's claim", "GIF's claim", "text", "profile", "EXIF", "endless number"],
)
def test_what_claims_too_much_is_refused_and_told(data: bytes, problem: str) -> None:
    with pytest.raises(MediaError) as caught:
        decode_picture(data)
    assert problem in caught.value.problem
    assert caught.value.hint


def test_the_limit_of_pixels_is_the_same_for_all_and_can_be_lowered() -> None:
    with pytest.raises(MediaError, match="more than the 0 million"):
        decode_picture(JPEG, max_pixels=96 * 64 - 1)
    assert decode_picture(JPEG, max_pixels=96 * 64).size_wh == (96, 64)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"])
def test_pillows_own_limit_is_neither_heeded_nor_changed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_picture(encoded(kind)).size_wh == (96, 64)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_threads_leave_pillows_limit_and_the_warnings_as_they_were() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    data = [encoded(kind) for kind in ("TIFF", "PNG", "GIF")] * 30
    with ThreadPoolExecutor(4) as pool:
        assert {picture.size_wh for picture in pool.map(decode_picture, data)} == {(96, 64)}
    assert (limit, filters) == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    with pytest.raises(ZeroDivisionError), our_limits():
        _ = 1 / 0
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (png(96, 64, chunk(b"IDAT", IDAT)[:-1] + b"\0"), 64),  # the sum does not fit
        (png(96, 64, chunk(b"IDAT", IDAT))[:-12], 64),  # the end is missing
    ],
)
def test_a_png_that_libpng_refuses_is_shown_with_a_warning(data: bytes, rows: int) -> None:
    picture = decode_picture(data)
    np.testing.assert_array_equal(picture.image[:rows], SCENE[:rows])
    assert picture.warning == "a part of the picture is lost: its data are damaged"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        OSError("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
        ValueError("std::bad_alloc"),
    ],
)
def test_no_memory_is_one_reason_in_every_librarys_words(error: Exception) -> None:
    assert ran_out_of_memory(error)
    assert failure_words(error) == OUT_OF_MEMORY


def test_a_picture_for_which_there_is_no_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pictures, "_pixels", no_memory)
    with pytest.raises(MediaError) as caught:
        decode_picture(JPEG)
    assert caught.value.problem == OUT_OF_MEMORY


@given(st.text(), st.integers(0, 2**48))
def test_reasons_hold_no_addresses(text: str, address: int) -> None:
    first, second = (ValueError(f"{text} <object at {number:#014x}>") for number in (address, address + 16))
    assert failure_words(first) == failure_words(second)


@given(st.data())
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM"])
def test_damaged_bytes_are_a_picture_or_a_reason_that_does_not_change(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for _ in range(2):
        try:
            # a small limit, as a damaged head may claim much
            picture = decode_picture(bytes(content), max_pixels=1_000_000)
            outcomes.append((picture.size_wh, picture.image.shape, picture.warning))
        except MediaError as error:
            outcomes.append((error.problem, error.hint))
    assert outcomes[0] == outcomes[1]
