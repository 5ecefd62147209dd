"""The generated Verilog in a simulator: frames in, classes, scores, cycles and spikes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from s2nn_hw import emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.names import neurons_of
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.design import Design
from s2nn_hw.family import GENERAL
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapses import image_shape
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.sim.verilog.harness import Harness
from s2nn_hw.sim.verilog.job import Job
from s2nn_hw.sim.verilog.model import build_model, run_module
from s2nn_hw.verilog.convert import to_verilog

CLOCK_NS = 10
NOT_COMPUTED = 255  # in place of a spike


@dataclass(frozen=True)
class Outcome:
    """The circuit's answer: ``classes``, ``scores`` ``(frames, classes)``, ``cycles``; if probed ``spikes`` by layer.

    Those are uint8 ``(frames, *shape of the layer)``, :data:`NOT_COMPUTED` at positions that nobody needs. ``seen``:
    how many frames' captures came by layer, a part of a frame included.
    """

    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    spikes: dict[str, np.ndarray]
    seen: dict[str, float] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return what came in ``parts``, one behind the other."""
        return cls(
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.cycles for part in parts]),
            {name: np.concatenate([part.spikes[name] for part in parts]) for name in parts[0].spikes},
            {name: sum(part.seen[name] for part in parts) for name in parts[0].seen},
        )


def pack_frames(design: Design, pixels: np.ndarray) -> np.ndarray:
    """Return the frames as the harness takes them, bytes ``(frames, n)``, beat 0 first, little endian.

    Places without a pixel are filled with ones, as the circuit must ignore them.
    """
    placed = emit.place_pixels(design, pixels, ignored=design.network.input.pattern).reshape(len(pixels), -1, 1)
    spread = emit.spread_bits(placed, design.network.input.bits)
    return np.packbits(spread.reshape(len(pixels), -1), axis=1, bitorder="little")


