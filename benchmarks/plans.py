"""The fastest plan of every shipped network on every board, beside the proven bound, and how long planning takes.

The bound: no choice among the planner's ways to build the layers that fits the board, host link included, has a shorter
interval on the frames that were planned with (docs/plan.md). So the ratio is 1 where the plan is the best there is.

It takes the better part of an hour: what is found is kept, by network and sources, and the same command goes on.
"""

import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.frame import Row, Rows, Setting, find_images
from benchmarks.recorded_plans import NOT, ON
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.files import write_json
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.hw.flow.digests import generator_digest
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.for_board import SAMPLE, find_plan, typical
from s2nn_hw.plan.planned import OutOfReach
from s2nn_hw.records import convert
from s2nn_hw.texts import read_json

TITLE = "the fastest plan of each shipped network and board (`plan --fit`), and the bound"
MOST_SECONDS = 60
FIGURES = {  # frames/s to reach, of networks on boards
    ("mnist-mlp", "arty_a7"): 1_800_000.0,
    ("mnist-cnn", "arty_a7"): 125_000.0,
    ("cifar10-cnn", "arty_a7_100"): 1.5 * 8_870,
}


def run(setting: Setting) -> list[Row]:
    """Return a row a network and board, and the longest time."""
    networks = [load(path) for path in sorted(setting.path.parent.glob("*.s2nn"))]
    pairs = [(network, board) for network in networks if not network.input.sequences for board in BOARDS]
    rows, seconds = list[Row](), list[float]()
    for network, board in track(pairs, "planning", console=Console(stderr=True)):
        kept = setting.output / "plans" / f"{network.digest[:12]}-{generator_digest()[:12]}-{board}.json"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(kept, _timed(network, board))
        entry = convert(read_json(kept, what="plan"), Rows, f"plan {kept}")
        rows += entry.rows
        seconds.append(entry.seconds)
    return [*rows, Row("longest planning", max(seconds), "s", MOST_SECONDS, "figure to reach", binding=True)]


def _timed(network: Network, board: str) -> dict[str, Any]:
    """Return the rows of ``network`` on ``board``, and the seconds of the processor that they took."""
    images, _ = find_images(network, SAMPLE)
    start = time.process_time()
    rows = _planned(network, images, board)
    return {"rows": [row.to_json() for row in rows], "seconds": time.process_time() - start}


def _planned(network: Network, images: np.ndarray, board: str) -> list[Row]:
    facts: BoardFacts = board_facts(BOARDS[board])
    what, hertz = f"{network.name}{ON}{facts.title}", facts.clock_mhz * 1e6
    try:
        found = find_plan(network, facts, facts.clock_mhz, None, None, typical(network, images))
    except OutOfReach:
        return [Row(f"{what}{NOT}", 0.0, "frames/s")]
    measured, bound = hertz / found.interval, hertz / found.bound if found.bound else None
    rows = [Row(what, measured, "frames/s", bound, "proven bound", better="higher")]
    wanted = FIGURES.get((network.name, board))
    if wanted:
        rows.append(Row(what, measured, "frames/s", wanted, "figure to reach", better="higher", binding=True))
    return rows
