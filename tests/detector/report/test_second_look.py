"""What the second look changed of the detector's labels."""

import pytest

from detector.report.second_look import SecondLook
from detector.species.names.crosswalk import shipped_crosswalk
from detector.species.names.kinds import Kinds


@pytest.fixture
def look():
    return SecondLook(shipped_crosswalk(), Kinds(shipped_crosswalk()))


def test_without_boxes_nothing_changed(look):
    assert look.as_json() == {"totals": {}, "pairs": [], "more": 0}


@pytest.mark.parametrize(
    ("label", "changes", "change"),
    [
        ("Eurasian Hoopoe", {}, "confirmed"),
        ("European bee-eater", {}, "renamed"),
        ("Eurasian Hoopoe", {"name": "Upupa", "rank": "genus"}, "widened"),
        ("Eurasian Hoopoe", {"name": "Aves", "rank": "class"}, "widened"),
        ("bird", {}, "named"),
        ("bird", {"name": "Oenanthe", "rank": "genus"}, "named"),
        ("bird", {"name": "Aves", "rank": "class"}, "unnamed"),
        ("bird", {"kind": "uncertain", "name": None}, "no bird"),
        ("animal", {"kind": "uncertain", "name": None}, "unnamed"),
    ],
)
def test_each_change_has_a_word(look, store_maker, label, changes, change):
    look.add(store_maker.detection("m0", label=label, **changes), 0)
    assert look.as_json()["totals"] == {change: 1}


@pytest.mark.parametrize("changes", [{"reviewed_by": "ana"}, {"label": "person", "kind": "person"}])
def test_what_people_named_and_what_is_no_bird_is_left_out(look, store_maker, changes):
    look.add(store_maker.detection("m0", **changes), 0)
    assert look.as_json()["totals"] == {}
