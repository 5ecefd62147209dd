"""A test set through the Verilog, back to back and one by one: what ``verify`` proves, as a record."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.sim.verilog.runner import Outcome, Simulation
from s2nn_hw.sim.verilog.summary import Latency, Summary, spikes_by_layer
from s2nn_hw.sim.verilog.verify import SEQUENCE, Expected, Progressed, run_checked

AFFORDABLE_CYCLES = 30_000_000  # of frames sent alone; back to back they take less
COMPILING = "compiling the generated Verilog (once per circuit)"

Watched = Callable[[str, int], AbstractContextManager[Progressed]]  # shows a title, of so many frames, 0 for no frames


@contextmanager
def unseen(title: str, total: int) -> Iterator[Progressed]:
    """Show nothing."""
    yield lambda done: None


@dataclass(frozen=True)
class Sent:
    """What goes through the circuit: uint8 ``images`` ``(count, *shape)``, their ``labels`` or None, their source."""

    images: np.ndarray
    labels: np.ndarray | None
    source: str

    @classmethod
    def of(cls, network: Network, images: np.ndarray, labels: np.ndarray | None, source: str) -> Self:
        """Return it, checked for ``network``."""
        network.encode(images)
        if not len(images):
            raise UserError("images: at least one is needed")
        checked = None if labels is None else checked_labels(labels, len(images), len(network.classes))
        return cls(images, checked, source)

    def first(self, count: int) -> "Sent":
        """Return the first ``count`` of them."""
        if count >= len(self.images):
            return self
        labels = None if self.labels is None else self.labels[:count]
        return Sent(self.images[:count], labels, f"{self.source}, the first of {len(self.images):,}")


def affordable(network: Network, plan: Plan, images: np.ndarray) -> int:
    """Return how many of ``images`` to simulate when nobody says: as many as take minutes, at least 100.

    Measured: the simulator of one core makes about 100,000 cycles a second, whatever the circuit; see `make bench`.
    """
    design = Design(network, plan)
    _, values = layer_inputs(network, images[:8])
    cycles = design.timing.schedule(design.timing.ones(values)).cycles.mean()
    return min(len(images), max(100, int(AFFORDABLE_CYCLES / cycles)))


@dataclass(frozen=True)
class Ways:
    """What came both ways, and what had to come in a stream; ``jobs`` simulators took the seconds given."""

    stream: Outcome
    expected: Expected
    alone: Outcome
    jobs: int
    build_seconds: float
    run_seconds: float


def both_ways(
    network: Network, plan: Plan, sent: Sent, *, simulator: str, folder: Path, watched: Watched = unseen
) -> Summary:
    """Send all images back to back, then one by one; :class:`~s2nn_hw.errors.ProofError` names what differs first.

    ``folder``: where compiled circuits are kept.
    """
    ways = _ways(network, plan, sent.images, simulator, folder, watched)
    alone = ways.alone
    return Summary(
        network=network.name,
        digest=network.digest,
        images=len(sent.images),
        image_source=sent.source,
        accuracy=None if sent.labels is None else float((alone.classes == sent.labels).mean()),
        spikes=spikes_by_layer(ways.expected, len(sent.images)),
        latency_cycles=Latency.of(alone.cycles),
        simulated_frames=len(alone.cycles) + len(ways.stream.cycles),
        simulator=simulator,
        jobs=ways.jobs,
        build_seconds=ways.build_seconds,
        run_seconds=ways.run_seconds,
    )


def _ways(network: Network, plan: Plan, images: np.ndarray, simulator: str, folder: Path, watched: Watched) -> Ways:
    """Send ``images`` back to back, then one by one."""
    jobs = os.cpu_count() or 1
    start = time.monotonic()
    with watched(COMPILING, 0):
        simulation = Simulation(network, plan, simulator=simulator, optimise=True, folder=folder)
    built = time.monotonic()
    with watched("back to back", len(images)) as progress:
        length = min(SEQUENCE, len(images))
        stream, expected = run_checked(simulation, images, length=length, jobs=jobs, progress=progress)
    with watched("one by one", len(images)) as progress:
        alone, _ = run_checked(simulation, images, length=1, jobs=jobs, progress=progress)
    return Ways(stream, expected, alone, jobs, built - start, time.monotonic() - built)
