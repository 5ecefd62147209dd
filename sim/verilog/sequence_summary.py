"""A test set of sequences through the Verilog, back to back and one by one: what ``verify`` proves, as a record."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import checked_offsets
from s2nn_hw.sim.verilog.both_ways import COMPILING, Watched, unseen
from s2nn_hw.sim.verilog.runner import Manner
from s2nn_hw.sim.verilog.sequences import SequenceSimulation, run_checked
from s2nn_hw.sim.verilog.summary import Latency, written

TOGETHER = 50  # sequences that follow each other without a gap
COMPARED = ("values of every layer in every tick", "scores", "class", "cycles alone", "cycles back to back")


@dataclass(frozen=True)
class SentSequences:
    """What goes through the circuit: ``frames`` as the network takes them, ``offsets``, ``labels`` or None, and where
    they are from."""

    frames: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray | None
    source: str

    @classmethod
    def of(cls, network: Network, frames: Any, offsets: Any, labels: Any, source: str) -> Self:
        """Return it, checked for ``network``; ``labels`` may be None."""
        network.encode(frames)
        found = checked_offsets(offsets, len(frames), network.input.frames)
        count, classes = len(found) - 1, len(network.classes)
        return cls(frames, found, None if labels is None else checked_labels(labels, count, classes), source)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def first(self, count: int) -> "SentSequences":
        """Return the first ``count`` of them."""
        if count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        source = f"{self.source}, the first of {len(self):,}"
        return SentSequences(self.frames[: self.offsets[count]], self.offsets[: count + 1], labels, source)


@dataclass(frozen=True, kw_only=True)
class SequenceSummary:
    """The sequences of a test set, sent back to back and one by one; nothing differed from the golden model.

    As :class:`~s2nn_hw.sim.verilog.summary.Summary`, with ``sequences``, ``ticks`` of all of them, ``spikes`` by layer
    and ``cycles_per_tick``, alone.
    """

    network: str
    digest: str
    sequences: int
    ticks: int
    source: str
    compared: tuple[str, ...] = COMPARED
    differences: int = 0
    accuracy: float | None
    spikes: dict[str, int]
    latency_cycles: Latency
    cycles_per_tick: float
    simulator: str
    jobs: int
    build_seconds: float
    run_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return asdict(self)

    def write(self, root: Path) -> Path:
        """Write it into folder ``root``; return the file, named by the network."""
        return written(root, self.network, self.digest, self.to_json())


def verify_sequences(
    network: Network, plan: Plan, sent: SentSequences, *, simulator: str, folder: Path, watched: Watched = unseen
) -> SequenceSummary:
    """Send all sequences back to back, then one by one; :class:`~s2nn_hw.errors.ProofError` names what differs first.

    ``folder``: where compiled circuits are kept.
    """
    jobs, start = os.cpu_count() or 1, time.monotonic()
    with watched(COMPILING, 0):
        simulation = SequenceSimulation(network, plan, simulator=simulator, optimise=True, folder=folder)
    built, ticks = time.monotonic(), int(sent.offsets[-1]) * network.input.ticks
    with watched("back to back", len(sent)) as progress:
        manner = Manner(min(TOGETHER, len(sent)))
        stream = run_checked(simulation, sent.frames, sent.offsets, manner, jobs=jobs, progress=progress)
    with watched("one by one", len(sent)) as progress:
        alone = run_checked(simulation, sent.frames, sent.offsets, jobs=jobs, progress=progress)
    return SequenceSummary(
        network=network.name,
        digest=network.digest,
        sequences=len(sent),
        ticks=ticks,
        source=sent.source,
        accuracy=None if sent.labels is None else float((alone.classes == sent.labels).mean()),
        spikes={name: int(np.bitwise_count(values).sum()) for name, values in stream.spikes.items()},
        latency_cycles=Latency.of(alone.cycles),
        cycles_per_tick=float(alone.cycles.sum() / ticks),
        simulator=simulator,
        jobs=jobs,
        build_seconds=built - start,
        run_seconds=time.monotonic() - built,
    )
