"""The configuration's keys, from the pydantic models."""

from __future__ import annotations

import json
from typing import Any

from detector.models.onnx.description import OnnxOptions
from detector.training.classifier.config import SpeciesConfig
from detector.training.config import Config
from hoopoe_docs.markdown import cell, table

REFERENCE = "#/$defs/"


def configuration_page() -> str:
    """A section of keys a section of the configuration."""
    schema = Config.model_json_schema()
    return "\n".join(_sections(schema, schema["$defs"], ""))


def species_page() -> str:
    """The same of a species classifier's run."""
    schema = SpeciesConfig.model_json_schema()
    return "\n".join(_sections(schema, schema["$defs"], "")).replace("\n## ", "\n### ").removeprefix("## ")


def onnx_page() -> str:
    """The keys of the YAML beside an ONNX file."""
    schema = OnnxOptions.model_json_schema()
    return "\n".join(_sections(schema, schema.get("$defs", {}), ""))


def _sections(model: dict[str, Any], definitions: dict[str, Any], prefix: str) -> list[str]:
    rows, deeper = [], []
    for key, value in model["properties"].items():
        name = f"{prefix}{key}"
        section = _section(value, definitions)
        if section is None:
            default = "" if "default" not in value else f"`{json.dumps(value['default'], ensure_ascii=False)}`"
            rows.append([f"`{name}`", cell(values(value)), cell(default), cell(value["description"])])
        else:
            deeper.append(f"## {name}\n\n{value.get('description') or section['description']}\n")
            deeper += _sections(section, definitions, f"{name}.")
    return ([table(["key", "values", "default", "what it does"], rows)] if rows else []) + deeper


def _section(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    reference = value.get("$ref") or next((each["$ref"] for each in value.get("allOf", []) if "$ref" in each), None)
    return None if reference is None else definitions[reference.removeprefix(REFERENCE)]


def values(value: dict[str, Any]) -> str:
    """What a key may be, in words, from its JSON schema."""
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(values(each) for each in value["anyOf"]))
    if "enum" in value:
        return ", ".join(map(str, value["enum"]))
    if "const" in value:
        return str(value["const"])
    kind = value.get("type", "any")
    if kind == "array":
        items = value.get("prefixItems")
        each = values(items[0] if items else value.get("items", {})).replace("number", "numbers")
        return f"{len(items)} {each}" if items else f"list of {each}"
    words = {"number": "number", "integer": "whole number", "boolean": "true, false", "string": "text", "null": "null"}
    return (words.get(kind, "mapping" if kind == "object" else kind) + _limits(value)).strip()


def _limits(value: dict[str, Any]) -> str:
    low, above = value.get("minimum"), value.get("exclusiveMinimum")
    high, below = value.get("maximum"), value.get("exclusiveMaximum")
    limits = {"from": low, "above": above, "to": high, "below": below, "multiples of": value.get("multipleOf")}
    return "".join(f" {word} {limit:g}" for word, limit in limits.items() if limit is not None)
