"""YAML from people and strangers: plain values of a bounded size and depth, or an error with file and line.

Of YAML it takes what configurations need: mappings, lists, texts, numbers, true, false and null, each key once. Dates
stay texts, `1e-4` is a number, and tags, which ask for types, are refused. Anchors may be used; what they add up to is
bounded before anything is built.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from backbones.errors import ConfigError, HoopoeError
from detector.base.files import read_text

MAX_BYTES = 4 << 20  # a run's configuration with 100,000 categories
MAX_DEPTH = 40
_BREAKS = frozenset("\x85\u2028\u2029")
MAX_NODES = 500_000  # keys and values, each alias counted as all that it stands for

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it, is fast


class _Loader(_Base):
    """Safe YAML without dates, that refuses a key given twice and names numbers that are none."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """An int or float as YAML 1.1 writes it."""
        read = self.construct_yaml_int if node.tag.endswith(":int") else self.construct_yaml_float
        try:
            return read(node)
        except ValueError:  # 0x_, or more digits than Python reads
            problem = f"'{node.value[:40]}' is no number"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)


def read_yaml(path: Path, error: type[HoopoeError] = ConfigError) -> Any:
    """The value in a YAML file.

    Args:
        path: The file.
        error: The class of what is raised.

    Raises:
        HoopoeError: It is no file, not YAML, too large, or holds a tag; the line is named.
    """
    return parse_yaml(read_text(path, max_bytes=MAX_BYTES, what="YAML file", error=error), path, error)


def parse_yaml(text: str, where: object, error: type[HoopoeError] = ConfigError) -> Any:
    """The value in a YAML text; see `read_yaml`. `where` names it in errors."""
    try:
        _check(text)
        return yaml.load(text, _Loader)
    except yaml.YAMLError as reason:
        mark = getattr(reason, "problem_mark", None)
        place = where if mark is None else f"{where}:{mark.line + 1}"
        problem = getattr(reason, "problem", None) or " ".join(str(reason).split())[:200]
        raise error(f"this is not valid YAML: {problem}", where=place, hint="correct that line") from reason
    except UnicodeEncodeError as reason:  # a command line that is not in the system's encoding
        raise error("this is not valid YAML: it is not Unicode", where=where, hint="write it in UTF-8") from reason


class _Dumper(yaml.SafeDumper):
    """Quotes texts with Unicode's own line breaks, which plain ones would fold to a space."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _text_node)


def dump_yaml(value: Any) -> str:
    """Plain values as YAML that `parse_yaml` reads back to the same, mappings in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _check(text: str) -> None:
    """Refuse depth, mass and tags, event by event: nothing is built here.

    Raises:
        yaml.YAMLError: The text is not YAML, or longer than allowed.
    """
    total = 0
    sizes: dict[str | None, int] = {}  # by anchor, the nodes that it stands for
    opened: list[tuple[str | None, int]] = []  # anchor and total before each collection that is not closed
    for event in yaml.parse(text, _Loader):
        if tag := getattr(event, "tag", None):
            raise _refusal(f"the tag {tag} is not used here", event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _refusal(f"the alias *{event.anchor} stands for nothing, or for what it is a part of", event)
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            total += 1
            opened.append((event.anchor, total))
            sizes.pop(event.anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = total - before + 1
        if len(opened) > MAX_DEPTH:
            raise _refusal(f"it is nested more than {MAX_DEPTH} deep", event)
        if total > MAX_NODES:
            raise _refusal(f"it holds more than {MAX_NODES:,} values", event)


def _refusal(problem: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark
    return yaml.constructor.ConstructorError(None, None, problem, mark)
