"""Verilog, the description of its interface, and test vectors: everything a stranger needs to use the circuit."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw import __version__
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.stage import Reader, Stage
from s2nn_hw.design import Design
from s2nn_hw.files import output_folder, write_json, write_npz, write_text
from s2nn_hw.network.layer import BYTE, INPUT, Input
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import alike
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.verilog import testbench
from s2nn_hw.verilog.convert import to_verilog
from s2nn_hw.verilog.identifiers import check_name

TOP = "accelerator"
TOOL = f"s2nn-hw {__version__}"
VECTOR_COUNT = 8


def interface(design: Design, name: str = TOP) -> dict[str, Any]:
    """Return the JSON-able description of module ``name``: ports, order, signedness, cycles and network digest."""
    network, layout = design.network, design.result_layout
    return interface_head(design, name) | {
        "input": {
            "ports": {"payload": "i_payload", "valid": "i_valid", "ready": "i_ready"},
            "width": design.pixels_per_beat * network.input.bits,
            "signed": False,
            "pixel_bits": network.input.bits,
            "pixel_signed": network.input.signed,
            "pixels_per_beat": design.pixels_per_beat,
            "pixels_per_group": design.pixels_per_group,
            "beats_per_frame": design.beats,
            "shape": list(network.input.shape),
            "order": "raster (row, column, channel), cut into groups of pixels_per_group, each of which begins a new "
            "beat; pixel 0 of a beat in the low bits; places past the end of a group are ignored",
            **_encoding(network.input),
        },
        "output": {
            "ports": {"payload": "o_payload", "valid": "o_valid", "ready": "o_ready"},
            "width": layout.size,
            "fields": result_places(design),
            "order": "one beat per frame, in the order of the frames",
            "cycles": "from the cycle in which the frame's first beat was taken to the one in which its result is "
            "first offered" + (", modulo 2^16" if design.streaming else ""),
        },
        "cycles": {
            "exact": "s2nn_hw.cycles.timing.Timing.schedule; test vectors carry its result",
            "event": "sum over the passes of a frame of max(1, max over banks of the ones in the bank's share), and a "
            "cycle an action of the neurons, unless words or a neighbour hold the layer up",
            "parallel": "passes of a frame x words of a pass, and a cycle an action of the neurons, unless words or a "
            "neighbour hold the layer up",
            "ramp": "as event, slots of a value for planes",
            "unrolled": "passes of a frame x words of a pass, unless words or a neighbour hold the layer up",
            "pass": "one position, group of neurons and plane",
        },
        "stages": [_describe_stage(stage) for stage in design.stages],
        "plan": [asdict(choice) for choice in design.plan.layers],
    }


def interface_head(design: Design | SequenceDesign, name: str) -> dict[str, Any]:
    """Return what the descriptions of all modules begin with: format, network, clock and handshake."""
    network = design.network
    return {
        "format": "s2nn-interface",
        "version": 4,
        "tool": TOOL,
        "module": name,
        "network": {"name": network.name, "digest": network.digest, "classes": list(network.classes)},
        "clock": "clk, rising edge",
        "reset": "rst, synchronous, active high",
        "handshake": "a beat passes in each cycle in which valid and ready are both 1; valid never waits for ready",
    }


def result_places(design: Design | SequenceDesign) -> dict[str, Any]:
    """Return where the fields of a result are."""
    layout = design.result_layout
    fields: dict[str, Any] = {
        name: {"offset": field.offset, "width": field.width, "signed": False} for name, field in layout
    }
    fields["scores"] |= {
        "signed": True,
        "count": len(design.network.classes),
        "element_width": design.score_width,
        "order": "class 0 in the low bits",
    }
    return fields


def _describe_stage(stage: Stage) -> dict[str, Any]:
    """Return what one layer of the circuit is made of, JSON-able."""
    engine = stage.engine
    entry = {
        "name": stage.name,
        "output": stage.output,
        "engine": "or",
        "neurons": stage.neurons,
        "positions": len(stage.positions),
        "positions_per_cell": stage.repeats,
        "words_per_pass": stage.pass_words,
        "sources": [_describe_reader(reader) for reader in stage.readers],
    }
    if engine is None:
        return entry | {"passes_per_frame": len(stage.positions) * stage.readers[0].tensor.pixel_words}
    entry |= {
        "engine": engine.kind,
        "lanes": engine.lanes,
        "groups": engine.groups,
        "bit_planes": engine.planes,
        "actions_between_planes": len(engine.between),
        "actions_after_planes": len(engine.after),
        "passes_per_frame": len(stage.positions) * engine.groups * engine.planes,
        "word_width": engine.width,
        "weight_bits": engine.bits,
        "accumulator_bits": [int(w) for w in engine.accumulator_widths()],
        "last_word_to_sum_cycles": engine.capture_cycles,
        "cells_of_room": engine.slots,
    }
    return entry | engine.describe()


def _describe_reader(reader: Reader) -> dict[str, Any]:
    """Return one source of a stage: how its tensor is streamed and what its window keeps."""
    tensor, window = reader.tensor, reader.window
    entry = {
        "name": reader.source,
        "image": [tensor.rows, tensor.columns, tensor.channels],
        "word_width": tensor.width,
        "words_of_pixel": tensor.pixel_words,
        "words_per_pass": reader.pass_words,
        "slots": tensor.slots,
    }
    if window is None:
        return entry | {"window": None}
    return entry | {
        "window": {
            "kernel": list(window.kernel),
            "stride": alike(window.stride),
            "padding": alike(window.padding),
            "taps": window.taps,
            "depth_words": window.depth,
            "least_depth_words": window.least_depth,
        }
    }


@dataclass(frozen=True)
class Vectors:
    """Test vectors: frames that are each sent when the circuit is idle, which it is ``drain`` cycles after a result.

    images    ``(count, *shape)`` of the type of :attr:`~s2nn_hw.network.layer.Input.kind`, of events ``(count, steps,
              *shape)``
    pixels    what enters, uint8 ``(count, pixels)``, of more than 8 steps or bits and of signed pixels int32
    classes   int64 ``(count,)``
    scores    int64 ``(count, classes)``
    cycles    int64 ``(count,)``
    """

    images: np.ndarray
    pixels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    drain: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by the names that they have in files."""
        return {
            "images": self.images,
            "pixels": self.pixels,
            "class": self.classes,
            "scores": self.scores,
            "cycles": self.cycles,
        }

    def answers(self) -> list[tuple[int, list[int], int]]:
        """Return class, scores and cycles of each frame."""
        return [
            (int(c), scores.tolist(), int(cycles))
            for c, scores, cycles in zip(self.classes, self.scores, self.cycles, strict=True)
        ]


