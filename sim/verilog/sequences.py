"""Sequences through the generated Verilog: every tick's spikes, scores, classes and cycles against the golden model."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from s2nn_hw import emit
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.names import neurons_of
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.sequence_accelerator import SequenceAccelerator
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.sim.verilog.harness import Harness
from s2nn_hw.sim.verilog.model import build_model, run_module
from s2nn_hw.sim.verilog.runner import Manner, job, unpack_results
from s2nn_hw.sim.verilog.verify import Mismatch, Progressed, same, shared
from s2nn_hw.verilog.convert import to_verilog

ALONE = Manner()
PATIENCE = 1_000_000  # cycles to wait for a result, where nobody says


@dataclass(frozen=True)
class SequenceAnswer:
    """What came, or had to: ``classes``, ``scores`` ``(sequences, classes)``, ``cycles``, and by layer ``spikes``
    ``(ticks, neurons)``."""

    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    spikes: dict[str, np.ndarray]


def pack_frames(design: SequenceDesign, pixels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the frames as the harness takes them, bytes ``(frames, n)``, beat 0 first, little endian.

    Places without a value are filled with ones, and beats but a frame's last say at random that the sequence ends: the
    circuit must ignore both.
    """
    placed = emit.place_pixels(design, pixels, ignored=design.network.input.pattern)
    spread = emit.spread_bits(placed, design.network.input.bits)
    last = np.random.default_rng(0).integers(0, 2, (len(pixels), design.beats, 1), np.uint8)
    last[:, -1] = 0
    last[np.asarray(offsets)[1:] - 1, -1] = 1
    beats = np.concatenate([spread, last], axis=2)
    return np.packbits(beats.reshape(len(pixels), -1), axis=1, bitorder="little")


class SequenceSimulation:
    """The generated Verilog of ``network``, which reads sequences, under ``plan``: compiled once, run often."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        *,
        folder: Path | str = "build/sim",
        simulator: str = "verilator",
        waves: bool = False,
        optimise: bool = False,
    ) -> None:
        self.design = SequenceDesign(network, plan)
        self.simulator, self.waves = simulator, waves
        harness = Harness(
            beats=self.design.beats, beat_bits=self.design.beat_bits, result_bits=self.design.result_layout.size
        )
        sources = {
            "accelerator.v": to_verilog(SequenceAccelerator(network, plan), emit.TOP),
            "harness.v": to_verilog(harness, "harness"),
        }
        self.probed = [stage for stage in self.design.stages if not stage.is_readout]
        public = [("harness", "*")]
        for stage in self.probed:
            public += [(f"{emit.TOP}__{neurons_of(stage.name)}", name) for name in ("seen", "seen_count")]
        self.model = build_model(
            sources, top="harness", folder=folder, simulator=simulator, waves=waves, optimise=optimise, public=public
        )

    def run(
        self, pixels: np.ndarray, offsets: np.ndarray, manner: Manner, *, work: Path, waves: Path | None = None
    ) -> SequenceAnswer:
        """Send the frames ``pixels`` of the sequences ``offsets`` through the circuit; ``manner.length``: sequences
        that follow each other without a gap. ``work``: an existing folder for the job's files."""
        probed = self.probed if manner.probe else []
        count = len(offsets) - 1
        ends = [min(count, k + manner.length) for k in range(0, count, manner.length)]
        job(
            manner,
            [(int(offsets[end]), end) for end in ends],
            {s.name: s.neuron.size * s.neuron.planes.count for s in probed},
            manner.patience or PATIENCE,
            self.design.result_layout.size,
            self.simulator,
        ).write(work)
        np.savez(work / "job.npz", frames=pack_frames(self.design, pixels, offsets))
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
            spikes = {}
            for stage in probed:
                planes = stage.neuron.planes.count
                bits = np.unpackbits(
                    outcome[f"spikes_{stage.name}"], axis=1, count=stage.neuron.size * planes, bitorder="little"
                )
                spikes[stage.name] = bits.reshape(len(bits), -1, planes) @ (1 << np.arange(planes))
        return SequenceAnswer(classes, scores, cycles, spikes)


def expect(
    design: SequenceDesign, frames: np.ndarray, offsets: np.ndarray, length: int
) -> tuple[SequenceAnswer, int, np.ndarray]:
    """Return the golden answer, the cycles after which every result must have come, and the frames as they enter;
    ``length`` sequences follow each other without a gap."""
    pixels = design.network.encode(frames)
    output = forward_sequences(design.network, frames, offsets, trace=True)
    ones, cycles, longest = design.ones(pixels, output), [], 0
    for begin in range(0, len(offsets) - 1, length):
        ticks = output.ticks[begin : begin + length + 1]
        schedule = design.timing.schedule([one[ticks[0] : ticks[-1]] for one in ones], ticks - ticks[0])
        cycles.append(schedule.cycles)
        longest = max(longest, int(np.diff(schedule.offered, prepend=0).max()))
    answer = SequenceAnswer(output.classes, output.scores, np.concatenate(cycles), output.spikes)
    return answer, longest + 1000, pixels


def compare(came: SequenceAnswer, wanted: SequenceAnswer, *, cycles: bool = True) -> None:
    """Raise :class:`.Mismatch` naming the first layer, neuron and tick, or sequence, that differs."""
    for name, spikes in came.spikes.items():
        same(spikes, wanted.spikes[name], f"layer {name}: value of neuron", unit="tick")
    same(came.scores, wanted.scores, "readout: score of class", unit="sequence")
    same(came.classes, wanted.classes, "class", unit="sequence")
    if cycles:
        same(came.cycles, wanted.cycles, "cycle count", unit="sequence")
    for name, spikes in came.spikes.items():
        if len(spikes) != len(wanted.spikes[name]):
            raise Mismatch(f"layer {name}: {len(wanted.spikes[name])} ticks were wanted, {len(spikes)} came")
    if len(came.scores) != len(wanted.scores):
        raise Mismatch(f"readout: {len(wanted.scores)} sequences were sent, {len(came.scores)} came back")


def run_checked(
    simulation: SequenceSimulation,
    frames: np.ndarray,
    offsets: np.ndarray,
    manner: Manner = ALONE,
    *,
    jobs: int = 1,
    waves: Path | None = None,
    progress: Progressed | None = None,
) -> SequenceAnswer:
    """Send sequences through ``simulation`` and compare, without stalls every cycle count too; return what came.

    ``jobs`` simulators share the sequences, the first records ``waves``; ``progress(done)`` is called now and then.
    """
    count, length = len(offsets) - 1, manner.length
    offsets = np.asarray(offsets, np.int64)
    wanted, patience, pixels = expect(simulation.design, frames, offsets, length)
    manner = replace(manner, patience=patience)
    sends = -(-count // length)
    jobs = max(1, min(jobs, sends))
    cuts = [min(count, length * (sends * k // jobs)) for k in range(jobs + 1)]

    def part(begin: int, end: int, work: Path, waves: Path | None) -> SequenceAnswer:
        low, high = int(offsets[begin]), int(offsets[end])
        return simulation.run(pixels[low:high], offsets[begin : end + 1] - low, manner, work=work, waves=waves)

    came = shared(part, cuts, waves, progress)
    whole = SequenceAnswer(
        np.concatenate([one.classes for one in came]),
        np.concatenate([one.scores for one in came]),
        np.concatenate([one.cycles for one in came]),
        {name: np.concatenate([one.spikes[name] for one in came]) for name in came[0].spikes},
    )
    compare(whole, wanted, cycles=not any(manner.stall))
    return whole
