"""Every block of shell and Python in README.md and docs/ runs, page by page, in the order in which it is read.

Small models of random weights stand in for published ones: see stand_ins.py.
"""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml

from backbones.errors import ConfigError
from tests.docs.blocks import NOT_RUN, READ, ROOT, RUN, SHOWN, Block, blocks_of, commands, pages
from tests.docs.stand_ins import NAMES

LONGEST = "fast_runtimes.md"  # begun last, it would keep one of the workers alone
PAGES = sorted(
    (page for page in pages() if any(block.language in RUN for block in blocks_of(page))),
    key=lambda page: page.name != LONGEST,
)
MINUTES = frozenset({"demo", "quickstart"})  # commands that take minutes: their own tests run them
WORKERS = {
    "annotate": "1",
    "classify-crops": "1",
    "reclassify": "1",
    "evaluate": "0",
}  # processes take seconds to start
FOUND_FAULTS = frozenset({"doctor", "convert"})  # commands whose exit code 1 is an answer


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_a_block_is_found_with_its_reason_and_without_its_indent(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no block\n")
    assert blocks_of(page) == []
    page.write_text("<!-- not run: needs R -->\n```r\nlibrary(x)\n```\n\n- a\n  ```sh\n  ls \\\n    b  # c\n  ```\n")
    first, second = blocks_of(page)
    assert (first.language, first.text, first.reason, first.line) == ("r", "library(x)\n", "needs R", 2)
    assert (second.language, second.reason) == ("sh", None)
    assert commands(second.text) == [["ls", "b"]]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks_of(page):
        if block.language.startswith("{"):
            continue
        assert block.language in RUN | READ | SHOWN | NOT_RUN, f"{block.where}: language '{block.language}'"
        assert (block.reason is not None) == (block.language in NOT_RUN), f"{block.where}: a reason is missing, or vain"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_of_a_page_run(page: Path, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_downloads(workshop, monkeypatch)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.language == "sh":
            for words in commands(block.text):
                run_command(words, block)
        elif block.language == "sql":
            duckdb.sql(block.text).fetchall()
        elif block.language == "python":
            exec(compile(in_the_tests(block.text), block.where, "exec", dont_inherit=True), names)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_that_are_not_run_have_the_options_that_they_use(page: Path) -> None:
    for block in blocks_of(page):
        if block.language in ("bat", "console"):
            slashes = (
                block.text.replace("\\", "/") if block.language == "bat" else block.text
            )  # as a POSIX shell has them
            for words in commands(slashes):
                if words[0] == "hoopoe":
                    parse(words[1:], block)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_shown_configurations_and_json_can_be_read(page: Path) -> None:
    from detector.training.config import Config

    for block in blocks_of(page):
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            content = yaml.safe_load(block.text)
            if content.keys() <= Config.model_fields.keys():
                Config.model_validate(content)


def stand_in_for_downloads(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let published names be fetched from nowhere: tests/backbones/test_download.py fetches from a local server."""
    import backbones.pretrained
    from detector.models import coco

    monkeypatch.setattr(backbones.pretrained, "download", lambda name: workshop / NAMES[name])
    monkeypatch.setattr(coco, "coco_file", lambda name: workshop / NAMES[name])


def in_the_tests(program: str) -> str:
    """A program with its names of published models replaced."""
    for name, stand_in in NAMES.items():
        program = program.replace(f'"{name}"', f'"{stand_in}"')
    return program


def run_command(words: list[str], block: Block) -> None:
    """Run `hoopoe` in this process; of what builds or installs, see that it is there."""
    program, *arguments = words
    if program == "hoopoe" and arguments and arguments[0] in MINUTES:
        parse(arguments, block)
    elif program == "hoopoe":
        from detector.cli.main import main

        published = arguments[0] == "download"
        workers = ["--workers", WORKERS[arguments[0]]] if arguments[0] in WORKERS else []
        code = main(arguments if published else [NAMES.get(word, word) for word in (*arguments, *workers)])
        accepted = {0, 1} if arguments[0] in FOUND_FAULTS else {0}
        assert code in accepted, f"{block.where}: `{' '.join(words)}` ended with {code}"
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(arguments) <= set(targets), f"{block.where}: the Makefile has {targets}"
    elif program == "pip":
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        asked = re.findall(r"\[([\w,-]+)\]", " ".join(arguments))
        assert {extra for each in asked for extra in each.split(",")} <= set(setup["options.extras_require"]), (
            block.where
        )
    elif program == "python" and arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), f"{block.where}: {arguments[0]} is not there"
    else:
        raise AssertionError(f"{block.where}: nothing here runs `{program}`")


def parse(arguments: list[str], block: Block) -> None:
    """Let argparse read a command that is not run."""
    from detector.cli.commands import COMMANDS, command_parser

    if arguments[0].startswith("--"):
        return
    assert arguments[0] in COMMANDS, f"{block.where}: there is no command {arguments[0]}"
    try:
        command_parser(arguments[0]).parse_args(arguments[1:])
    except ConfigError as error:
        raise AssertionError(f"{block.where}: {error}") from None