def _encoding(entering: Input) -> dict[str, Any]:
    """Return the entries of ``interface.json`` that say what pixels are made of."""
    if entering.events:
        return {"encoding": f"the {entering.bits} steps of a pixel, the oldest in the highest bit"}
    if entering.scaling is None:
        if entering.of_bytes:
            return {"encoding": f"pixel = 8-bit value >> {BYTE - entering.bits}"}
        end = ", in two's complement" if entering.signed else ""
        return {"encoding": f"pixel = integer from {entering.low} to {entering.peak}{end}"}
    return {
        "encoding": f"pixel = clip(rint((x - offset) / step), {entering.low}, {entering.peak}) of a raw value x, in "
        "binary64, ties to even; an offset and a step for all pixels, or for each on the last axis of shape",
        "scaling": {name: table.tolist() for name, table in entering.scaling.tables.items()},
    }


def random_frames(network: Network, count: int, seed: int = 0) -> np.ndarray:
    """Return ``count`` random images ``(count, *shape)``, or events ``(count, steps, *shape)``, any density.

    Where a network records a scaling these are raw values, float64.
    """
    rng = np.random.default_rng(seed)
    density, entering = rng.random((count, 1)), network.input
    low, high = (0, 256) if entering.of_bytes else (entering.low, entering.peak + 1)
    if entering.scaling is not None:
        wanted = rng.integers(low, high, (count, entering.size))
        drawn: np.ndarray = np.where(rng.random(wanted.shape) < density, wanted, 0)
        return entering.scaling.raw(drawn.reshape(count, *entering.shape))
    if entering.events:
        drawn = rng.random((count, entering.bits, entering.size)) < density[..., None]
    else:
        drawn = rng.integers(low, high, (count, entering.size)) * (rng.random((count, entering.size)) < density)
    return drawn.astype(entering.kind).reshape(count, *network.input.data_shape)


