"""Run the benchmarks: ``python -m benchmarks [NAME ...] [--network N.s2nn] [-o build/bench]``.

Tables on the terminal, JSON in the output folder. Status 1 if a figure to reach is missed, 2 for bad input.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from benchmarks import (
    adders,
    cycles,
    event_link,
    first_spikes,
    generate,
    golden,
    imports,
    page,
    paths,
    planes,
    plans,
    recurrent,
    simulation,
    speaker_pairs,
    speakers,
    statistics,
    unrolled,
)
from benchmarks.frame import Benchmark, Setting, find_images, publish
from benchmarks.growth import Growth, References
from benchmarks.synthesis import Estimates, Lanes
from s2nn_hw.errors import UserError
from s2nn_hw.files import write_json
from s2nn_hw.network.store import load

IMAGES = 10_000
BENCHMARKS: dict[str, Benchmark] = {
    "imports": imports,
    "golden": golden,
    "generate": generate,
    "cycles": cycles,
    "simulation": simulation,
    "statistics": statistics,
    "page": page,
    "adders": adders,
    "unrolled": unrolled,
    "recurrent": recurrent,
    "lanes": Lanes(),
    "estimates": Estimates(),
    "references": References(),
    "growth": Growth(),
    "paths": paths,
    "planes": planes,
    "ttfs": first_spikes,
    "event-link": event_link,
    "plan": plans,
    "speakers": speakers,
    "speaker-pairs": speaker_pairs,
}
SHOWN = ("plan", "speaker-pairs")  # have a progress bar of their own
TRAININGS = ("speakers", "speaker-pairs")  # which take too long to be run unasked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the words say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    asked = f"of {', '.join(BENCHMARKS)}; default all but {', '.join(TRAININGS)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=asked)
    parser.add_argument("--network", type=Path, default=Path("models/mnist-mlp.s2nn"), metavar="N.s2nn")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"), metavar="DIR")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        raise UserError(f"benchmark {min(unknown)!r} is unknown; known: {', '.join(BENCHMARKS)}")
    network = load(options.network)
    images, source = find_images(network, IMAGES)
    options.output.mkdir(parents=True, exist_ok=True)
    setting = Setting(network, options.network, images, source, options.output)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(f"{network.name} ({network.digest[:12]}), {len(images):,} images: {source}")
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load_before and load_before > 0.5:
        console.print(f"load {load_before:.1f} on {os.cpu_count()} cores: others are at work, so times are too long")
    missed: list[str] = []
    times: dict[str, float] = {}
    for name in options.names or [name for name in BENCHMARKS if name not in TRAININGS]:
        benchmark, start = BENCHMARKS[name], time.monotonic()
        with nullcontext() if name in SHOWN else console.status(f"{name} ..."):
            rows = benchmark.run(setting)
        times[name] = round(time.monotonic() - start, 1)
        publish(name, benchmark.TITLE, rows, setting, times[name], console)
        missed += [f"{name}: {row.what}" for row in rows if row.binding and row.reached is False]
    write_json(
        options.output / "summary.json",
        {
            "network": network.name,
            "digest": network.digest,
            "load_before": load_before,
            "seconds": times,
            "missed": missed,
        },
    )
    console.print(f"{sum(times.values()):.0f} s; figures in {options.output}")
    for line in missed:
        console.print(f"missed {line}", markup=False)
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(2)
