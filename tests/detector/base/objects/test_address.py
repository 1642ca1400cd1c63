"""Addresses are told from paths, kept to the letter, and hold no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import ConfigError
from detector.base.objects.address import Address, absolute_place, lies_in, path_inside, place_of, real_place
from detector.base.objects.errors import without_secrets


@pytest.mark.parametrize("word", ["", "card", "E:/card", r"E:\card", "/mnt/card", "a:b/c", "./s3/x", "C://x"])
def test_what_is_no_address_is_a_path(word: str) -> None:
    assert place_of(word) == Path(word)


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("s3://b", Address("s3", "b")),
        ("s3://b/", Address("s3", "b")),
        ("S3://b/a/c.jpg", Address("s3", "b", "a/c.jpg")),
        ("s3a://b/x/", Address("s3", "b", "x")),
        ("gcs://b/x", Address("gs", "b", "x")),
        ("abfs://c/x", Address("az", "c", "x")),
        ("s3:/b/x", Address("s3", "b", "x")),
        ("s3://b/a b/é?#%41\n.jpg", Address("s3", "b", "a b/é?#%41\n.jpg")),
    ],
)
def test_addresses_are_kept_to_the_letter(word: str, address: Address) -> None:
    assert place_of(word) == address
    assert place_of(str(address)) == address


def test_a_file_address_is_a_path() -> None:
    assert place_of("file:///data/card") == Path("/data/card")


@pytest.mark.parametrize("word", ["https://example.org/x.jpg", "s3:///x", "ftp://a/b", "hdfs://a/b"])
def test_other_addresses_are_refused(word: str) -> None:
    with pytest.raises(ConfigError):
        place_of(word)


@pytest.mark.parametrize(
    "word",
    [
        "s3://AKIAKEY:SECRET@bucket/x",
        "s3://AKIAKEY:half/SECRET+of@bucket/x",
        "s3://bucket/x?X-Amz-Credential=AKIAKEY&X-Amz-Signature=SECRET",
        "az://container/x?sv=1&sig=SECRET",
    ],
)
def test_credentials_in_addresses_are_refused_and_not_repeated(word: str) -> None:
    with pytest.raises(ConfigError, match="credentials") as caught:
        place_of(word)
    assert "SECRET" not in str(caught.value)
    assert "AKIAKEY" not in str(caught.value)
    assert "SECRET" not in without_secrets(f"GET {word} failed")


KEYS = st.lists(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1), min_size=1)


@given(KEYS, KEYS)
def test_what_is_joined_is_found_inside(outer: list[str], inner: list[str]) -> None:
    root = Address("s3", "b", "/".join(outer))
    place = root / "/".join(inner)
    assert lies_in(str(place), str(root))
    assert not lies_in(str(root), str(place))
    assert path_inside(str(place), str(root)) == "/".join(inner)
    assert place.name == inner[-1]
    assert place.parents[len(inner) - 1] == root
    assert real_place(place) == absolute_place(place) == str(place)


def test_a_name_that_begins_alike_is_not_inside() -> None:
    assert not lies_in("s3://b/cards", "s3://b/card")
    assert lies_in("s3://b/card", "s3://b")