def vectors(accelerator: Accelerator, count: int = VECTOR_COUNT, seed: int = 0) -> Vectors:
    """Return the :class:`Vectors` of ``count`` random frames."""
    network = accelerator.network
    images = random_frames(network, count, seed)
    output, inputs = layer_inputs(network, images)
    timing = accelerator.timing
    schedule = timing.schedule(timing.ones(inputs))
    return Vectors(images, inputs[INPUT], output.classes, output.scores, schedule.cycles[:, 0], schedule.drain)


def place_pixels(design: Design | Accelerator | SequenceDesign, pixels: np.ndarray, *, ignored: int = 0) -> np.ndarray:
    """Return ``pixels`` ``(frames, n)`` in the places of their beats, like them ``(frames, beats, pixels_per_beat)``.

    ``ignored``: the value in places that carry no pixel.
    """
    places = design.beat_pixels
    return np.where(places < 0, ignored, pixels[:, places]).astype(pixels.dtype)


def spread_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Return the ``bits`` lowest bits of integer ``values`` ``(..., n)``, uint8 ``(..., n * bits)``, lowest first."""
    spread = (values[..., None] >> np.arange(bits)) & 1
    return spread.astype(np.uint8).reshape(*values.shape[:-1], -1)


def pack_beats(design: Design | Accelerator | SequenceDesign, pixels: np.ndarray, *, ignored: int = 0) -> list[int]:
    """Return the beats of one frame as integers: ``pixels`` ``(n,)`` of ``bits`` bits, pixel 0 in the low bits."""
    placed = place_pixels(design, np.asarray(pixels)[None], ignored=ignored)[0]
    spread = spread_bits(placed[..., None], design.network.input.bits)
    packed = np.packbits(spread.reshape(design.beats, -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def write(network: Network, folder: Path | str, plan: Plan | None = None, *, name: str = TOP) -> Accelerator:
    """Write into ``folder`` everything that a stranger needs to use the circuit; the Verilog last and atomically.

    ``NAME.v``, ``NAME.vlt`` (lint rules), ``NAME.vhd`` (its declaration), ``interface.json``; test vectors as
    ``vectors.npz``, ``vectors.json`` and lines for ``$readmemh``; a bench for them, ``NAME_tb.v`` and ``s2nn_bench.v``.

    Returns the :class:`Accelerator`. :class:`UserError`, before work begins: ``name`` is not legal in Verilog and VHDL,
    or ``folder`` takes no files.
    """
    check_name(name)
    with output_folder(folder) as place:
        accelerator = Accelerator(network, plan)
        text = testbench.header(accelerator.design, name, TOOL) + to_verilog(accelerator, name)
        _write(accelerator, place, name, text)
    return accelerator


def _write(accelerator: Accelerator, folder: Path, name: str, text: str) -> None:
    """Write all files of ``accelerator``, whose Verilog is ``text``, into ``folder``."""
    design, network = accelerator.design, accelerator.network
    write_json(folder / "interface.json", interface(design, name))
    cases = vectors(accelerator)
    write_npz(folder / "vectors.npz", **cases.arrays())
    width = accelerator.pixels_per_beat * network.input.bits
    frames, answers = [pack_beats(design, pixels) for pixels in cases.pixels], cases.answers()
    listing = [
        {"beats": testbench.beat_lines(beats, width).split(), "class": c, "scores": scores, "cycles": cycles}
        for beats, (c, scores, cycles) in zip(frames, answers, strict=True)
    ]
    write_text(folder / "vectors.json", json.dumps(listing, indent=1) + "\n")
    write_text(folder / testbench.BEATS_FILE, "".join(testbench.beat_lines(beats, width) for beats in frames))
    write_text(
        folder / testbench.RESULTS_FILE,
        testbench.beat_lines((testbench.pack_result(design, *answer) for answer in answers), design.result_layout.size),
    )
    patience = int(cases.cycles.max()) + cases.drain + 1000
    bench = testbench.Bench(design, name, frames=len(frames), drain=cases.drain, patience=patience)
    write_text(folder / f"{name}_tb.v", to_verilog(bench, f"{name}_tb"))
    write_text(folder / testbench.BENCH.name, testbench.BENCH.read_text())
    write_text(folder / f"{name}.vhd", testbench.vhdl_package(design, name))
    write_text(folder / f"{name}.vlt", testbench.lint_rules(name))
    write_text(folder / f"{name}.v", text)
