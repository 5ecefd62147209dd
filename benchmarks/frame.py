"""What the benchmarks share: one kind of row, images, tables and JSON."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console

from s2nn_hw.files import write_json
from s2nn_hw.network.network import Network
from s2nn_hw.records import convert
from s2nn_hw.report.show.tables import make_table, text
from s2nn_hw.texts import read_json


@dataclass(frozen=True)
class Row:
    """One figure: ``measured`` in ``unit`` against ``reference``, which ``source`` explains.

    ``better``: "higher" or "lower" than the reference; "near" for an estimate, within ``tolerance`` of the ratio 1.
    ``binding``: the reference is a figure to reach, and missing it fails the run; else it is a bound or a peer.
    """

    what: str
    measured: float
    unit: str
    reference: float | None = None
    source: str = ""
    better: str = "lower"
    tolerance: float = 0.0
    binding: bool = False

    @property
    def ratio(self) -> float | None:
        """Of measured to reference, None without one."""
        return self.measured / self.reference if self.reference else None

    @property
    def reached(self) -> bool | None:
        """Whether a figure to reach is reached; None for a bound, a peer or no reference."""
        if not self.binding:
            return None
        ratio = self.ratio
        if ratio is None:
            return self.measured == self.reference
        if self.better == "near":
            return abs(ratio - 1) <= self.tolerance
        return ratio >= 1 if self.better == "higher" else ratio <= 1

    def to_json(self) -> dict[str, Any]:
        """Return it with its verdict."""
        return asdict(self) | {"ratio": self.ratio and round(self.ratio, 4), "reached": self.reached}


@dataclass(frozen=True)
class Rows:
    """What a file of rows holds, and the ``seconds`` that they took."""

    rows: list[Row]
    seconds: float


@dataclass(frozen=True)
class Setting:
    """What every benchmark gets: the network and its path, test images, their source, the output folder."""

    network: Network
    path: Path
    images: np.ndarray
    source: str
    output: Path


class Benchmark(Protocol):
    """What a benchmark is, a module or an object."""

    TITLE: str

    @property
    def run(self) -> Callable[[Setting], list[Row]]:
        """What gives the rows."""


def find_images(network: Network, count: int) -> tuple[np.ndarray, str]:
    """Return ``count`` images and their source: the test set if it is here, else the shipped sample, else noise."""
    from s2nn_hw.quantize.data.sets import load, present, samples, title

    name = network.provenance.get("data_set")
    if isinstance(name, str) and present(name, "test"):
        return load(name, "test")[0][:count], f"{title(name)} test set"
    if isinstance(name, str):
        pictures, source = samples(name)[0], f"{title(name)}, shipped sample, repeated"
    else:
        pictures, source = np.random.default_rng(0).integers(0, 256, (300, *network.input.shape)), "random pixels"
    return np.resize(pictures, (count, *pictures.shape[1:])).astype(np.uint8), source


def best_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest wall time of ``repeats`` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def read_rows(path: Path) -> list[Row]:
    """Return the rows in the file that :func:`publish` wrote; :class:`UserError` names what is wrong in another."""
    return convert(read_json(path, what="figures"), Rows, f"figures {path}").rows


def publish(name: str, title: str, rows: Sequence[Row], setting: Setting, seconds: float, console: Console) -> None:
    """Print the rows as a table and write them to ``<output>/<name>.json``."""
    verdict = {True: "yes", False: "NO", None: ""}
    columns = ["what", "measured", "reference", "ratio", "reached", "reference is"]
    lines = [
        [
            row.what,
            f"{text(row.measured)} {row.unit}".strip(),
            text(row.reference),
            f"{row.ratio:.3f}" if row.ratio else "-",
            verdict[row.reached],
            row.source,
        ]
        for row in rows
    ]
    if all(row.reference is None for row in rows):
        columns, lines = columns[:2], [line[:2] for line in lines]
    table = make_table(f"{name}: {title}", columns, lines)
    if len(columns) > 2:
        table.columns[-1].justify = "left"
    console.print(table)
    write_json(
        setting.output / f"{name}.json",
        {
            "format": "s2nn-benchmark",
            "version": 1,
            "benchmark": name,
            "title": title,
            "network": {"name": setting.network.name, "digest": setting.network.digest},
            "images": setting.source,
            "seconds": round(seconds, 1),
            "rows": [row.to_json() for row in rows],
        },
    )
