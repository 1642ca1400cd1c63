"""Each input belongs to one card, under an id that stays."""

import os
from pathlib import Path

import pytest

from backbones.errors import ConfigError, MediaError
from detector.footage.cards import Card, name_cards, reroot


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Two sites with two cards each, with repeating names all through."""
    for site in ("north", "south"):
        for camera in ("cam1", "cam2"):
            for name in ("DCIM/100MEDIA/IMG_0001.JPG", "DCIM/101MEDIA/IMG_0001.JPG"):
                path = tmp_path / site / camera / name
                path.parent.mkdir(parents=True)
                path.write_bytes(str(path).encode())
    return tmp_path


def listed(cards: list[Card]) -> list[tuple[str, str]]:
    return [(item.card, item.path) for card in cards for item in card.media()]


def files(cards: list[Card]) -> list[Path]:
    return [item.file.resolve() for card in cards for item in card.media()]


def test_no_input_no_card() -> None:
    assert name_cards([]) == []


def test_a_card_is_called_like_its_folder(cards: Path) -> None:
    assert name_cards([cards / "north"]) == [Card("north", cards / "north")]
    assert len(listed(name_cards([cards / "north"]))) == 4


def test_repeating_names_are_numbered_in_any_case_of_letters(cards: Path) -> None:
    (cards / "east/CAM1").mkdir(parents=True)
    inputs = [cards / "north/cam1", cards / "south/cam1", cards / "east/CAM1"]
    assert [card.id for card in name_cards(inputs)] == ["cam1", "cam1-2", "CAM1-3"]


def test_folders_that_every_card_has_give_no_name(cards: Path) -> None:
    inputs = [cards / "north/cam1/DCIM", cards / "south/cam2/DCIM/100MEDIA"]
    assert [(card.id, card.root) for card in name_cards(inputs)] == [("cam1", inputs[0]), ("cam2", inputs[1])]


def test_folders_of_dates_are_cards_of_their_own(tmp_path: Path) -> None:
    inputs = [tmp_path / "survey/20240501", tmp_path / "survey/20240508/DCIM"]
    for path in inputs:
        path.mkdir(parents=True)
    assert [card.id for card in name_cards(inputs)] == ["20240501", "20240508"]


def test_a_card_is_named_and_found_in_one_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    (tmp_path / decomposed).mkdir()
    (card,) = name_cards([tmp_path / decomposed])
    assert card.id == composed
    assert list(reroot({composed: "/old"}, {decomposed: tmp_path})) == [composed]


def test_a_known_card_keeps_its_id(cards: Path) -> None:
    known = {"meadow": str(cards / "north/cam1"), "cam1": str(cards / "south/cam1")}
    named = name_cards([cards / "north/cam2", cards / "south/cam1", cards / "north/cam1"], known)
    assert [card.id for card in named] == ["meadow", "cam1", "cam2"]
    assert [card.id for card in name_cards([cards / "north/cam1/"], {"cam1": "/elsewhere/cam1"})] == ["cam1-2"]


def test_a_part_of_a_known_card_keeps_its_paths(cards: Path) -> None:
    known = {"meadow": str(cards / "north/cam1")}
    part = cards / "north/cam1/DCIM/101MEDIA"
    named = name_cards([part, part / "IMG_0001.JPG"], known)
    assert listed(named) == [("meadow", "DCIM/101MEDIA/IMG_0001.JPG")]


@pytest.mark.parametrize("reverse", [False, True])
def test_nested_inputs_list_no_file_twice(cards: Path, reverse: bool) -> None:
    inputs = [cards / "north", cards / "north/cam1/DCIM", cards / "north/cam2", cards / "north", cards / "south/cam1"]
    named = name_cards(inputs[::-1] if reverse else inputs)
    assert sorted(card.id for card in named) == ["cam1", "north"]
    assert len(set(files(named))) == len(files(named)) == 6


def test_a_folder_around_a_known_card_leaves_it_its_files(cards: Path) -> None:
    known = {"meadow": str(cards / "north/cam1")}
    named = name_cards([cards / "north"], known)
    assert [(card.id, card.excluded) for card in named] == [("meadow", ()), ("north", ("cam1",))]
    assert len(set(files(named))) == len(files(named)) == 4
    # the next run finds both known, and lists the same
    known = {card.id: str(card.root) for card in named}
    assert listed(name_cards([cards / "north"], known)) == listed(named)


def test_single_files_of_a_folder_are_one_card(cards: Path) -> None:
    folder = cards / "north/cam1/DCIM/100MEDIA"
    (folder / "IMG_0002.JPG").touch()
    named = name_cards([folder / "IMG_0002.JPG", folder / "IMG_0001.JPG", folder / "IMG_0002.JPG"])
    assert listed(named) == [("cam1", "IMG_0001.JPG"), ("cam1", "IMG_0002.JPG")]
    # the whole folder later is the same card
    assert [card.id for card in name_cards([folder], {"cam1": str(folder)})] == ["cam1"]


def test_another_way_to_the_same_folder_is_the_same_card(cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cards / "link").symlink_to(cards / "north", target_is_directory=True)
    monkeypatch.chdir(cards)
    known = {"north": str(cards / "north")}
    for way in (Path("north"), Path("south/../north"), Path("link")):
        assert [card.id for card in name_cards([way], known)] == ["north"]
    assert all(os.path.isabs(card.root) for card in name_cards([Path("south")]))


def test_an_absent_input_is_an_error(cards: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        name_cards([cards / "north", cards / "west"])


def test_a_moved_disk_keeps_its_cards(cards: Path) -> None:
    known = {"north": "/media/old/north", "south": "/media/old/south"}
    moved = reroot(known, {"north": cards / "north"})
    assert moved == {"north": str(cards / "north"), "south": "/media/old/south"}
    assert [card.id for card in name_cards([cards / "north"], moved)] == ["north"]
    with pytest.raises(ConfigError, match="'west'"):
        reroot(known, {"west": cards})


def test_a_card_in_the_place_of_another_gets_a_name_of_its_own(cards: Path) -> None:
    known = {"north": str(cards / "north")}
    (card,) = name_cards([cards / "north"], known, displaced={"north"})
    assert (card.id, card.root) == ("north-2", cards / "north")
    known["north-2"] = str(cards / "north")
    assert [each.id for each in name_cards([cards / "north"], known, displaced={"north"})] == ["north-2"]
    assert [each.id for each in name_cards([cards / "north"], known, displaced={"north-2"})] == ["north"]
