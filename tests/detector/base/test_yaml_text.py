"""YAML from strangers: plain values, or an error with file and line, in no time."""

import os
import sys
from pathlib import Path

import pytest

from backbones.errors import ConfigError, DataError
from detector.base.yaml_text import MAX_BYTES, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [x, 2.5, true, null]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("lr: 1e-4", {"lr": 1e-4}),
        ("when: 2024-05-01\nnever: 2024-13-01", {"when": "2024-05-01", "never": "2024-13-01"}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("hoopoe: דוכיפת", {"hoopoe": "דוכיפת"}),
    ],
)
def test_plain_values_are_read(text: str, value: object) -> None:
    assert parse_yaml(text, "text") == value


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 500,000 values"),
        ("[" * 100_000, "nest"),
        ("{a: " * 100_000, "nest"),
        ("a: &a [*a]", "part of"),
        ("a: *b", "stands for nothing|undefined alias"),
        ("a: !!timestamp x", "tag"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: !!int x", "tag"),
        ("a: " + "9" * 5000, "is no number"),
        ("a: 0x_", "is no number"),
        ("a: 1\na: 2", "given twice"),
        ("a: [", "line|expected"),
        ("a: \x00", "not valid YAML"),
        ("a: \udc80", "not Unicode"),
        ("[a]: 1\n? {b: 1}\n: 2", "unhashable|not valid YAML"),
    ],
)
def test_what_cannot_be_taken_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_yaml(text, "birds.yaml")
    assert caught.value.where.startswith("birds.yaml")
    assert caught.value.hint


def test_files_that_are_none_or_too_large_are_refused_at_once(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="more than the"):
        read_yaml(large, DataError)
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.yaml")
        with pytest.raises(ConfigError, match="pipe"):
            read_yaml(tmp_path / "pipe.yaml")
