"""Plans of networks of sequences: the fewest lanes for a rate, the fastest that fits, and what is out of reach."""

import json
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.cost.recurrent import circuit_cost, counts
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.sequences import Sequences, write_sequences
from s2nn_hw.network.store import save
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.plan.sequences import SequencePlanner, sequence_plan
from s2nn_hw.sequence_design import SequenceDesign
from tests.support.commands import command, refused  # noqa: F401
from tests.support.recurrent import recordings, spoken

CLOCK = 1e6


@pytest.fixture(scope="module")
def network():
    return spoken((12, 16, 16, 4), ticks=3, frames=8)


def planner(network, board="arty_a7", **budget):
    facts = board_facts(find_board(board))
    changed = {name: replace(entry, budget=budget.get(name, entry.budget)) for name, entry in facts.budget.items()}
    return SequencePlanner(network, replace(facts, budget=changed), CLOCK, *recordings(network, [8, 3, 5]))


def test_a_rate_takes_the_fewest_lanes(network):
    slow, quick = planner(network).cheapest(50), planner(network).cheapest(3000)
    assert slow.frames_per_second >= 50
    assert quick.frames_per_second >= 3000
    assert sum(p.lanes for p in slow.layers) < sum(p.lanes for p in quick.layers)
    assert slow.used["luts"] < quick.used["luts"]
    design = SequenceDesign(network, quick.plan)
    assert quick.used == counts(FAMILIES["xc7"], circuit_cost(FAMILIES["xc7"], design, link=True))


def test_the_fastest_that_fits(network):
    whole = planner(network).fastest()
    assert whole.layers[0].groups == 1
    small = planner(network, luts=2000).fastest()
    assert small.used["luts"] <= 0.9 * 2000
    assert small.frames_per_second < whole.frames_per_second


def test_out_of_reach(network):
    with pytest.raises(UserError, match="out of reach on Arty A7-35T at 1 MHz: with a lane a neuron it is"):
        planner(network).cheapest(1e6)
    with pytest.raises(UserError, match="it does not fit: FF about"):
        planner(network, ffs=300).cheapest(1)
    with pytest.raises(UserError, match="it does not fit: LUT6 about"):
        planner(network, luts=200).fastest()


def test_the_command(network, command, tmp_path):  # noqa: F811
    path, recorded, out = tmp_path / "spoken.s2nn", tmp_path / "r.npz", tmp_path / "plan.json"
    save(network, path)
    frames, offsets = recordings(network, [8, 3])
    write_sequences(recorded, Sequences(frames, offsets))
    words = ("plan", path, "--board", "icebreaker", "--images", recorded)
    status, said, _ = command(*words, "--target-fps", "100", "-o", out)
    assert status == 0
    assert "frames/s" in said
    plan = load_plan(out, network, board="icebreaker")
    assert plan.note["estimate"]["frames_per_second"] >= 100
    assert json.loads(command(*words, "--json")[1])["layers"][0]["engine"] == "recurrent"
    refused(command(*words, "--unroll"), "leave --unroll out")
    assert np.array_equal([c.groups for c in sequence_plan(network, "ice40").layers], [8, 8, 2])
