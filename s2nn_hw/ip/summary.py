"""What is known of an IP block: ``ip.json``, which the data sheet and the examples read."""

import re
from typing import Any

import numpy as np

from s2nn_hw.cost.estimate import LABEL, estimate
from s2nn_hw.design import Design
from s2nn_hw.emit import TOOL, Vectors
from s2nn_hw.ip.block import Block
from s2nn_hw.ip.constraints import clocks
from s2nn_hw.ip.ports import ports
from s2nn_hw.ip.registers import registers
from s2nn_hw.ip.shape import LATENCY_CYCLES, WORD_BYTES, Shape
from s2nn_hw.network.trace import layer_inputs

VERSION = 1


def summary(block: Block, vectors: Vectors, text: str, files: dict[str, str]) -> dict[str, Any]:
    """Return the JSON-able description of ``block``, whose Verilog is ``text``; ``files``: what each is."""
    shape, network = block.shape, block.design.network
    counts = estimate(block.design, block.options.family)
    return {
        "format": "s2nn-ip",
        "version": VERSION,
        "tool": TOOL,
        "name": block.options.name,
        "network": {"name": network.name, "digest": network.digest, "classes": list(network.classes)},
        "clocks": {port: {"mhz": mhz} for port, mhz in clocks(block.options).items()},
        "ports": [port.to_json() for port in ports(block)],
        "input": _input(shape),
        "output": {
            "bytes": shape.output_bytes,
            "transfers": shape.result_transfers,
            "word_bytes": WORD_BYTES,
            "words": shape.words,
            "scores": "signed, sign-extended",
            "cycles": "of the circuit's clock, from a frame's first beat to its result"
            + (", modulo 2^16" if shape.design.streaming else ""),
        },
        "latency_cycles": shape.latency(vectors.cycles)
        | {"formula": latency_formula(shape), "frames": len(vectors.pixels)},
        "interval_cycles": intervals(shape.design, vectors),
        "resources": {
            "source": LABEL,
            "family": block.options.family,
            "circuit": counts.to_json() | {"layers": None},
            "around_it": {"registers": registers_around(text, block.options.name), "source": "counted in the Verilog"},
        },
        "registers": [row.to_json() for row in registers(shape)] if block.options.axi_lite else [],
        "files": files,
    }


def _input(shape: Shape) -> dict[str, Any]:
    design = shape.design
    given = design.network.input
    return {
        "bytes": shape.input_bytes,
        "transfers": shape.transfers,
        "beats": design.beats,
        "beat_bytes": shape.beat_bytes,
        "beat_bits": shape.beat_bits,
        "beats_per_transfer": shape.beats_per_transfer,
        "transfers_per_beat": shape.transfers_per_beat,
        "pixels_per_beat": design.pixels_per_beat,
        "pixels_per_group": design.pixels_per_group,
        "pixel_bits": given.bits,
        "pixel_code": given.code,
        "pixel_signed": given.signed,
        "pixel_low": given.low,
        "pixel_peak": given.peak,
        "scaling": {name: table.tolist() for name, table in given.scaling.tables.items()} if given.scaling else None,
        "shape": list(given.shape),
    }


def latency_formula(shape: Shape) -> str:
    """Return, in words, the cycles from a frame's first transfer to its result's first, both counted."""
    if shape.options.core_mhz is not None:
        return (
            "the circuit's cycles of core_clk (the result's word `cycles`), and the way through two queues between the "
            "clocks: some cycles of each"
        )
    if shape.slower_cycles:
        return f"at most the circuit's cycles + {LATENCY_CYCLES} + {shape.slower_cycles}, as beats come in parts"
    return f"the circuit's cycles (the result's word `cycles`) + {LATENCY_CYCLES}"


def intervals(design: Design, vectors: Vectors) -> dict[str, float]:
    """Return ``min``, ``mean``, ``max`` of the circuit's cycles from result to result, the frames back to back."""
    _, inputs = layer_inputs(design.network, vectors.images)
    timing = design.timing
    (offered,) = timing.schedule(timing.ones(inputs), length=len(vectors.images)).offered
    between = np.diff(offered)
    return {"min": int(between.min()), "mean": round(float(between.mean()), 1), "max": int(between.max())}


def registers_around(text: str, name: str) -> int:
    """Return how many bits of registers stand in the Verilog ``text`` of block ``name`` outside the circuit."""
    total = 0
    for module, body in re.findall(r"^module (\w+)\(.*?;$(.*?)^endmodule", text, re.MULTILINE | re.DOTALL):
        if not module.startswith(f"{name}__accelerator"):
            for high in re.findall(r"^  reg (?:\[(\d+):0\] )?\w+(?: = [^;]+)?;", body, re.MULTILINE):
                total += int(high or 0) + 1
    return total
