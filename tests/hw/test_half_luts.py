"""Tables that nextpnr-xilinx adds: each rule of its packer on a netlist of a few cells."""

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.half_luts import HalfLuts, count_half_luts, of_cells
from s2nn_hw.verilog.netlist import Cell


def cell(kind, outputs, **inputs):
    pins = {name: bits if isinstance(bits, list) else [bits] for name, bits in (inputs | outputs).items()}
    return Cell(kind, pins, {name: "output" if name in outputs else "input" for name in pins})


def lut(size, out, first=100):
    return cell(f"LUT{size}", {"O": out}, **{f"I{n}": first + n for n in range(size)})


def carry(s, di, *, co=(), ci="0"):
    s, di, co = ([*bits, *"xxxx"][:4] for bits in (s, di, co))
    return cell("CARRY4", {"O": [90, 91, 92, 93], "CO": co}, S=s, DI=di, CI=ci)


@pytest.mark.parametrize(
    ("cells", "added"),
    [
        # S and DI from tables of their own that share five inputs: nothing
        ([lut(3, 1), lut(2, 2), carry([1], [2])], 0),
        ([lut(5, 1), lut(5, 2), carry([1], [2])], 0),
        # six inputs: the table of DI gets a route-through, and that of S too if the input then left over is too many
        ([lut(3, 1), lut(3, 2, first=200), carry([1], [2])], 1),
        ([lut(5, 1), lut(1, 2, first=200), carry([1], [2])], 2),
        # no table, a table of six, a table with other loads, a constant
        ([cell("FDRE", {"Q": 1}, D=9), carry([1], ["x"])], 1),
        ([lut(6, 1), carry([1], ["x"])], 1),
        ([lut(2, 1), cell("FDRE", {"Q": 9}, D=1), carry([1], ["x"])], 1),
        ([carry(["0"], ["1"])], 2),
        # an inverter is a table of one input
        ([cell("INV", {"O": 1}, I=5), carry([1], ["x"])], 1),
        # a carry that goes on to the next CARRY4 costs nothing, one that leaves a table
        ([carry([], [], co=["x", "x", "x", 7]), carry([], [], ci=7)], 0),
        ([carry([], [], co=["x", "x", "x", 7]), cell("FDRE", {"Q": 9}, D=7)], 1),
        ([carry([], [], co=["x", "x", "x", 7]), carry([], [], ci=7), cell("FDRE", {"Q": 9}, D=7)], 1),
        ([carry([], [], co=["x", 7]), lut(2, 8, first=7)], 1),
        # a multiplexer of two tables; one behind a flip-flop
        ([lut(6, 1), lut(6, 2), cell("MUXF7", {"O": 3}, I0=1, I1=2, S=4)], 0),
        ([lut(6, 1), cell("FDRE", {"Q": 2}, D=9), cell("MUXF7", {"O": 3}, I0=1, I1=2, S=4)], 1),
    ],
)
def test_tables_of_one_input(cells, added):
    counted = of_cells({f"cell{n}": cell for n, cell in enumerate(cells)})
    own = sum(c.type == "LUT1" for c in cells)
    assert counted.lut1s == added + own
    larger = sum(c.type in {"LUT2", "LUT3", "LUT5", "LUT6"} for c in cells)
    assert counted.halves == larger + counted.lut1s


def test_memories_and_whole_tables():
    others = [cell(kind, {}) for kind in ("RAM32M", "RAM64M", "SRL16E", "FDRE")]
    cells = [lut(6, 1), lut(6, 2), lut(5, 3), *others]
    assert of_cells(dict(enumerate(cells))) == HalfLuts(halves=3 + 8 + 4 + 1, lut1s=0, sites=6 + 5)
    assert of_cells(dict(enumerate(cells))).luts == 8
    assert of_cells({}) == HalfLuts(0, 0, 0)


@pytest.mark.parametrize("text", ["", "{}", '{"modules": {"other": {}}}', "[]"])
def test_netlist_that_is_none(text, tmp_path):
    (tmp_path / "top.json").write_text(text)
    with pytest.raises(UserError, match=r"yosys wrote no readable netlist \S+top\.json"):
        count_half_luts(tmp_path / "top.json")