def unpack_spikes(stage: Stage, captures: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the values of ``stage`` as an image, ``(frames, *shape)``, from its ``captures`` ``(n, bits)``.

    Captures come position by position, group by group; a frame that is not complete is left out. Positions that no
    pooling cell uses are not computed: :data:`NOT_COMPUTED` stands there.
    """
    positions, engine, planes = stage.positions, stage.engine, stage.neuron.planes.count
    each = len(positions) * engine.groups
    frames = len(captures) // each
    kind = np.uint8 if planes <= 8 else np.int32
    values = (
        captures.reshape(len(captures), captures.shape[1] // planes, planes).astype(np.int64) @ (1 << np.arange(planes))
    ).astype(kind)
    whole = values[: frames * each].reshape(frames, len(positions), engine.groups * values.shape[1])
    image = np.full((frames, *image_axes(shape)), NOT_COMPUTED, kind)
    image[:, positions[:, 0], positions[:, 1]] = whole[:, :, : stage.neurons]
    return image.reshape(frames, *shape)


def image_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return ``shape`` as (rows, columns, channels); what is no image is one pixel."""
    return image_shape(shape) if len(shape) > 1 else (1, 1, *shape)


def unpack_results(design: Design | SequenceDesign, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(classes, scores, cycles)`` from results as bytes ``(frames, n)``."""
    bits = np.unpackbits(packed, axis=1, bitorder="little").astype(np.int64)

    def number(offset: int, width: int) -> np.ndarray:
        return bits[:, offset : offset + width] @ (1 << np.arange(width, dtype=np.int64))

    fields, width = design.result_fields, design.score_width
    base = fields.scores.offset
    scores = np.stack([number(base + k * width, width) for k in range(len(design.network.classes))], axis=1)
    scores -= (scores >> (width - 1)) << width
    classes = number(fields.number.offset, fields.number.width)
    return classes, scores, number(fields.cycles.offset, fields.cycles.width)


@dataclass(frozen=True)
class Manner:
    """How frames are sent; times in cycles, as they are without stalls.

    length:   frames that follow each other without a gap; then the circuit runs empty
    stall:    shares of cycles in which source and sink hold back
    probe:    whether layers are looked into
    resets:   cycles after which a disturbing reset comes, before the frames proper
    patience: how long to wait for a result; None: as long as any image could take
    drain:    how long the circuit may work on after the last result of a sequence
    """

    length: int = 1
    stall: tuple[float, float] = (0.0, 0.0)
    probe: bool = True
    resets: Sequence[int] = ()
    patience: int | None = None
    drain: int = 64


class Simulation:
    """The generated Verilog of ``network`` under ``plan``, compiled once, run as often as wanted.

    ``circuit``: other sources (name -> text) of the module ``accelerator``, such as a synthesised netlist; its layers
    can't be looked into, so ``run`` must not probe.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan | None = None,
        *,
        folder: Path | str = "build/sim",
        simulator: str = "verilator",
        waves: bool = False,
        optimise: bool = False,
        circuit: Mapping[str, str] | None = None,
    ) -> None:
        self.design = Design(network, plan or default_plan(network, GENERAL))
        self.simulator, self.waves = simulator, waves
        beat_bits = self.design.pixels_per_beat * network.input.bits
        harness = Harness(beats=self.design.beats, beat_bits=beat_bits, result_bits=self.design.result_layout.size)
        sources = circuit or {"accelerator.v": to_verilog(Accelerator(network, plan), emit.TOP)}
        sources = {**sources, "harness.v": to_verilog(harness, "harness")}
        self.probed = [] if circuit else [s for s in self.design.stages if s.engine and not s.is_readout]
        public = [("harness", "*")]
        for stage in self.probed:
            public += [(f"{emit.TOP}__{neurons_of(stage.name)}", name) for name in ("seen", "seen_count")]
        self.model = build_model(
            sources, top="harness", folder=folder, simulator=simulator, waves=waves, optimise=optimise, public=public
        )

    def run(
        self, pixels: np.ndarray, manner: Manner | None = None, *, work: Path | str, waves: Path | None = None
    ) -> Outcome:
        """Send ``pixels`` ``(frames, n)`` through the circuit; return the :class:`Outcome`.

        ``work``: an existing folder for the job's files; ``waves``: where to record all signals.
        """
        manner, work = manner or Manner(), Path(work)
        probed = self.probed if manner.probe else []
        ends = (min(len(pixels), k + manner.length) for k in range(0, len(pixels), manner.length))
        job(
            manner,
            [(end, end) for end in ends],
            {stage.name: stage.seen_bits for stage in probed},
            manner.patience or worst_cycles(self.design),
            self.design.result_layout.size,
            self.simulator,
        ).write(work)
        np.savez(work / "job.npz", frames=pack_frames(self.design, pixels))
        run_module(
            self.model,
            top="harness",
            module="s2nn_hw.sim.verilog.bench",
            work=work,
            simulator=self.simulator,
            waves=waves,
        )
        with np.load(work / "outcome.npz") as outcome:
            classes, scores, cycles = unpack_results(self.design, outcome["results"])
            spikes, seen = {}, {}
            for stage in probed:
                packed = outcome[f"spikes_{stage.name}"]
                captures = np.unpackbits(packed, axis=1, count=stage.seen_bits, bitorder="little")
                spikes[stage.name] = unpack_spikes(stage, captures, self.design.network.shapes[stage.name])
                seen[stage.name] = len(captures) / (len(stage.positions) * stage.engine.groups)
        return Outcome(classes, scores, cycles, spikes, seen)


def job(
    manner: Manner,
    sends: Sequence[tuple[int, int]],
    probes: Mapping[str, int],
    patience: int,
    result_bits: int,
    simulator: str,
) -> Job:
    """Return the job that sends as ``manner`` says.

    sends       frames, and results, that are there behind each stretch without a gap
    probes      of each layer that is looked into, the bits of what is seen
    patience    cycles to wait for a result, as they are without stalls
    """
    stall_in, stall_out = (min(255, round(256 * share)) for share in manner.stall)
    slower = 2 / (1 - max(stall_in, stall_out) / 256) if stall_in or stall_out else 1
    slice_cycles = max(64, patience // 64)
    return Job(
        sends=tuple(sends),
        stall_in=stall_in,
        stall_out=stall_out,
        resets=tuple(manner.resets),
        probes=dict(probes),
        settle=simulator != "verilator",
        result_bits=result_bits,
        slice_ns=slice_cycles * CLOCK_NS,
        patience=int(slower * patience / slice_cycles) + 8,
        drain_ns=int(slower * manner.drain + 64) * CLOCK_NS,
        report_every=max(1, sends[-1][1] // 64),
    )


def worst_cycles(design: Design) -> int:
    """Return cycles in which the slowest image would be through: every input active, one stage after the other."""
    total = 1000 + design.beats
    for stage in design.stages:
        engine = stage.engine
        share = engine.width // engine.ways if engine.counts_spikes else 1
        total += sum(reader.frame_words for reader in stage.readers) * share + 64
    return total
