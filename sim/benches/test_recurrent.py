"""The generated Verilog of circuits of sequences under cocotb: every tick's values are the golden model's."""

from dataclasses import replace
from pathlib import Path

import pytest

from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.sim.verilog.runner import Manner
from s2nn_hw.sim.verilog.sequences import SequenceAnswer, SequenceSimulation, compare, expect, run_checked
from s2nn_hw.sim.verilog.verify import Mismatch
from tests.support.recurrent import drawn_circuit, recordings, recurrent_plan, spoken

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder() -> Path:
    return ROOT / "build" / "sim"  # compiled once, kept between runs


@pytest.mark.parametrize("groups", [1, 3])
def test_spoken_digits(folder: Path, groups: int) -> None:
    """Sequences alone, behind each other, with stalls on both sides and after a reset in the middle of one."""
    network = spoken((9, 12, 12, 4))
    simulation = SequenceSimulation(network, recurrent_plan(network, groups=groups), folder=folder)
    frames, offsets = recordings(network, [3, 1, 6, 6, 2, 5])
    for manner in (Manner(), Manner(6), Manner(3, (0.5, 0.3)), Manner(2, resets=(5, 90, 201))):
        came = run_checked(simulation, frames, offsets, manner)
        assert came.spikes.keys() == {"encoder", "recurrent"}


def test_a_random_network(folder: Path) -> None:
    network, plan, frames, offsets = drawn_circuit(68, 5)  # with a loop through two layers
    run_checked(SequenceSimulation(network, plan, folder=folder), frames, offsets, Manner(5))


def test_what_differs_is_named() -> None:
    network = spoken((9, 12, 12, 4))
    design = SequenceDesign(network, recurrent_plan(network))
    frames, offsets = recordings(network, [3, 1])
    wanted, came = (expect(design, frames, offsets, 1)[0] for _ in range(2))
    compare(came, wanted)
    came.spikes["recurrent"][7, 2] ^= 1
    with pytest.raises(Mismatch, match=r"layer recurrent: value of neuron 2 in tick 7"):
        compare(came, wanted)
    with pytest.raises(Mismatch, match="12 ticks were wanted, 4 came"):
        compare(replace(came, spikes={"encoder": came.spikes["encoder"][:4]}), wanted)
    with pytest.raises(Mismatch, match="cycle count in sequence 1"):
        compare(replace(came, spikes={}, cycles=came.cycles + [0, 1]), wanted)
    with pytest.raises(Mismatch, match="2 sequences were sent, 1 came back"):
        compare(SequenceAnswer(came.classes[:1], came.scores[:1], came.cycles[:1], {}), wanted)
