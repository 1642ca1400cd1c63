"""Files beside the code that other programs read: Dockerfile, CITATION.cff, CHANGELOG.md, forms of issues."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from detector import __version__
from tests.docs.blocks import ROOT, pages

HADOLINT = Path(sys.executable).with_name("hadolint")


def test_the_dockerfile_passes_hadolint() -> None:
    ended = subprocess.run([HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    names = {name for line in copied for name in line.split()}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == let_in
    assert all((ROOT / name).exists() for name in names)


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what its schema requires
    assert citation["version"] == __version__


def test_the_changelog_has_this_version_below_what_is_unreleased() -> None:
    titles = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert titles[0] == ("Unreleased", "")
    assert titles[1][0] == __version__
    assert all(date for _, date in titles[1:])


def test_issue_forms_ask_something_with_ids_that_differ() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert forms
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= form.keys()
        ids = [question["id"] for question in form["body"]]
        assert len(set(ids)) == len(ids)
        assert any(question.get("validations", {}).get("required") for question in form["body"])


def test_links_to_files_of_the_repository_lead_somewhere() -> None:
    texts = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *pages()]
    broken = []
    for page in texts:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_pictures_of_the_pages_are_small_and_all_are_shown() -> None:
    pictures = {path.resolve() for path in (ROOT / "docs" / "pictures").iterdir()}
    shown = {
        (page.parent / target).resolve()
        for page in pages()
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert pictures == shown
    assert all(path.stat().st_size < 150_000 for path in pictures)
