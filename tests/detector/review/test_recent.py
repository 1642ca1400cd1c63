"""Names under keys: each stays where it is until nine others were used since."""

from __future__ import annotations

from detector.review.recent import RecentNames


def test_nobody_has_used_a_name_yet():
    assert RecentNames().names == []


def test_a_name_keeps_its_key_and_a_new_one_takes_a_free_one():
    recent = RecentNames(["last", "first"])
    for name in ("first", "new", "last"):
        recent.use(name)
    assert recent.names == ["last", "first", "new"]


def test_where_no_key_is_free_the_name_that_was_not_used_for_longest_gives_its_own():
    recent = RecentNames("abcdefghijk")
    assert recent.names == list("abcdefghi")
    recent.use("i")
    recent.use("x")
    assert recent.names == list("abcdefgxi")
