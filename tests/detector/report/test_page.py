"""The page itself: no markup is made of data, nothing is inline, and its constants are the program's."""

import re
from importlib import resources

import pytest

from detector.report.gallery import PLACES, Flag
from detector.report.pictures import CROP_MARGIN

STATIC = resources.files("detector.report") / "static"
SCRIPTS = {file.name: file.read_text(encoding="utf-8") for file in (STATIC / "app").iterdir()}
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(name):
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    code = r"\beval\b|new Function|setTimeout|fetch\(|XMLHttpRequest"
    assert re.findall(f"{markup}|{code}", SCRIPTS[name]) == []


def test_the_policy_allows_scripts_and_pictures_of_the_folder_and_nothing_else():
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert PAGE.index("Content-Security-Policy") < PAGE.index("<link")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere():
    assert re.findall(r"<script(?![^>]*\bsrc=)", PAGE) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style|https?:", PAGE) == []
    assert [text for text in SCRIPTS.values() if re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)] == []


def test_each_script_and_style_is_there_and_used():
    used = set(re.findall(r'(?:src|href)="((?:app|style)/[^"]+)"', PAGE))
    there = {f"{part}/{file.name}" for part in ("app", "style") for file in (STATIC / part).iterdir()}
    assert used == there


def test_ids_that_scripts_ask_for_are_on_the_page_or_made_by_them():
    asked = {name for text in SCRIPTS.values() for name in re.findall(r'(?:getElementById|\bput)\(\s*"([^"]+)"', text)}
    made = {name for text in SCRIPTS.values() for name in re.findall(r'\bid: "([^"]+)"', text)}
    assert asked <= {*re.findall(r'id="([^"]+)"', PAGE), *made}


def test_constants_are_those_of_the_program():
    [flags] = re.findall(r"(?s)hoopoe\.FLAG = \{(.*?)\}", SCRIPTS["data.js"])
    assert {name: int(value) for name, value in re.findall(r"(\w+): (\d+)", flags)} == {
        flag.name: flag.value for flag in Flag
    }
    assert f"hoopoe.PLACES = {PLACES};" in SCRIPTS["data.js"]
    assert f"MARGIN = {CROP_MARGIN};" in SCRIPTS["gallery.js"]
