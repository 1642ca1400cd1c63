"""JSON files are read element by element as a parser reads them whole, however the chunks fall."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base import json_stream
from detector.base.json_stream import members
from detector.base.json_text import JsonError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def read(data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for member in members(io.BytesIO(data), ["images"]):
        if member.index is None:
            content[member.name] = json.loads(member.value)
        else:
            assert member.index == len(content.setdefault("images", []))
            content["images"].append(json.loads(member.value))
    return content


def test_an_empty_object_has_no_members() -> None:
    assert read(b" {\n} ") == {}
    assert read(b'{"images": [ ]}') == {"images": []}


@given(st.lists(VALUES, max_size=4), VALUES, st.integers(1, 40))
def test_equals_a_parser_of_the_whole(images: list[Any], other: Any, chunk: int) -> None:
    content = {"info": other, "images": images, "detection_categories": {"1": 'a"\\]}'}}
    for ascii_only in (True, False):
        text = json.dumps(content, ensure_ascii=ascii_only, indent=chunk % 3 or None)
        before, json_stream.CHUNK_BYTES = json_stream.CHUNK_BYTES, chunk
        try:
            assert read(text.encode(errors="surrogatepass")) == content
        finally:
            json_stream.CHUNK_BYTES = before


@pytest.mark.parametrize(
    "pack", [lambda data: b"\xef\xbb\xbf" + data, gzip.compress, lambda d: d.decode().encode("utf-16")]
)
def test_marks_packing_and_utf_16_are_read(pack: Any) -> None:
    assert read(pack('{"images": [{"file": "é.jpg"}]}'.encode())) == {"images": [{"file": "é.jpg"}]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a"',
        '{"a": 1',
        '{"images": [{}',
        '{"images": [{},]}',
        '{"a": 1} x',
        '{"a" 1}',
        '{"images": [1 2]}',
    ]
    + ['{"a": "', "{1: 2}", '{"images": ' + "[" * 50 + "]" * 50 + "}"],
)
def test_what_is_cut_off_or_no_json_is_an_error(text: str) -> None:
    with pytest.raises(JsonError):
        read(text.encode())


def test_torn_packing_and_letters_are_told_in_words() -> None:
    text = '{"images": [{"file": "a.jpg"}]}'
    packed = gzip.compress(text.encode())
    for data in (text.encode("utf-16")[:-1], packed[:-9], packed[:14], packed[:2] + b"junk"):
        with pytest.raises(JsonError, match=r"cannot be unpacked or decoded|cut off"):
            read(data)
