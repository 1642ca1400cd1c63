"""Names are the same in every Unicode form; case counts where the disk tells it apart."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.names import Spelling, located, name_key, same_name
from detector.types import media_id

NFC, NFD = (unicodedata.normalize(form, "Gélinotte") for form in ("NFC", "NFD"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in (f"{NFC}/{NFD}.JPG", "CAM1/IMG_0001.JPG"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def test_an_empty_folder_spells_nothing(tmp_path: Path) -> None:
    assert Spelling(tmp_path).of("IMG_0001.JPG") is None
    assert Spelling(tmp_path / "absent").of("IMG_0001.JPG") is None


@pytest.mark.parametrize("path", [f"{one}/{other}.JPG" for one in (NFC, NFD) for other in (NFC, NFD)])
def test_any_form_finds_the_file_as_the_disk_spells_it(folder: Path, path: str) -> None:
    found = Spelling(folder).of(path)
    assert found is not None
    assert (folder / found).is_file()
    assert name_key(found) == f"{NFC}/{NFC}.JPG"


def test_a_file_is_found_where_it_lies_in_any_form(folder: Path) -> None:
    assert located(folder, "CAM1/IMG_0001.JPG") == folder / "CAM1/IMG_0001.JPG"
    assert all(located(folder, f"{one}/{other}.JPG").is_file() for one in (NFC, NFD) for other in (NFC, NFD))
    assert located(folder, f"{NFC}/absent.JPG") == folder / f"{NFC}/absent.JPG"


def test_case_counts_where_the_disk_tells_it_apart(folder: Path) -> None:
    same = "CAM1/IMG_0001.JPG" if (folder / "cam1").exists() else None
    assert Spelling(folder).of("cam1/img_0001.jpg") == same
    assert Spelling(folder).of("CAM1/IMG_0001.JPG") == "CAM1/IMG_0001.JPG"


@given(st.text(), st.text())
def test_an_item_has_one_id_whatever_the_form_of_its_names(card: str, path: str) -> None:
    forms = {
        media_id(unicodedata.normalize(one, card), unicodedata.normalize(other, path))
        for one in ("NFC", "NFD")
        for other in ("NFC", "NFD")
    }
    assert len(forms) == 1


def test_a_card_is_found_in_any_form() -> None:
    assert same_name(NFD, []) is None
    assert same_name(NFD, ["b", NFC]) == NFC
