"""Parts of the media list: each file is in one, and in the same wherever it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.errors import ConfigError
from detector.annotation.listing.shard import ListShard
from detector.annotation.request import AnnotateRequest, Models
from detector.annotation.run import annotate
from detector.store.joining.merging import merge
from detector.store.run_json import load_run
from detector.types import MediaItem
from tests.detector.annotation.store_checks import assert_same_facts, read_store


def media(count):
    return [MediaItem("card", f"{n % 7}/{n}.jpg", "photo", 1, Path(f"{n}.jpg")) for n in range(count)]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.0/4"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ConfigError, match="no part of the files"):
        ListShard.parse(text)


@pytest.mark.parametrize("whole_folders", [False, True])
def test_each_file_is_in_one_part(whole_folders):
    shards = [ListShard.parse(f"{number}/4") for number in range(1, 5)]
    held = [[shard.holds(item, whole_folders) for shard in shards] for item in media(400)]
    assert all(sum(each) == 1 for each in held)
    if not whole_folders:
        assert all(60 < sum(part) < 140 for part in zip(*held, strict=True))


def test_folders_stay_together_where_photos_depend_on_those_before():
    shard = ListShard(1, 3)
    told = {(item.path[0], shard.holds(item, whole_folders=True)) for item in media(100)}
    assert len(told) == 7


def test_the_parts_are_the_same_in_every_version():
    assert [n for n, item in enumerate(media(20)) if ListShard(1, 4).holds(item)] == [5, 7, 15, 19]


def test_merged_parts_are_the_store_of_the_whole(make_card, detector, settings, tmp_path):
    card = make_card(photos=7)
    for name, shard in (("whole", None), ("1", ListShard(1, 2)), ("2", ListShard(2, 2))):
        request = AnnotateRequest([card], tmp_path / name, shard=shard)
        report = annotate(request, Models(detector), settings)
        assert report.files < 8 or shard is None
    assert merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all").files == 8
    assert_same_facts(read_store(tmp_path / "all"), read_store(tmp_path / "whole"))
    whole, merged = (load_run(tmp_path / name) for name in ("whole", "all"))
    assert merged == whole
