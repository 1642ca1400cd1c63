"""ONNX files that may be anybody's, parsed before a runtime follows what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backbones.errors import CheckpointError
from detector.runtimes.part import runtime_module

COPY = "copy it again, or export the model again"
EXTERNAL = 1  # `data_location` of a tensor whose values lie in another file


def parsed(file: Path) -> Any:
    """The file's own content; weights that lie beside it are not looked at."""
    onnx = runtime_module("onnx")
    if not file.is_file():
        raise CheckpointError("there is no such file", where=file, hint="check the path")
    try:
        model = onnx.load_model(str(file), load_external_data=False)
    except Exception as error:  # protobuf's DecodeError, and others by version
        raise CheckpointError("this is no ONNX file, or it is damaged", where=file, hint=COPY) from error
    if not model.graph.node:
        raise CheckpointError("this ONNX file holds no network", where=file, hint=COPY)
    return model


def tensors(model: Any) -> Iterator[Any]:
    """All tensors in a model that may hold weights, those in branches, loops and functions too."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs
