"""Every photo and video of a card is found once, in the same order, whatever else is there."""

import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from backbones.errors import MediaError
from detector.base.pictures import passed_over_words
from detector.footage import discovery
from detector.footage.discovery import find_media, media_type
from detector.types import MediaItem


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def paths(folder: Path, **options: object) -> list[str]:
    return [item.path for item in find_media(folder, "card", **options)]


def passed_over(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    list(find_media(folder, "card", pass_over=lambda suffix: found.update((suffix,))))
    return found


def test_an_empty_folder_has_no_media(tmp_path: Path) -> None:
    assert paths(tmp_path) == []


def test_media_are_told_by_extension_in_any_case(tmp_path: Path) -> None:
    touch(
        tmp_path, "a.jpg", "b.JPG", "c.JpEg", "d.png", "e.TIF", "f.tiff", "g.webp", "h.BMP", "i.MP4", "j.mov", "k.AVI"
    )
    touch(tmp_path, "k.AVI", "l.mkv", "notes.txt", "data.json", "jpg", "mp4", "m.jpg.bak", "n.thm")
    items = list(find_media(tmp_path, "card"))
    assert [item.path for item in items if item.media_type == "photo"] == sorted(
        ["a.jpg", "b.JPG", "c.JpEg", "d.png", "e.TIF", "f.tiff", "g.webp", "h.BMP"]
    )
    assert [item.path for item in items if item.media_type == "video"] == ["i.MP4", "j.mov", "k.AVI", "l.mkv"]


def test_an_item_says_where_it_is_and_how_large(tmp_path: Path) -> None:
    touch(tmp_path, "DCIM/100RECNX/IMG_1.JPG")
    file = tmp_path / "DCIM/100RECNX/IMG_1.JPG"
    expected = MediaItem("card", "DCIM/100RECNX/IMG_1.JPG", "photo", file.stat().st_size, file)
    assert list(find_media(tmp_path, "card")) == [expected]


def test_the_order_is_that_of_the_parts_of_the_path(tmp_path: Path) -> None:
    names = ["Z.jpg", "a.jpg", "b/1.jpg", "b/10.jpg", "b/2.jpg", "b c/1.jpg", "b-c/1.jpg", "ä/1.jpg", "ינשוף/1.jpg"]
    shuffled = names.copy()
    random.shuffle(shuffled)
    touch(tmp_path, *shuffled)
    assert paths(tmp_path) == sorted(names, key=lambda name: name.split("/"))


def test_names_may_be_long_and_of_any_script(tmp_path: Path) -> None:
    deep = "/".join(["מצלמה " * 15] * 8)
    names = [f"{deep}/🦉 (1).JPG", "x" * 250 + ".jpg", "cafe\u0301.jpg"]
    touch(tmp_path, *names)
    assert sorted(paths(tmp_path)) == sorted(names)


def test_two_forms_of_one_name_are_not_taken_for_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "cafe\u0301.jpg", "caf\u00e9.jpg")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this disk knows one form only")
    problems: list[MediaError] = []
    assert len(list(find_media(tmp_path, "card", report=problems.append))) == 1
    assert "another Unicode form" in problems[0].problem


def test_hidden_and_system_files_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "DCIM/1.jpg", "DCIM/._1.jpg", ".hidden.jpg", ".Trashes/2.jpg", ".Spotlight-V100/3.jpg")
    touch(tmp_path, "$RECYCLE.BIN/4.jpg", "System Volume Information/5.jpg", "DCIM/@eaDir/1.jpg/thumb.jpg", "Thumbs.db")
    assert paths(tmp_path) == ["DCIM/1.jpg"]


def test_a_hidden_folder_may_be_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, ".store/a.jpg")
    assert paths(tmp_path / ".store") == ["a.jpg"]


def test_folders_named_like_photos_are_folders(tmp_path: Path) -> None:
    touch(tmp_path, "trip.jpg/a.jpg")
    assert paths(tmp_path) == ["trip.jpg/a.jpg"]


def test_links_cannot_lead_in_circles_or_list_a_folder_twice(tmp_path: Path) -> None:
    card, elsewhere = tmp_path / "card", tmp_path / "elsewhere"
    touch(card, "a/1.jpg", "b/2.jpg")
    touch(elsewhere, "3.jpg", "deep/4.jpg")
    (card / "a/up").symlink_to(card, target_is_directory=True)
    (card / "a/further up").symlink_to(tmp_path, target_is_directory=True)
    (card / "a/self").symlink_to(card / "a/self")
    (card / "c").symlink_to(card / "b", target_is_directory=True)
    (card / "d").symlink_to(elsewhere, target_is_directory=True)
    (card / "e").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "back").symlink_to(elsewhere, target_is_directory=True)
    assert paths(card) == ["a/1.jpg", "b/2.jpg", "d/3.jpg", "d/deep/4.jpg"]


