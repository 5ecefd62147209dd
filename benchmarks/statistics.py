"""How long the report's numbers take: cycles of a whole test set, and an activity run from nothing."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.frame import Row, Setting, find_images
from s2nn_hw.design import Design
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.sections.measure import measure

TITLE = "cycle statistics of test sets, and an activity run (synthesis, compilation, simulation)"
MODELS = Path(__file__).parents[1] / "models"
IMAGES, SECONDS = 10_000, 10
FRAMES, ACTIVITY_SECONDS = 20, 300
BOARDS = ("arty_a7", "ulx3s")
NAME = "mnist-mlp"


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    rows: list[Row] = []
    for name in (NAME, "mnist-cnn"):
        network = load(MODELS / f"{name}.s2nn")
        images, _ = find_images(network, IMAGES)
        design = Design(network, default_plan(network, "xc7"))
        measure(design, images[:100])  # compiles the recurrences
        start = time.perf_counter()
        found = measure(design, images)
        seconds = time.perf_counter() - start
        rows += [
            Row(f"{name}: cycles of {found.frames:,} images", seconds, "s", SECONDS, "figure to reach", binding=True),
            Row(f"{name}: images a second", found.frames / seconds, ""),
        ]
    for board in BOARDS:
        folder = setting.output / "activity"
        shutil.rmtree(folder, ignore_errors=True)
        start = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from s2nn_hw.cli.main import main; main()",
                "activity",
                str(MODELS / f"{NAME}.s2nn"),
                "--board",
                board,
                "--frames",
                str(FRAMES),
                "--build",
                str(folder),
                "--json",
            ],
            check=True,
            capture_output=True,
        )
        rows.append(
            Row(
                f"{NAME} on {board}: activity of {FRAMES} images",
                time.perf_counter() - start,
                "s",
                ACTIVITY_SECONDS,
                "figure to reach",
                binding=True,
            )
        )
    return rows
