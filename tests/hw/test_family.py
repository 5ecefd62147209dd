"""A family is two files and two lines: one made here, with yosys alone, goes as far as it can without placement."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from amaranth.hdl import Instance

from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.ecp5 import ECP5 as ECP5_DATA
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.board.clocking import pll_settings
from s2nn_hw.hw.board.device import devices
from s2nn_hw.hw.board.pll import ClockSource, PllLimits
from s2nn_hw.hw.family import FLOWS, library_of
from s2nn_hw.hw.family.base import FamilyFlow, PartSynthesis
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.hw.flow.planned import plan, write
from s2nn_hw.hw.flow.steps import synthesise
from s2nn_hw.hw.flow.synthesis import component_command
from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.hw.flow.work import STAT, Flow, Netlists, Outcome, Step
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.primitives import LUT, Buffer, CellLibrary, Primitive
from tests.support.flow_tools import FAKE_YOSYS, build_count
from tests.support.netlists import cell, design

(DEVICE,) = devices("toy", "LUT3", "BLOCK", 50, (("TOY1", 1_000, 1_000, 4, 0),))
LIBRARY = CellLibrary(
    "toy",
    {"TLUT": LUT, "TFF": Primitive("ff", ("CK",)), "TBLOCK": Primitive("block", ("CK",))},
    weights={"luts": {"TLUT": 1}, "ffs": {"TFF": 1}, "brams": {"TBLOCK": 1}, "dsps": {}},
    buffer=Buffer("TLUT", "A", "Z", {"INIT": "10"}),
)


def pll(request):
    """Return a PLL that only this family has."""
    return Instance("TPLL", i_I=request.pin, o_O=request.clock, o_L=request.locked, p_M=request.settings.multiplier)


def spread_to_eight(path, library):
    """Spread a netlist to eight loads a net."""
    return spread_file(path, library, limit=8)


@dataclass(frozen=True, kw_only=True)
class ToyFlow(Flow):
    """yosys alone."""

    kind: ClassVar[str] = "toy"

    def prepare(self, work, top):
        planned = plan(work.board.create_platform(), top)
        write({"top.v": planned.files["top.v"]}, work.folder)
        return work.with_commands([["yosys", "-p", "synth_toy -top top"]])

    def run(self, work):
        usage = synthesise(work)
        return Outcome(usage, synthesis=usage)

    def synthesis(self, work):
        tool, *arguments = work.commands[0]
        return Step(tool, arguments, ("top.json", STAT), "yosys, synth_toy")


def choose(netlists, board, choice):
    """Return the flow, which has no placement."""
    tools = {"yosys": find_tool("yosys", native=choice.native)}
    return ToyFlow(tools=tools, netlists=netlists, missing=("tool nextpnr-toy (nobody made it)",))


TOY = FamilyFlow(
    devices_title="Toy",
    devices=(DEVICE,),
    bitstream="top.toy",
    clock=ClockSource(PllLimits((1e6, 2e8), (1e8, 8e8), (1e6, 2e8), range(1, 9), range(1, 65), (1, 2, 4, 8)), pll),
    netlists=Netlists(LIBRARY, passes=(spread_to_eight,)),
    choose=choose,
    parts=PartSynthesis(
        "synth_toy -top {top}", accelerator=lambda device, top: f"synth -flatten -noabc -top {top}", models="toy"
    ),
)


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setitem(FAMILIES, "toy", replace(ECP5_DATA, name="toy", title="Toy"))
    monkeypatch.setitem(FLOWS, "toy", TOY)
    arty = find_board("arty_a7")
    return replace(
        arty, name="toy_board", family="toy", device=DEVICE.name, clock_hz=DEVICE.clock_hz, budget=DEVICE.budget
    )


def test_the_tables_have_the_same_families():
    assert set(FAMILIES) == set(FLOWS)
    assert {name: flow.library.family for name, flow in FLOWS.items()} == {name: name for name in FLOWS}
    assert {device.family for flow in FLOWS.values() for device in flow.devices} == set(FLOWS)


def test_a_new_family_is_synthesised_for_its_board(board, tools, tmp_path):
    tools("yosys", FAKE_YOSYS)
    pins = {f"O{n}": 40 + n for n in range(20)}
    cells = {"ff": cell("TFF", ("Q",), CK=2, D=40, Q=3)}
    cells |= {f"lut{n}": cell("TLUT", ("Z",), A=3, Z=net) for n, net in enumerate(pins.values())}
    ports = {"clk": ("input", [2]), "o": ("output", list(pins.values()))}
    tools.netlist.write_text(json.dumps(design(cells, ports)))
    tools.stat.write_text(json.dumps({"design": {"num_cells_by_type": {"TLUT": 20, "TFF": 1}}}))
    built = build_count(board, tmp_path / "build", native=True)
    record = built.record
    assert (built.status, built.bitstream, record.flow) == (3, None, "toy")
    assert built.missing == ("tool nextpnr-toy (nobody made it)",)
    assert record.synthesis == {"luts": 20, "ffs": 3, "brams": 0, "dsps": 0}  # two copies of the register
    assert (record.resources["luts"].kind, record.resources["luts"].budget) == ("LUT3", 1_000)
    netlist = FlatNetlist.read(built.folder / "top.json", library_of("toy"))
    assert max(len(loads) for net, loads in netlist.loads.items() if not netlist.is_clock(net)) <= 8
    assert "TPLL" in (built.folder / "top.v").read_text()
    assert build_count(board, tmp_path / "build", native=True).reused


def test_a_new_family_has_its_accelerators_netlist(board, tmp_path):
    flow = NetlistFlow(board)
    text = (
        "module accelerator(input clk, input [3:0] i, output reg [3:0] o); always @(posedge clk) o <= o + i; endmodule"
    )
    flow.synthesise(text, tmp_path, tick=lambda _="": None)
    kinds = {
        cell["type"]
        for cell in json.loads((tmp_path / "netlist.json").read_text())["modules"]["accelerator"]["cells"].values()
    }
    assert "$_DFF_P_" in kinds
    with pytest.raises(UserError, match=r"yosys's cell models .*toy/cells_sim.v are missing"):
        flow.models()


def test_what_asks_the_table_knows_a_new_family(board):
    assert component_command("toy", "part") == "synth_toy -top part"
    assert pll_settings("toy", 100e6, 50e6).output_hz == 50e6
    with pytest.raises(UserError, match="is outside what the toy PLL makes"):
        pll_settings("toy", 100e6, 400e6)


def test_a_family_that_is_not_there_is_named():
    with pytest.raises(UserError, match="device family 'toy' is unknown; known: xc7, ecp5, ice40, gowin"):
        library_of("toy")