def test_links_to_files_are_followed_and_broken_ones_reported(tmp_path: Path) -> None:
    touch(tmp_path, "store/1", "card/a.jpg")
    (tmp_path / "card/b.jpg").symlink_to(tmp_path / "store/1")
    (tmp_path / "card/c.jpg").symlink_to(tmp_path / "store/gone")
    problems: list[MediaError] = []
    assert paths(tmp_path / "card", report=problems.append) == ["a.jpg", "b.jpg"]
    assert [Path(str(error.where)).name for error in problems] == ["c.jpg"]


def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(tmp_path / "pipe.jpg")  # reading it would wait for ever
    problems: list[MediaError] = []
    assert paths(tmp_path, report=problems.append) == []
    assert [error.problem for error in problems] == ["this is a device or pipe, not a file"]


def test_an_unreadable_folder_is_reported_and_the_others_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    scandir = os.scandir

    def refusing(folder: str) -> object:
        if folder.endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)  # root could read any folder that a test makes unreadable
    problems: list[MediaError] = []
    assert paths(tmp_path, report=problems.append) == ["a/1.jpg", "c/3.jpg"]
    assert [error.where for error in problems] == [str(tmp_path / "b")]
    assert "Permission denied" in problems[0].problem
    assert problems[0].hint


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_a_name_that_is_not_unicode_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")).write_bytes(b"1")
    problems: list[MediaError] = []
    assert paths(tmp_path, report=problems.append) == ["a.jpg"]
    assert len(problems) == 1
    assert str(problems[0]).isascii()


def test_a_single_file_is_listed_under_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    assert list(find_media(tmp_path / "b.jpg", "card")) == [
        MediaItem("card", "b.jpg", "photo", len("b.jpg"), tmp_path / "b.jpg")
    ]


def test_a_file_that_is_no_medium_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    problems: list[MediaError] = []
    assert list(find_media(tmp_path / "notes.txt", "card", report=problems.append)) == []
    assert "neither a photo nor a video" in problems[0].problem


def test_an_absent_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        list(find_media(tmp_path / "gone", "card"))


def test_inputs_restrict_the_listing_and_may_overlap(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/b/2.jpg", "ab/3.jpg", "c.jpg", "d.jpg")
    assert paths(tmp_path, inputs=("d.jpg", "a/b", "a", "a/1.jpg")) == ["a/1.jpg", "a/b/2.jpg", "d.jpg"]
    assert paths(tmp_path, excluded=("a",)) == ["ab/3.jpg", "c.jpg", "d.jpg"]


def test_media_type_of_names_without_extension() -> None:
    assert [media_type(name) for name in ("", "jpg", ".jpg", "a.jpg", "a.b/c", "a.Mp4")] == [
        *[None, None, None, "photo", None, "video"]
    ]


def test_the_work_a_file_costs_does_not_grow_with_its_folder(tmp_path: Path) -> None:
    calls = []
    for count in (100, 1000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"IMG_{number:05}.JPG").touch()
        seen = Counter()
        sys.setprofile(lambda _frame, event, _argument, seen=seen: seen.update([event]))
        try:
            listed = paths(folder)
        finally:
            sys.setprofile(None)
        assert len(listed) == count
        calls.append(seen["call"] + seen["c_call"])
    assert calls[1] < 11 * calls[0]


def test_what_is_passed_over_is_counted_by_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not passed_over(tmp_path)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for name, content in (
        *(("a.JPG", b"x"), ("b.gif", b"x"), ("notes.TXT", b"x"), ("more.txt", b"x"), ("raw.CR2", b"x")),
        *(("README", b"x"), ("._a.JPG", b"x"), (".hidden", b"x"), ("phone.HEIC", heic), ("jpeg.heic", b"\xff\xd8\xff")),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.txt").mkdir()
    monkeypatch.setattr(discovery, "can_read_heic", lambda: False)
    assert [item.path for item in find_media(tmp_path, "card")] == ["a.JPG", "b.gif", "jpeg.heic"]
    words = passed_over_words(passed_over(tmp_path))
    assert words == "5 files passed over: 2 .txt, 1 .cr2, 1 .heic (pip install hoopoe[heic]), 1 without a suffix"
    monkeypatch.setattr(discovery, "can_read_heic", lambda: True)
    assert [item.path for item in find_media(tmp_path, "card")] == ["a.JPG", "b.gif", "jpeg.heic", "phone.HEIC"]
    assert passed_over(tmp_path).total() == 4


def test_many_suffixes_are_not_all_named() -> None:
    words = passed_over_words({f".{number}": number for number in range(1, 11)})
    assert words.startswith("55 files passed over: 10 .10, 9 .9, 8 .8")
    assert words.endswith("3 .3, 3 others")
    assert passed_over_words({".txt": 1}) == "1 file passed over: 1 .txt"
