"""Lists of files are read in every form; what cannot be taken of them is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backbones.errors import DataError, MediaError
from detector.base.objects.address import Address
from detector.footage.cards import Card
from detector.footage.lists.listed_media import NO_CARD, NOT_UTF_8, OUTSIDE, ListedMedia
from detector.footage.lists.manifests import Listed, read_list

ROOT = Address("s3", "bucket", "card")


def taken(cards: list[Card], listed: list[Listed]) -> tuple[list[tuple[str, str, int]], list[MediaError]]:
    """(card, path, bytes) of the items of a list, and problems."""
    problems: list[MediaError] = []
    items = ListedMedia(cards, problems.append, lambda _: None).items(listed)
    return [(item.card, item.path, item.size_bytes) for item in items], problems


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.csv.gz"])
def test_an_empty_list_names_nothing_or_says_what_it_lacks(tmp_path: Path, name: str) -> None:
    content = gzip.compress(b"") if name.endswith(".gz") else b""
    (tmp_path / name).write_bytes(content)
    if name == "list.txt":
        assert list(read_list(tmp_path / name)) == []
    else:
        with pytest.raises(DataError, match="no column"):
            list(read_list(tmp_path / name))


@pytest.mark.parametrize("name", ["photos.xyz", "list"])
def test_other_files_are_no_lists(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no list"):
        list(read_list(tmp_path / name))


def test_all_forms_say_the_same(tmp_path: Path) -> None:
    rows = [("s3://bucket/card/a.jpg", 5, "e1"), ("s3://bucket/card/é, b.jpg", 7, "e2")]
    text = io.StringIO()
    csv.writer(text).writerows([("URL", "Size", "ETag"), *rows])
    (tmp_path / "list.csv").write_text(text.getvalue(), encoding="utf-8-sig")
    (tmp_path / "list.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    columns = [list(values) for values in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, names=["url", "size", "etag"]), tmp_path / "list.parquet")
    expected = [Listed(name, None, size, etag) for name, size, etag in rows]
    for name in ("list.csv", "list.csv.gz", "list.parquet"):
        assert list(read_list(tmp_path / name)) == expected
    (tmp_path / "list.txt").write_text("".join(f"{row[0]}\r\n" for row in rows), encoding="utf-8")
    assert list(read_list(tmp_path / "list.txt")) == [Listed(row[0]) for row in rows]


def test_an_inventory_names_keys_of_its_bucket_as_they_are_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("bucket", "card/a+b%2Bc.jpg", "true", "false", "5", "e1"),
        ("bucket", "card/old.jpg", "false", "false", "5", "e2"),
        ("bucket", "card/gone.jpg", "true", "true", "", ""),
    ]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    manifest = {
        "sourceBucket": "bucket",
        "destinationBucket": "arn:aws:s3:::lists",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, IsLatest, IsDeleteMarker, Size, ETag",
        "files": [{"key": "data.csv.gz", "size": 1, "MD5checksum": "x"}],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr("detector.footage.lists.manifests.Address", lambda _, bucket, key: tmp_path / key)
    assert list(read_list(tmp_path / "manifest.json")) == [Listed("card/a b+c.jpg", "bucket", 5, "e1")]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"fileFormat": "ORC"}))
    with pytest.raises(DataError, match="ORC"):
        list(read_list(tmp_path / "manifest.json"))


def test_an_inventory_in_parquet_names_what_is_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("bucket", "card/a+b%2Bc.jpg", True, False, 5, "e1"),
        ("bucket", "card/old.jpg", False, False, 5, "e2"),
        ("bucket", "card/gone.jpg", True, True, None, None),
    ]
    names = ["bucket", "key", "is_latest", "is_delete_marker", "size", "e_tag"]
    columns = [list(values) for values in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, names=names), tmp_path / "data.parquet")
    manifest = {"sourceBucket": "bucket", "destinationBucket": "arn:aws:s3:::lists", "fileFormat": "Parquet"}
    manifest |= {"fileSchema": "message s3.inventory {}", "files": [{"key": "data.parquet"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr("detector.footage.lists.manifests.Address", lambda _, bucket, key: tmp_path / key)
    assert list(read_list(tmp_path / "manifest.json")) == [Listed("card/a+b%2Bc.jpg", "bucket", 5, "e1")]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"key\n" + b"a.jpg\n" * 1000)[:-9], b"\x1f\x8bjunk", b'key\n"' + b"x" * 200_000],
)
def test_a_list_that_is_cut_off_or_damaged_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    before = csv.field_size_limit(1 << 30)  # as any library may set it
    try:
        with pytest.raises(DataError, match="cannot be read to its end"):
            list(read_list(tmp_path / "list.csv"))
    finally:
        csv.field_size_limit(before)


def test_rows_that_are_too_short_or_odd_say_less(tmp_path: Path) -> None:
    text = "size,key,islatest\n5,a.jpg\n\n" + "9" * 5000 + ",b.jpg,true\n-1,c.jpg,false\n"
    (tmp_path / "list.csv").write_text(text)
    assert list(read_list(tmp_path / "list.csv")) == [Listed("a.jpg", None, 5), Listed("b.jpg")]


def test_names_that_are_no_utf_8_cost_no_others(tmp_path: Path) -> None:
    lines = "s3://bucket/card/h\u00fctte.jpg\ns3://bucket/card/a.jpg\n"
    (tmp_path / "list.txt").write_bytes(lines.encode("latin-1"))
    listed = [Listed(each.name, None, 3) for each in read_list(tmp_path / "list.txt")]
    items, problems = taken([Card("card", ROOT)], listed)
    assert items == [("card", "a.jpg", 3)]
    assert [problem.problem for problem in problems] == [f"1 {NOT_UTF_8}"]


def test_listed_objects_go_to_the_innermost_card() -> None:
    cards = [Card("card", ROOT, excluded=("inner", "left")), Card("inner", ROOT / "inner")]
    listed = [Listed(f"card/{path}", "bucket", 3) for path in ("a.jpg", "inner/b.jpg", "left/c.jpg", "notes.txt")]
    listed += [Listed("s3://bucket/cards/d.jpg", None, 3), Listed("e.jpg", None, 3)]
    items, problems = taken(cards, listed)
    assert items == [("card", "a.jpg", 3), ("inner", "b.jpg", 3)]
    assert [problem.problem for problem in problems] == [f"2 {OUTSIDE}", f"1 {NO_CARD}"]


def test_listed_files_of_a_disk_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"1234")
    listed = [Listed(name) for name in ("sub/a.jpg", "./b.jpg", "none.jpg", "../x.jpg", str(tmp_path / "b.jpg"))]
    items, problems = taken([Card("c", tmp_path)], listed)
    assert items == [("c", "sub/a.jpg", 4), ("c", "b.jpg", 4), ("c", "b.jpg", 4)]
    assert [problem.problem for problem in problems] == ["the file is not there", f"1 {OUTSIDE}"]
