"""Registers behind a block RAM go into it, or stay, with the reason."""

import copy
import json

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.output_registers import ON, absorb, absorb_file
from tests.support.netlists import cell, design

CLOCK, OTHER_CLOCK, ENABLE = 2, 3, 4
OUTPUTS = ("DOADO", "DOPADOP", "DOBDO", "DOPBDOP")


def memory(kind="RAMB18E1", parameters=None, **pins):
    zeros = {"DOA_REG": "0" * 32, "DOB_REG": "0" * 32, "RAM_MODE": "TDP", "INIT_A": "x" * 18, "INIT_B": "0" * 18}
    pins = {
        "CLKARDCLK": CLOCK,
        "CLKBWRCLK": CLOCK,
        "REGCEAREGCE": "0",
        "REGCEB": "0",
        "RSTREGARSTREG": "0",
        "RSTREGB": "0",
    } | pins
    return cell(kind, OUTPUTS, zeros | (parameters or {}), **pins)


def register(data, parameters=None, attributes=None, **pins):
    pins = {"C": CLOCK, "CE": "1", "R": "0", "D": data, "Q": data + 100} | pins
    return cell("FDRE", "Q", {"INIT": "x"} if parameters is None else parameters, attributes, **pins)


def netlist(cells, out, names=None):
    ports = {"clk": ("input", [CLOCK, OTHER_CLOCK]), "ce": ("input", [ENABLE, 5]), "o": ("output", out)}
    names = {"read": [10, 11], "word": [110, 111], "wide": [10, 50]} | (names or {})
    return FlatNetlist(design(cells, ports, names), library_of("xc7"))


def check_wiring(after):
    fresh = FlatNetlist(after.to_json(), after.library)
    assert {net: sorted(pins) for net, pins in fresh.loads.items()} == {
        net: sorted(pins) for net, pins in after.loads.items() if pins
    }
    assert fresh.drivers == {net: pins for net, pins in after.drivers.items() if pins}
    assert set(fresh.loads) <= set(fresh.drivers)


@pytest.mark.parametrize("enable", ["1", ENABLE])
def test_registers_go_into_the_port(enable):
    # bit 2 of the port is not read
    made = netlist(
        {
            "ram": memory(DOADO=[10, 11, 12], DOPADOP=[13, "x"], DOBDO=[], DOPBDOP=[]),
            **{f"r{bit}": register(bit, CE=enable) for bit in (10, 11, 13)},
        },
        [110, 111, 113],
    )
    result = absorb(made)
    check_wiring(made)
    assert (result.ports, result.registers, result.left) == (1, 3, ())
    assert result.removed() == {"FDRE": 3}
    assert list(made.cells) == ["ram"]
    ram = made.cells["ram"]
    assert ram.pins["DOADO"] == [110, 111, 12]
    assert ram.pins["DOPADOP"] == [113, "x"]
    assert ram.pins["REGCEAREGCE"] == [enable]
    assert ram.pins["REGCEB"] == ["0"]
    assert ram.parameters["DOA_REG"] == ON == "0" * 31 + "1"
    assert ram.parameters["DOB_REG"] == "0" * 32
    assert ram.parameters["INIT_A"] == "x" * 18
    assert "read" not in made.names
    assert made.names["word"].bits == [110, 111]
    assert made.names["wide"].bits == ["x", 50]
    assert made.name(110) == "o[0]"
    assert str(result) == "block RAM output registers: 1 ports, 3 flip-flops fewer"
    assert json.loads(json.dumps(result.to_json())) == {"ports": 1, "registers": 3, "left": []}
    assert absorb(made).ports == 0


@pytest.mark.parametrize("kind", ["RAMB18E1", "RAMB36E1"])
def test_simple_dual_port_has_one_port_of_both_halves(kind):
    def cells(clock=CLOCK, **last):
        ram = memory(
            kind, {"RAM_MODE": "SDP"}, CLKBWRCLK=OTHER_CLOCK, DOADO=[10], DOPADOP=[11], DOBDO=[12], DOPBDOP=[13]
        )
        return {
            "ram": ram,
            **{f"r{bit}": register(bit, CE=ENABLE) for bit in (10, 11, 12)},
            "r13": register(13, **({"CE": ENABLE, "C": clock} | last)),
        }

    made = netlist(cells(), [110, 111, 112, 113])
    assert (absorb(made).ports, list(made.cells)) == (1, ["ram"])
    check_wiring(made)
    ram = made.cells["ram"]
    assert [ram.parameters[name] for name in ("DOA_REG", "DOB_REG")] == [ON, ON]
    assert [ram.pins[name] for name in ("REGCEAREGCE", "REGCEB")] == [[ENABLE], [ENABLE]]
    assert ram.pins["DOPBDOP"] == [113]
    for wrong in (cells(clock=OTHER_CLOCK), cells(CE=5)):
        made = netlist(wrong, [110, 111, 112, 113])
        assert absorb(made).ports == 0
        assert len(made.cells) == 5


