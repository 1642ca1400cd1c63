"""Names of media files in exports, and names made safe for any file system."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.exports.names import LONGEST_NAME_BYTES, FileNames, frame_name, safe_name
from detector.store.run_file import CardEntry


@pytest.mark.parametrize(
    ("roots", "card", "expected"),
    [
        ({}, "A", "A/x.jpg"),
        ({"A": "/cards/one"}, "A", "x.jpg"),
        ({"A": "/cards/one", "B": "/cards/deep/two"}, "B", "deep/two/x.jpg"),
        ({"A": "/one", "B": "/two"}, "B", "B/x.jpg"),  # only the disk's root is common
        ({"A": "/cards", "B": "/cards/two"}, "B", "two/x.jpg"),  # a card in another, whose files are no longer its own
        ({"A": "/cards", "B": "/cards/two"}, "A", "x.jpg"),
        ({"A": "/cards/one", "B": "/cards/one"}, "A", "A/x.jpg"),
        ({"A": "/cards/one", "B": "/cards/one2"}, "A", "one/x.jpg"),  # a common beginning is no nesting
        ({"A": "/cards/one", "B": "relative"}, "A", "A/x.jpg"),
    ],
)
@pytest.mark.skipif(os.sep != "/", reason="paths of POSIX")
def test_names_are_relative_to_the_folder_of_all_cards(make, roots, card, expected):
    assert (
        FileNames({card: CardEntry(root=root) for card, root in roots.items()}).of(make.media("x.jpg", card=card))
        == expected
    )


def test_the_same_path_on_two_cards_gives_two_names(make):
    for roots in ({"A": "/a", "B": "/b"}, {"A": "/c/a", "B": "/c/b"}, {"A": "/c", "B": "/c"}):
        names = FileNames({card: CardEntry(root=root) for card, root in roots.items()})
        assert names.of(make.media(card="A")) != names.of(make.media(card="B"))


def test_frames_are_numbered_as_megadetector_does():
    assert frame_name("DCIM/a.mp4", 42) == "DCIM/a.mp4/frame000042.jpg"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", " ", "../../etc/passwd", "C:\\x", "CON", "nul.txt", "a\0b", "x. "]
)
def test_hard_names_are_made_safe(text):
    name = safe_name(text)
    assert name
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name.split(".")[0].upper() not in ("CON", "NUL")


@given(st.text())
def test_a_safe_name_is_one_part_of_a_path_and_stays_itself(tmp_path_factory, text):
    name = safe_name(text)
    base = tmp_path_factory.getbasetemp()
    assert (base / name).resolve().parent == base.resolve()
    assert len(name.encode()) <= LONGEST_NAME_BYTES + 1
    assert name[-1] not in ". "
    assert safe_name(name) == name


def test_hebrew_letters_stay_and_are_not_cut_in_half():
    assert safe_name("סלעית") == "סלעית"
    assert safe_name("x" + "ס" * 100) == "x" + "ס" * 39
