"""Photos and videos among objects are found by the rules of disks; odd keys are named, and cost no other."""

from __future__ import annotations

from collections import Counter

from backbones.errors import MediaError
from detector.base.objects.address import Address
from detector.base.objects.service import ObjectInfo
from detector.footage.object_media import ObjectWalk


def found(*keys: str, excluded: tuple[str, ...] = ()) -> tuple[list[str], list[str], Counter[str]]:
    """Paths of the items among objects of these keys, problems, and what was passed over."""
    problems: list[MediaError] = []
    others: Counter[str] = Counter()
    walk = ObjectWalk(Address("s3", "b", "card"), "card", problems.append, lambda suffix: others.update((suffix,)))
    objects = [ObjectInfo(f"card/{key}", 3, "etag") for key in keys]
    items = list(walk.items(objects, excluded))
    assert all(str(item.file) == f"s3://b/card/{item.path}" for item in items)
    return [item.path for item in items], [str(problem) for problem in problems], others


def test_nothing_is_found_in_nothing() -> None:
    assert found() == ([], [], Counter())


def test_photos_and_videos_are_told_by_their_names() -> None:
    paths, problems, others = found("a.JPG", "sub/v.mp4", "notes.txt", "x", "sub/", "zero folder/")
    assert (paths, problems, others) == (["a.JPG", "sub/v.mp4"], [], Counter({".txt": 1, "without a suffix": 1}))


def test_hidden_and_system_folders_and_excluded_ones_are_left_out() -> None:
    keys = (".trash/a.jpg", "@eaDir/a.jpg", "OUT/images/a.jpg", "OUTER/a.jpg", "a.jpg")
    assert found(*keys, excluded=("OUT",)) == (["OUTER/a.jpg", "a.jpg"], [], Counter())


def test_keys_that_are_no_safe_paths_are_named() -> None:
    hostile = ("../a.jpg", "x/../../b.jpg", "x//c.jpg", "./d.jpg", "e\\f.jpg", "/g.jpg")
    paths, problems, _ = found(*hostile, "good name\nwith é.jpg")
    assert paths == ["good name\nwith é.jpg"]
    assert len(problems) == len(hostile)


def test_one_name_in_two_unicode_forms_is_one_file() -> None:
    paths, problems, _ = found("e\u0301.jpg", "\u00e9.jpg", "\u212a.jpg", "K.jpg")
    assert paths == ["e\u0301.jpg", "K.jpg"]
    assert len(problems) == 2
