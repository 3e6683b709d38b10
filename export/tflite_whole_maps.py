"""The maps that a network computes in strips, as wholes: for comparing it with another, map by map."""

from __future__ import annotations

import re

from ai_edge_litert import schema_py_generated as schema

from efficientnet_tf.exporting.quantization.graph import Graph
from efficientnet_tf.exporting.quantization.operations import concatenation, rows_of, tensor_like
from efficientnet_tf.exporting.tflite_strips import Rows, rows_like

#: The name of a strip: the map's own, and which rows of it.
STRIP_NAME = re.compile(r"(?P<map>.+)/rows(?P<first>\d+)-(?P<last>\d+)")


def with_whole_maps(content: bytes) -> bytes:
    """Return a network in which each map that is computed in strips is put together too, under its own name.

    It is for reading the maps: nothing in the network uses them.

    Args:
        content: a file that `in_strips` made, or any other, which stays as it is.
    """
    graph = Graph(content)
    strips: dict[str, dict[Rows, int]] = {}
    for step in graph.operations():
        matched = STRIP_NAME.fullmatch(graph.name(step.outputs[0]))
        if matched:
            rows = (int(matched["first"]), int(matched["last"]))
            strips.setdefault(matched["map"], {})[rows] = step.outputs[0]
    present = {graph.name(step.outputs[0]) for step in graph.operations()}
    made: list[schema.OperatorT] = []
    for name, found in strips.items():
        if name not in present:
            made += _whole(graph, name, found)
    graph.subgraph.operators = [*graph.subgraph.operators, *made]
    return graph.content() if made else content


def _whole(graph: Graph, name: str, strips: dict[Rows, int]) -> list[schema.OperatorT]:
    """Return the operations that put strips together, of which the later have some rows of the earlier again."""
    made, parts, height = [], [], 0
    for (first, last), tensor in sorted(strips.items()):
        part = tensor
        if last <= height:
            continue
        if first < height:
            part = rows_like(graph, tensor, (height, last))
            made.append(rows_of(graph, tensor, part, height - first))
        parts.append(part)
        height = last
    batch, _, *inner = graph.shape(parts[0])
    whole = tensor_like(graph, parts[0], (batch, height, *inner), name)
    return [*made, *concatenation(graph, parts, whole)]