def test_ports_are_on_their_own():
    """Port B has another clock and enable; port A is left since a bit of it is read twice."""
    ram = memory(CLKBWRCLK=OTHER_CLOCK, DOADO=[10], DOPADOP=[], DOBDO=[11], DOPBDOP=[12])
    made = netlist(
        {
            "ram": ram,
            "r10": register(10),
            "more": register(10, Q=200),
            **{f"r{bit}": register(bit, C=OTHER_CLOCK, CE=ENABLE) for bit in (11, 12)},
        },
        [110, 111, 112, 200],
    )
    result = absorb(made)
    check_wiring(made)
    assert (result.ports, result.registers) == (1, 2)
    assert [(item.memory, item.port, item.reason) for item in result.left] == [
        ("ram", "A", "an output with several loads")
    ]
    assert "1 ports that are read left" in str(result)
    assert made.cells["ram"].parameters["DOB_REG"] == ON
    assert set(made.cells) == {"ram", "r10", "more"}


GOOD = register(11)
MISSES = {
    "an output with several loads": {"second": GOOD, "third": register(11, Q=300)},
    "an output that no plain register reads": {"second": cell("LUT1", "O", {"INIT": "01"}, I0=11, O=111)},
    "a register to be kept in its place": {"second": register(11, None, {"keep": "1"})},
    "a register with another clock or an inverted pin": {"second": register(11, C=OTHER_CLOCK)},
    "a register with a reset": {"second": register(11, R=5)},
    "a register that does not start at 0": {"second": register(11, {"INIT": "1"})},
    "registers with different clock enables": {"second": register(11, CE=ENABLE)},
    "a register without output or clock enable": {"second": register(11, CE="0")},
    "its register is in use": {"ram": {"DOA_REG": ON}},
    "a cascade": {"ram": {"RAM_EXTENSION_A": "UPPER"}},
    "an output that does not start at 0": {"ram": {"INIT_A": "0" * 17 + "1"}},
    "a falling edge": {"ram": {"IS_CLKARDCLK_INVERTED": "1"}},
    "a reset of its register": {"pins": {"RSTREGARSTREG": 5}},
}
ALIKE = [
    (
        "an output that no plain register reads",
        {"second": cell("FDSE", "Q", {"INIT": "0"}, C=2, CE="1", S="0", D=11, Q=111)},
    ),
    ("an output that no plain register reads", {"second": register(5, CE=11, Q=111)}),
    ("a register with another clock or an inverted pin", {"second": register(11, {"IS_D_INVERTED": "1"})}),
    ("a register with another clock or an inverted pin", {"second": register(11, {"IS_C_INVERTED": f"{1:032b}"})}),
    ("a register to be kept in its place", {"second": register(11, None, {"BEL": "X"})}),
]


@pytest.mark.parametrize(("reason", "change"), [*MISSES.items(), *ALIKE])
def test_a_port_with_one_bit_that_does_not_fit_is_left(reason, change):
    ram = memory(
        "RAMB36E1", change.get("ram"), DOADO=[10, 11], DOPADOP=[], DOBDO=[], DOPBDOP=[], **change.get("pins", {})
    )
    cells = {"ram": ram, "first": register(10)}
    cells |= {name: made for name, made in change.items() if name in ("second", "third")} or {"second": GOOD}
    made = netlist(copy.deepcopy(cells), [110, 111])
    before = copy.deepcopy(made.to_json())
    result = absorb(made)
    assert (result.ports, result.registers) == (0, 0)
    assert [item.reason for item in result.left] == [reason]
    assert made.to_json() == before


def test_an_output_that_is_a_port_of_the_design_is_left():
    made = netlist({"ram": memory(DOADO=[10], DOPADOP=[], DOBDO=[], DOPBDOP=[])}, [10])
    assert [item.reason for item in absorb(made).left] == ["an output that no plain register reads"]


def test_files_are_replaced_or_left(tmp_path):
    made = netlist({"ram": memory(DOADO=[10], DOPADOP=[], DOBDO=[], DOPBDOP=[]), "r": register(10)}, [110])
    path = tmp_path / "top.json"
    made.write(path)
    text = path.read_text()
    for family in ("ecp5", "ice40", "gowin"):
        assert absorb_file(path, library_of(family)).to_json() == {"ports": 0, "registers": 0, "left": ()}
    assert path.read_text() == text
    assert absorb_file(path, library_of("xc7"), output=tmp_path / "new.json").registers == 1
    assert path.read_text() == text
    absorb_file(path, library_of("xc7"))
    assert path.read_text() == (tmp_path / "new.json").read_text() != text
    with pytest.raises(UserError, match=r"none\.json"):
        absorb_file(tmp_path / "none.json", library_of("xc7"))
