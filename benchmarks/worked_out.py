"""README's tables of shipped networks, worked out anew: sizes and bits, accuracy, exact cycles, estimates."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recorded_build import RecordedBuild
from s2nn_hw.cost.estimate import Estimate, estimate
from s2nn_hw.design import Design
from s2nn_hw.family import GENERAL
from s2nn_hw.hw.board.boards import BOARDS, Board
from s2nn_hw.hw.facts import link_facts
from s2nn_hw.network.first_spikes import slots_of
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan, sparse
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.quantize.data import sets
from s2nn_hw.report.show.words import number, scaled
from s2nn_hw.texts import parse_json

# of these all test images take seconds; convolutions of colour images take minutes
Compared = tuple[str, str, str | None]  # what, as it is written, as it is now: None if it can't be told here
QUICK = {"mnist-mlp", "mnist-tiny", "mnist-nano", "mnist-pico", "magic-nano", "fashion-mlp"} | {
    *("mnist-if4", "mnist-lif4", "mnist-dsr4", "mnist-t2", "fashion-k2", "fashion-k3", "fashion-k4"),
    *("mnist-ttfs", "fashion-ttfs"),
}


def _between(planes: Planes, slots: int) -> str:
    """Return what goes between layers, as the table says it."""
    if slots:
        return f"first spike in {slots} slots"
    return f"numbers of {planes.count} bits" if planes.radix else f"{planes.count} steps"


def differences(readme: Path, builds: Sequence[RecordedBuild]) -> tuple[list[str], list[str]]:
    """Return ``(lines, notes)``: what differs in the tables of ``readme``, and what could not be checked."""
    known = Known()
    found: list[str] = []
    notes: list[str] = []
    for number_of_line, line in enumerate(readme.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        name = cells[0].strip("`") if cells else ""
        if not Path(f"models/{name}.s2nn").is_file():
            continue
        if len(cells) == 7 and cells[0].startswith("`") and cells[6].rstrip(" live").endswith("k"):
            wanted = known.shipped(name, cells)
        elif len(cells) == 12:
            wanted = known.overview(name, cells, builds)
        elif len(cells) == 7 and cells[4] == "0":
            wanted = known.verified(name, cells)
        elif len(cells) == 6:
            wanted = known.over_planes(name, cells)
        else:
            continue
        for what, written, computed in wanted:
            if computed is None:
                notes.append(f"{readme}:{number_of_line}: {name}, {what}: not checked here")
            elif written != computed:
                found.append(f"{readme}:{number_of_line}: {name}, {what}: {written} written, {computed} now")
    return found, notes


class Known:
    """Networks, test images and what was worked out of them, each once."""

    def __init__(self) -> None:
        self.kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return ``make()``, called the first time only."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def network(self, name: str) -> Network:
        """Return the shipped network."""
        return self.once(name, lambda: load(f"models/{name}.s2nn"))

    def images(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return ``(images, labels)`` of the test set if it is here and quick, else None."""
        key = str(self.network(name).provenance.get("data_set"))
        if name not in QUICK or not sets.present(key, "test"):
            return None
        return self.once(("set", key), lambda: sets.load(key, "test"))

    def inputs(self, name: str) -> tuple[float, dict[str, np.ndarray]]:
        """Return ``(accuracy in %, tensors by name)`` of all test images."""

        def make() -> tuple[float, dict[str, np.ndarray]]:
            found = self.images(name)
            assert found  # nobody asks without them
            pictures, labels = found
            output, values = layer_inputs(self.network(name), pictures)
            return 100 * float((output.classes == labels).mean()), values

        return self.once(("inputs", name), make)

    def cycles(self, name: str, board: Board | None = None) -> tuple[float, float]:
        """Return ``(mean latency, mean interval)`` in cycles of all test images on ``board`` with its shipped plan."""

        def make() -> tuple[float, float]:
            network = self.network(name)
            plan = default_plan(network, GENERAL)
            if board:
                shipped = Path(f"models/{name}.{board.name}.plan.json")
                plan = load_plan(shipped, network) if shipped.is_file() else default_plan(network, board.family)
            design = Design(network, plan)
            ones = design.timing.ones(self.inputs(name)[1])
            alone, queued = design.timing.schedule(ones), design.timing.schedule(ones, length=100)
            return float(alone.cycles.mean()), float(np.diff(queued.offered, axis=1).mean())

        return self.once(("cycles", name, board and board.name), make)

    def accuracy(self, name: str) -> str | None:
        """Return the accuracy in %, of the test set or as the network's file says."""
        if self.images(name) is not None:
            return f"{self.inputs(name)[0]:.2f} %"
        said = (self.network(name).provenance.get("measured") or {}).get("accuracy_integer")
        return None if said is None else f"{100 * said:.2f} %"

    def shipped(self, name: str, cells: Sequence[str]) -> Iterator[Compared]:
        """Yield the figures of a row of the shipped networks: bits of pixels, accuracy, weights."""
        network = self.network(name)
        count, said = network.synapse_count, ""
        if sparse(network):
            count = sum(int((s.weights != 0).sum()) for layer in network.layers for s in layer.synapses)
            said = " live"
        weights = (
            f"{count / 1e6:.2f} M"
            if count >= 1e6
            else f"{count / 1e3:.1f} k"
            if count < 1e4
            else f"{count / 1e3:.0f} k"
        )
        yield "bits of a pixel", cells[3][:1], str(network.input.bits)
        yield "accuracy", cells[5], self.accuracy(name)
        yield "weights", cells[6], weights + said

    def over_planes(self, name: str, cells: Sequence[str]) -> Iterator[Compared]:
        """Yield the figures of a row of networks over planes: what goes between layers, both accuracies."""
        network = self.network(name)
        planes, slots = {key: x for key, x in network.planes.items() if key != INPUT}, slots_of(network)
        words = sorted({_between(p, slots.get(key, 0)) for key, p in planes.items()})
        yield "planes", cells[2].split(",")[0], " and ".join(words)
        yield "accuracy", cells[4], self.accuracy(name)
        figures = parse_json(Path(f"models/{name}.json").read_text(), name)
        yield "accuracy of the float model", " ".join(cells[5].split()[:2]), f"{100 * figures['accuracy_float']:.2f} %"

    def verified(self, name: str, cells: Sequence[str]) -> Iterator[Compared]:
        """Yield the figures of a row of `make verify`: mean latency."""
        here = self.images(name) is not None
        yield "latency, mean, cycles", cells[5], number(round(self.cycles(name)[0], 1)) if here else None

    def overview(self, name: str, cells: Sequence[str], builds: Sequence[RecordedBuild]) -> Iterator[Compared]:
        """Yield the figures of a row of the overview: accuracy, resources, latency, frames/s."""
        board = next((board for board in BOARDS.values() if board.title == cells[2]), None)
        yield "accuracy", cells[3], self.accuracy(name)
        if board is None:
            return
        network, shipped = self.network(name), Path(f"models/{name}.{board.name}.plan.json")
        plan = load_plan(shipped, network) if shipped.is_file() else default_plan(network, board.family)
        built = next((entry for entry in builds if (entry.network, entry.board) == (name, board.name)), None)
        for what, cell, key in (("LUTs", cells[4], "luts"), ("block RAMs", cells[5], "brams")):
            if cell.startswith("~"):
                guess: Estimate = self.once(
                    ("estimate", name, board.name), lambda: estimate(Design(network, plan), board.family, link=True)
                )
                used = guess.cells if key == "luts" else guess.counts()[key]
                yield f"{what}, estimate", cell, f"~{number(used)} {board.budget.title(key)}"
            else:
                yield (
                    what,
                    cell,
                    f"{number(built.resources.by_name()[key].used)} {board.budget.title(key)}" if built else None,
                )
        mhz = float(cells[6].split()[0])
        if self.images(name) is None:
            yield "latency and frames/s", "", None
            return
        latency, interval = self.cycles(name, board)
        link = link_facts(network, plan, clock_hz=mhz * 1e6, baud=board.baud).frames_per_second
        circuit = 1e6 * mhz / interval
        yield "latency, mean", cells[7], " ".join(scaled(latency / mhz, "us"))
        yield "frames/s, circuit", cells[9], number(round(circuit))
        yield "frames/s, board", cells[10], number(round(min(circuit, link)))
