"""The page itself: no markup is made of data, nothing is inline, nothing comes from elsewhere."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from detector.report.pictures import CROP_MARGIN
from detector.review.web.app import SHARED, _files

STATIC = resources.files("detector.review") / "static"
SCRIPTS = {file.name: file.read_text(encoding="utf-8") for file in (STATIC / "app").iterdir()}
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(name):
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc"
    assert re.findall(rf"{markup}|\beval\b|new Function|XMLHttpRequest|import\(", SCRIPTS[name]) == []


def test_nothing_is_inline_and_nothing_comes_from_elsewhere():
    assert re.findall(r"<script(?![^>]*\bsrc=)", PAGE) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style|https?:", PAGE) == []
    assert [name for name, text in SCRIPTS.items() if re.search(r"https?://", text)] == []


def test_each_script_and_style_is_there_and_used():
    there = {f"/static/{name}" for name in _files()}
    used = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', PAGE))
    imported = {f"/static/app/{name}" for text in SCRIPTS.values() for name in re.findall(r'from "\./([^"]+)"', text)}
    assert used | imported == there
    assert {f"/static/report/{name}" for name in SHARED} <= there


def test_the_box_in_a_crop_is_where_the_program_cut_it():
    assert f"MARGIN = {CROP_MARGIN};" in SCRIPTS["grid.js"]


def test_only_the_one_file_asks_the_program():
    assert [name for name, text in SCRIPTS.items() if "fetch(" in text] == ["api.js"]
