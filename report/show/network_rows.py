"""The network on the page: a row per layer beside the graph, with what it is and what it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show import graph
from s2nn_hw.report.show.words import number

LABELS = {"cycles": "Cycles alone", "luts": "LUTs", "brams": "Block RAM", "nj": "Energy"}
COLUMNS = {"spikes": "spikes_out", "cycles": "alone_interval", "luts": "luts", "brams": "brams"}


@dataclass(frozen=True)
class NetworkRow:
    """The input or a layer: its ``node`` of the graph, texts, ``spikes`` a frame and their ``rate``.

    ``cells``: key of :data:`LABELS`, value, and its share of the largest or None.
    """

    node: graph.Node
    shape: str
    detail: str
    spikes: float | None
    rate: float | None
    engine: str = ""
    plan: str = ""
    cells: tuple[tuple[str, Any, float | None], ...] = ()


@dataclass(frozen=True)
class NetworkTable:
    """``rail``: px that the graph is wide; ``heads``: the report's columns by key, None where there is none."""

    rail: int
    rows: tuple[NetworkRow, ...]
    heads: Mapping[str, Json | None]
    labels: Mapping[str, str]


def network_table(report: Json) -> NetworkTable:
    """Return the graph's rows with the figures beside them."""
    table, size = report["layers"], report["network"]["input"]
    nodes, rail = graph.draw(table["rows"])
    first = table["rows"][0]
    pixels = NetworkRow(
        nodes[0],
        "x".join(map(str, size["shape"])),
        f"events, {size['bits']} steps"
        if size.get("code") == "steps"
        else f"{size['bits']}-bit {'signed ' if size.get('signed') else ''}pixels",
        first.get("active_inputs"),
        first.get("active_share"),
    )
    device = ((report["energy"] or {}).get("device") or {}).get("layers", {})
    energies = {row["name"]: row.get("nj") for row in device.get("rows", [])}
    slowest = max(row.get("alone_interval") or 0 for row in table["rows"]) or 1
    rows = [
        _layer(node, row, _cells(row, table["columns"], slowest, energies))
        for node, row in zip(nodes[1:], table["rows"], strict=True)
    ]
    heads = {key: table["columns"].get(name) for key, name in COLUMNS.items()}
    if energies:
        heads["nj"] = device["columns"]["nj"]
    return NetworkTable(rail, (pixels, *rows), heads, LABELS)


def _layer(node: graph.Node, row: Json, cells: tuple[tuple[str, Any, float | None], ...]) -> NetworkRow:
    """Return the row of a layer with these cells."""
    what = (
        f"{number(row['synapses'])} synapses" if row["synapses"] else "",
        f"{row['bits']}-bit weights" if row.get("bits") else "",
        f"{row['planes_out']} planes out" if (row.get("planes_out") or 1) > 1 else "",
    )
    shared = [f"{row[key]} {key}" for key in ("banks", "lanes", "groups") if (row.get(key) or 0) > 1]
    return NetworkRow(
        node,
        str(row["shape"]),
        ", ".join(filter(None, what)),
        row.get("spikes_out"),
        row.get("spike_rate"),
        row["engine"] or "",
        ", ".join(shared),
        cells,
    )


def _cells(
    row: Json, columns: Json, slowest: float, energies: Mapping[str, float | None]
) -> tuple[tuple[str, Any, float | None], ...]:
    """Return the cells of a layer: cycles, resources, energy if any layer's is known."""
    cycles = row.get("alone_interval")
    made = [("cycles", cycles, (cycles or 0) / slowest)]
    made += [(key, row.get(key), None) for key in ("luts", "brams") if key in columns]
    return (*made, ("nj", energies.get(row["name"]), None)) if energies else tuple(made)
