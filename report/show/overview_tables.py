"""``s2nn-hw inspect`` on the terminal: what a network is, from the JSON of :mod:`..sections.overview`."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from s2nn_hw.errors import counted, listed
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.tables import cells, make_table, percent, span, text

SHOWN = ("leak", "fraction", "reset")  # of a neuron's settings; the others are its planes


def print_overview(data: Json, console: Console) -> None:
    """Print what ``overview.overview`` returned."""
    shape = " x ".join(map(str, data["input"]["shape"]))
    layers = sum(1 + len(row["fused"]) for row in data["layers"])
    console.print(
        f"{data['name']}: {shape} {entering(data['input'])}, "
        f"{counted(layers, 'layer')}, {counted(data['synapses'], 'synapse')}, "
        f"{counted(data['memory_bits'], 'weight bit')}"
    )
    console.print(f"digest {data['digest']}\nclasses {', '.join(data['classes'])}")
    heads = ("layer", "reads", "shape", "synapses", "bits", "weights", "zeros", "T or bias", "acc. bits", "Kibit")
    console.print(make_table(None, heads, [_layer_cells(row) for row in data["layers"]]))
    print_planes([row | row["time"] for row in data["layers"]], console)
    windows = [
        (row["name"], w["source"], "x".join(map(str, w["kernel"])), *cells(w, "taps", "words", "word_bits"))
        for row in data["layers"]
        for w in row["windows"]
    ]
    if windows:
        console.print(
            make_table("window buffers", ("layer", "of", "kernel", "taps at once", "words", "bits a word"), windows)
        )
    columns = ("name", "engine", "banks", "taps", "width", "depth", "groups", "memory")
    shown = ("layer", "engine", "banks", "taps", "word", "queue", "groups", "memory")
    console.print(make_table("plan", shown, [cells(row, *columns) for row in data["plan"]]))
    estimates = [_estimate_cells(family, row) for family, row in data["estimates"].items()]
    console.print(make_table("accelerator, estimate", ("family", "LUT", "FF", "block RAM", "DSP"), estimates))
    console.print("provenance: " + (", ".join(_provenance(data["provenance"])) or "none given"))


def entering(given: Json) -> str:
    """Return what a pixel of the input ``given`` is."""
    many = given["bits"]
    if given.get("code") == "steps":
        return f"events in {many} steps"
    offsets = given.get("offsets")
    return f"{'signed ' if given.get('signed') else ''}pixels of {counted(many, 'bit')}" + (
        f" from raw values by {counted(offsets, 'offset')}" if offsets else ""
    )


def print_planes(rows: Sequence[Json], console: Console) -> None:
    """Print how many planes ``rows`` of layers read and give, and their actions, if any has several behind pixels."""
    rows = [row for row in rows if row["neuron"] or row["planes_out"]]
    if not any(row["settings"] or (row["planes_out"] or 1) > 1 or row["code"] in ("steps", "slots") for row in rows):
        return
    heads = ("layer", "neuron", "reads", "gives", "settings", "between planes", "after the last")
    table = [
        (
            row["name"],
            row["neuron"],
            planes(row["planes"], row["code"]),
            planes(row["planes_out"], row["code_out"]) if row["planes_out"] else "scores",
            ", ".join(f"{name} {value}" for name, value in row["settings"].items() if name in SHOWN and value) or None,
            row["actions_between_planes"],
            row["actions_after_planes"],
        )
        for row in rows
    ]
    console.print(make_table("planes, and the neurons' actions, a cycle each", heads, table))


def planes(count: int, code: str) -> str:
    """Return ``count`` planes of ``code`` in words: steps, slots or bits."""
    return counted(count, {"steps": "step", "slots": "slot"}.get(code, "bit"))


def _layer_cells(row: Json) -> list[Any]:
    """Return the cells of a layer; dense ones that are computed inside the next stand before it."""
    name = " > ".join([*row["fused"], row["name"]]) if row["fused"] else row["name"]
    shape = f"{row['inputs']}x{row['neurons']}" if "dense" in row["synapse"] else "x".join(map(str, row["shape"]))
    return [
        name,
        ", ".join(row["sources"]),
        shape + (f", pool {row['pool'][0]}" if row["pool"] else ""),
        row["synapses"],
        row.get("bits"),
        span(row.get("weight_range")),
        percent(row.get("sparsity")),
        span(row.get("table_range")),
        span(row.get("accumulator_bits")),
        f"{row['memory_bits'] / 1024:.1f}",
    ]


def _estimate_cells(family: str, row: Json) -> list[Any]:
    """Return the cells of the estimate for a family of devices."""
    luts, brams = f"{text(row['luts'])} {row['lut_kind']}", f"{row['brams']:g} {row['bram_kind']}"
    return [family, luts, row["ffs"], brams, row["dsps"]]


def _provenance(made: Json) -> list[str]:
    """Return what the file says of where the network is from, and what more there is."""
    said = [f"{name} {listed([value])}" for name, value in made.items() if isinstance(value, str)]
    more = {name for name, value in made.items() if not isinstance(value, str)}
    measured = made.get("measured")
    if isinstance(measured, dict) and isinstance(measured.get("accuracy_integer"), float):
        said.append(f"accuracy {100 * measured['accuracy_integer']:.2f} % on {measured.get('images')} images")
        more.discard("measured")
    once = measured.get("spikes_per_neuron") if isinstance(measured, dict) else None
    shares = [share for share in once if isinstance(share, float)] if isinstance(once, list) else []
    if shares:
        said.append(f"neurons that spike, each once: {', '.join(f'{100 * share:.1f} %' for share in shares[:8])}")
    return said + ([f"more about {listed(sorted(more))} in --json"] if more else [])
