"""What is told of a test set that went through the Verilog: ``verify.json``."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.files import write_json
from s2nn_hw.sim.verilog.verify import Expected

COMPARED = ("spikes of every layer with neurons", "scores", "class", "cycles alone", "cycles back to back")


@dataclass(frozen=True)
class Latency:
    """Cycles of a frame sent alone, over all frames."""

    min: int
    mean: float
    max: int

    @classmethod
    def of(cls, cycles: np.ndarray) -> "Latency":
        """Return the figures of ``cycles`` ``(frames,)``."""
        return cls(int(cycles.min()), float(cycles.mean()), int(cycles.max()))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The images of a test set, sent back to back and one by one; nothing differed from the golden model.

    network:          its name
    digest:           of the network
    images:           how many
    image_source:     where they are from
    compared:         what was
    differences:      none, else there is no summary
    accuracy:         of the circuit, a share; None without labels
    spikes:           how many, by layer
    latency_cycles:   of frames sent alone
    simulated_frames: both ways, with those that fill up the last sequence
    simulator:        its name
    jobs:             simulators at a time
    build_seconds:    to make and compile the Verilog
    run_seconds:      to simulate it
    """

    network: str
    digest: str
    images: int
    image_source: str
    compared: tuple[str, ...] = COMPARED
    differences: int = 0
    accuracy: float | None
    spikes: dict[str, int]
    latency_cycles: Latency
    simulated_frames: int
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


def written(root: Path, network: str, digest: str, content: dict[str, Any]) -> Path:
    """Write ``content`` into folder ``root``; return the file, named by ``network`` and ``digest``."""
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"{network}-{digest[:12]}.json"
    write_json(target, content)
    return target


def spikes_by_layer(expected: Expected, frames: int) -> dict[str, int]:
    """Return how often the neurons of each layer fire in the first ``frames`` of ``expected``."""
    return {name: int(counts[:frames].sum()) for name, counts in expected.fired.items()}
