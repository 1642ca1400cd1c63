"""The pages that are written from the code leave nothing out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def parts() -> Iterator[dict[str, Callable[[], str]]]:
    """What the pages are filled with, by name."""
    folder = str(ROOT / "docs" / "_ext")
    sys.path.insert(0, folder)
    import hoopoe_docs

    yield hoopoe_docs.PARTS
    sys.path.remove(folder)


def test_each_part_is_on_one_page(parts: dict[str, Callable[[], str]]) -> None:
    texts = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    for name in parts:
        assert sum(f"<!-- generated: {name} -->" in text for text in texts) == 1


def test_every_column_of_the_store_is_described(parts: dict[str, Callable[[], str]]) -> None:
    from detector.store import schema

    page = parts["store"]()
    tables = {name: each for name, each in vars(schema).items() if isinstance(each, pa.Schema | pa.StructType)}
    assert len(tables) >= 12
    for name, fields in tables.items():
        for field in fields:
            words = field.metadata[b"description"].decode()
            assert words, f"{name}.{field.name}"
            assert f"| `{field.name}` |" in page, f"{name}.{field.name}"
    assert page.count("\n## ") + page.startswith("## ") == len(tables)


def test_every_command_and_its_options_are_told(parts: dict[str, Callable[[], str]]) -> None:
    from detector.cli.commands import COMMANDS, command_parser

    page, common = parts["commands"](), ("--help", "--help-all", "--quiet", "--log", "--debug")
    for name in COMMANDS:
        parser = command_parser(name)
        assert f"## hoopoe {name}\n" in page
        assert parser.format_help(everything=True)  # no help has a stray per cent sign
        for action in parser._actions:
            if action.option_strings and action.option_strings[-1] not in common:
                assert f"`{action.option_strings[-1]}`" in page


@pytest.mark.parametrize("part", ["configuration", "species"])
def test_every_key_of_the_configuration_is_told(part: str, parts: dict[str, Callable[[], str]]) -> None:
    from detector.config import Section
    from detector.training.classifier.config import SpeciesConfig
    from detector.training.config import Config

    page = parts[part]()

    def keys(model: type[Section], prefix: str = "") -> Iterator[str]:
        for key, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from keys(field.annotation, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    names = list(keys(Config if part == "configuration" else SpeciesConfig))
    assert "train.lr" in names
    assert [name for name in names if f"| `{name}` |" not in page] == []
