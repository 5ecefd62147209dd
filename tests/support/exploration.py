"""An exploration of a small network as tests run it, and one candidate of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from s2nn_hw.cli.exploration import Options, explore_designs
from s2nn_hw.design import Design
from s2nn_hw.explore.evaluate import code_digest
from s2nn_hw.explore.tasks import CandidateTask, TaskBoard
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.trace import layer_inputs

BOARD = board_facts(find_board("arty_a7"))
QUICK = Options(trials=8, population=4, jobs=1, synthesise=0, frames=6, images=Path("x.npy"), labels=Path("y.npy"))


def explore(options=QUICK, workers=None, **changes):
    options = replace(options, **changes)
    explore_designs(Path("tiny.s2nn"), "arty_a7", options)
    return json.loads((Path(options.output or "runs/explore/tiny-arty_a7") / "front.json").read_text())


def bare(data):
    return {key: value for key, value in data.items() if key != "created"}


def task(**parameters):
    parameters = {"clock_mhz": 100.0, "plan": "default"} | parameters
    board = TaskBoard("xc7", 10**6, {"luts": 20000.0, "ffs": 40000.0, "brams": 50.0})
    return CandidateTask(code_digest("candidate"), "", board, ("", 0), parameters)


def cycles(network, plan, images):
    """Return the mean latency and interval of ``images``."""
    timing = Design(network, plan).timing
    ones = timing.ones(layer_inputs(network, images)[1])
    queued = timing.schedule(ones, length=len(images)).offered
    return float(timing.schedule(ones).cycles.mean()), float(np.diff(queued, axis=1).mean())
