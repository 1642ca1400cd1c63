"""The names of files in exports are said once, and stay when cards come, move and go."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.store.file_names import with_prefixes
from detector.store.run_file import CardEntry

pytestmark = pytest.mark.skipif(os.sep != "/", reason="paths of POSIX")


def entries(**roots: str) -> dict[str, CardEntry]:
    return {card: CardEntry(root=root) for card, root in roots.items()}


def prefixes(cards: dict[str, CardEntry]) -> dict[str, str | None]:
    return {card: entry.prefix for card, entry in cards.items()}


def added(before: dict[str, CardEntry], **roots: str) -> dict[str, CardEntry]:
    return with_prefixes(before, {**before, **entries(**roots)})


def test_no_card_has_no_name() -> None:
    assert with_prefixes({}, {}) == {}


def test_a_second_card_changes_no_name_of_the_first() -> None:
    one = added({}, A="/season/CARD1")
    assert prefixes(one) == {"A": ""}
    assert prefixes(added(one, B="/season/CARD2")) == {"A": "", "B": "B/"}


def test_cards_that_come_together_are_named_under_their_folder_and_so_is_a_third() -> None:
    two = added({}, A="/season/CARD1", B="/season/CARD2")
    assert prefixes(two) == {"A": "CARD1/", "B": "CARD2/"}
    assert prefixes(added(two, C="/season/late/CARD3", D="/other/CARD4")) == {
        **prefixes(two),
        "C": "late/CARD3/",
        "D": "D/",
    }


def test_a_card_that_moves_keeps_its_names() -> None:
    two = added({}, A="/season/CARD1", B="/season/CARD2")
    moved = {**two, "A": two["A"].model_copy(update={"root": "/disk/one"})}
    assert prefixes(with_prefixes(two, moved)) == prefixes(two)
    assert prefixes(added(moved, C="/season/CARD3"))["C"] == "C/"  # there is no common folder any more


def test_a_store_of_before_keeps_the_names_that_it_had() -> None:
    old = entries(A="/season/CARD1", B="/season/CARD2")
    assert prefixes(added(old, C="/elsewhere/CARD3")) == {"A": "CARD1/", "B": "CARD2/", "C": "C/"}


def test_an_id_that_is_a_folder_of_another_card_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "B").mkdir()
    assert prefixes(added(added({}, A=str(tmp_path)), B="/B"))["B"] == "B-2/"


@given(st.lists(st.sampled_from(["/s/1", "/s/2", "/s/deep/3", "/t/1", "/t/s/1", "/s"]), min_size=1, unique=True))
def test_names_never_change_and_are_no_other_cards(roots: list[str]) -> None:
    cards: dict[str, CardEntry] = {}
    for number, root in enumerate(roots):
        before, cards = prefixes(cards), added(cards, **{f"card{number}": root})
        assert prefixes(cards) == {**before, f"card{number}": cards[f"card{number}"].prefix}
    assert len(set(prefixes(cards).values())) == len(cards)
