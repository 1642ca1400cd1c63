"""The house stays as it was drawn: small rooms, short functions, few parameters, no circles, tests beside rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("backbones", "detector")
MOST_FILES = 20  # in a room; one with more has two purposes
MOST_LINES = 80  # of a function
MOST_PARAMETERS = 6  # beyond, a value says what belongs together

# whose parameters are not ours to choose, or are what the function is about
MORE_PARAMETERS = {
    "backbones/inference/classification.py infer_image": "the signature of birder's, which the cards of models call",
    "backbones/routing_attention.py bi_level_routing_attention": "tensors and numbers of an attention, as torch's own",
    "backbones/routing_attention.py plain_routed_attention": "the same attention, for exporters",
    "backbones/routing_attention.py _forward": "an operator of torch takes tensors and numbers, no values",
    "backbones/routing_attention.py _backward": "the same",
    "backbones/routing_attention_triton.py routed_attention": "the same",
    "backbones/routing_attention_triton.py _kernel": "a kernel takes pointers, strides and constants",
}

# values whose methods are written in modules of their own, which are loaded when they are called
METHODS_ELSEWHERE = {
    "detector.base.objects.address": "detector.base.objects.listing",
    "detector.types.detections": "detector.types.conversions",
    "detector.models.detector": "detector.models.saving",
}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for package in (*PACKAGES, "benchmarks", "tools"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path.relative_to(ROOT).as_posix()} {node.name}", node


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many there are, without self and cls."""
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + (given.vararg is not None) + (given.kwarg is not None)


def test_no_room_holds_more_than_twenty_files() -> None:
    rooms = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    crowded = {str(room.relative_to(ROOT)): len(list(room.glob("*.py"))) for room in rooms}
    assert {room: files for room, files in crowded.items() if files > MOST_FILES} == {}


def test_functions_are_short() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_functions_have_few_parameters() -> None:
    many = {name for name, node in functions() if parameters(node) > MOST_PARAMETERS}
    assert many == MORE_PARAMETERS.keys()


def test_modules_do_not_import_in_circles() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    for value, methods in METHODS_ELSEWHERE.items():
        graph.remove_import(importer=value, imported=methods)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while leaves := {module for module, imported in imports.items() if not imported & imports.keys()}:
        for module in leaves:
            del imports[module]
    assert imports.keys() == set()  # what is left imports, or is, a part of a circle


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_of_tests_are_those_of_rooms(package: str) -> None:
    beside = {"oracle"}  # of the decisions, made again another way
    folders = {path.parent for path in (ROOT / "tests" / package).rglob("test_*.py")}
    names = [folder.relative_to(ROOT / "tests") for folder in folders if folder.name not in beside]
    assert [str(name) for name in names if not (ROOT / name / "__init__.py").is_file()] == []
