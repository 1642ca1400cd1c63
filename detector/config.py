"""Typed configuration: YAML files into frozen pydantic models.

Each package keeps the section that it understands (`detector/models/config.py` and so on); this module reads files,
applies `--set` and turns pydantic's errors into ones that name the file, the key and the nearest valid key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from backbones.errors import ConfigError
from detector.base.files import read_text
from detector.base.yaml_text import MAX_BYTES, dump_yaml, parse_yaml

SUFFIXES = (".yaml", ".yml")
SHOWN = 200  # characters of a value, in an error


class Section(BaseModel):
    """A part of the configuration: every field has a default, and a docstring of one line that errors quote."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_changes_nothing(cls, data: Any) -> Any:
        return {} if data is None else data  # `train:` with every line below it commented out


SectionType = TypeVar("SectionType", bound=Section)


def load_config(source: str | Path, cls: type[SectionType], overrides: Sequence[str] = ()) -> SectionType:
    """Read a configuration.

    Args:
        source: Name of a shipped configuration (see `list_configs`), or path of a YAML file.
        cls: What it is a configuration of; keys that the file leaves out have this class's defaults.
        overrides: `key.of.setting=value`, the value in YAML; later ones win.

    Raises:
        ConfigError: There is no such configuration, it is not valid YAML, or a key or value is not valid.
    """
    path = find_config(source)
    text = read_text(path, max_bytes=MAX_BYTES, what="configuration", error=ConfigError)
    return parse_config(text, cls, overrides, where=path)


def parse_config(
    text: str, cls: type[SectionType], overrides: Sequence[str] = (), *, where: object = "configuration"
) -> SectionType:
    """Read a configuration from its YAML text; see `load_config`. `where` names it in errors."""
    settings = parse_yaml(text, where)
    if not isinstance(settings, Mapping | None):
        raise ConfigError("a configuration is made of keys and values", where=where, hint="see the files in configs/")
    values: Any = dict(settings or {})
    origins: dict[tuple[str, ...], str] = {}
    for override in overrides:
        keys, value = _parse_override(override)
        values = _replaced(values, keys, value)
        origins[keys] = f"--set {override}"
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise _translated(error, cls, origins, where) from None


def dump_config(config: Section) -> str:
    """The whole configuration with its defaults, as YAML that `load_config` reads back to the same value."""
    return dump_yaml(config.model_dump(mode="json"))


def list_configs() -> list[str]:
    """Names of the configurations that ship with Hoopoe, sorted."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def find_config(source: str | Path) -> Path:
    """Path of a shipped configuration, by its name, or of a file.

    Raises:
        ConfigError: There is neither.
    """
    path = Path(source).expanduser()
    if path.suffix in SUFFIXES or len(path.parts) != 1:
        if not path.is_file():
            raise ConfigError("there is no such configuration file", where=path, hint="check the path")
        return path
    names = list_configs()
    if path.name in names:
        return shipped_folder() / f"{path.name}.yaml"
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"give the path of a .yaml file, or one of {', '.join(names)}"
    raise ConfigError(f"there is no configuration named '{path.name}'", hint=hint)


def shipped_folder() -> Path:
    """The folder of what ships: `detector/configs` where Hoopoe is installed, `configs/` beside it in a checkout."""
    installed = Path(__file__).with_name("configs")
    return installed if installed.is_dir() else Path(__file__).parents[1] / "configs"


def _parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    key, equals, text = override.partition("=")
    keys = tuple(key.strip().split("."))
    if not equals or not all(keys):
        raise ConfigError("a setting has the form key=value", where=f"--set {override}", hint="such as train.lr=2e-4")
    return keys, parse_yaml(text, f"--set {override}")


def _replaced(settings: Any, keys: tuple[str, ...], value: Any) -> Any:
    """A copy of nested settings with one value replaced; what stands in the way of a key gives way to it."""
    if not keys:
        return value
    settings = settings if isinstance(settings, Mapping) else {}
    return {**settings, keys[0]: _replaced(settings.get(keys[0]), keys[1:], value)}


def _translated(
    error: ValidationError, cls: type[Section], origins: Mapping[tuple[str, ...], str], where: object
) -> ConfigError:
    """Pydantic's first error, in our words."""
    first, *others = error.errors()
    unknown = first["type"] == "extra_forbidden"
    keys = _keys_of(first["loc"], cls, unknown)
    key = ".".join(keys)
    depth = len(keys)  # an override is at fault in what it sets, and in the sections on the way there
    origin = next((text for path, text in origins.items() if path[:depth] == keys[: len(path)]), None)
    if unknown:
        problem, hint = "there is no such key", _suggestion(keys, cls)
    elif first["type"] == "value_error":  # from a validator of ours
        problem, hint = str(first["ctx"]["error"])[:SHOWN], "correct the value"
    else:
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}, not {_short(first['input'])}"
        description = _description(keys, cls)
        hint = f"{key}: {description}" if description else "correct the value"
    if others:
        problem += f" (the first of {len(others) + 1} errors)"
    return ConfigError(problem, where=f"{where}: {key}" if origin is None else origin, hint=hint)


def _keys_of(location: tuple[int | str, ...], cls: type[Section], unknown: bool) -> tuple[str, ...]:
    """The keys at the head of pydantic's location; its rest says which member of a union or list it means."""
    keys: list[str] = []
    section: type[Section] | None = cls
    for step in location:
        if section is None or (step not in section.model_fields and not unknown):
            break
        keys.append(str(step))
        section = _section_of(section, str(step))
    return tuple(keys)


def _section_of(cls: type[Section], key: str) -> type[Section] | None:
    """The section that a field holds, itself or as `Section | None`."""
    field = cls.model_fields.get(key)
    candidates = () if field is None else (field.annotation, *get_args(field.annotation))
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, Section)), None)


def _all_keys(cls: type[Section], parent: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key in cls.model_fields:
        yield (*parent, key)
        section = _section_of(cls, key)
        if section is not None:
            yield from _all_keys(section, (*parent, key))


def _suggestion(keys: tuple[str, ...], cls: type[Section]) -> str:
    """The nearest key beside an unknown one; else anywhere; else all that are beside it."""
    everywhere = list(_all_keys(cls))
    beside = [valid for valid in everywhere if valid[:-1] == keys[:-1]]
    for candidates in (beside, everywhere):
        by_name = {valid[-1]: valid for valid in reversed(candidates)}
        near = difflib.get_close_matches(keys[-1], by_name, n=1)
        if near:
            return f"did you mean {'.'.join(by_name[near[0]])}?"
    return f"choose one of {', '.join('.'.join(valid) for valid in beside)}"


def _description(keys: tuple[str, ...], cls: type[Section]) -> str | None:
    section: type[Section] | None = cls
    for key in keys[:-1]:
        section = None if section is None else _section_of(section, key)
    field = section.model_fields.get(keys[-1]) if section is not None and keys else None
    return None if field is None else field.description


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
