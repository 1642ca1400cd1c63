"""The boundaries where files of no table come in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.harness import Boundary


def make_configuration(folder: Path) -> Sequence[bytes]:
    from detector.config import dump_config, find_config, list_configs
    from detector.training.config import Config

    shipped = [find_config(name).read_bytes() for name in list_configs()]
    return [*shipped, dump_config(Config()).encode()]


def read_configuration(folder: Path) -> None:
    from detector.config import dump_config, load_config, parse_config
    from detector.training.config import Config

    config = load_config(folder / "birds.yaml", Config)
    assert parse_config(dump_config(config), Config) == config


YAML = (
    b"&a ", b"*a", b"<<: *a", b"!!int ", b"!!binary ", b"2024-13-01", b"? ", b"- ", b"|\n", b"---\n", b"%YAML 1.1\n",
)  # fmt: skip

FILES = (
    Boundary(
        "configuration",
        "birds.yaml",
        make_configuration,
        read_configuration,
        YAML,
    ),
)
