"""Gowin GW1N and GW2A with tools from PyPI. Busy enables and resets go over global nets by themselves."""

from amaranth.hdl import Const, Instance

from s2nn_hw.hw.board.device import devices
from s2nn_hw.hw.board.pll import ClockSource, PllLimits, PllRequest
from s2nn_hw.hw.family.base import FamilyFlow, PartSynthesis
from s2nn_hw.hw.flow.gowin import TOOLS, commands
from s2nn_hw.hw.flow.nextpnr import Nextpnr
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.work import Netlists
from s2nn_hw.hw.netlist.primitives import LUT, PAD, Buffer, CellLibrary, Primitive, clock_cell, many

# DS117, DS226; six of a unit's eight LUTs have a flip-flop
DEVICES = (
    *devices("gowin", "LUT4", "BSRAM", 54, (("GW1N-9 GW1N-9C GW1NR-9 GW1NR-9C", 8_640, 6_480, 26, 20),)),
    *devices("gowin", "LUT4", "BSRAM", 81, (("GW2A-18 GW2A-18C", 20_736, 15_552, 46, 48),)),
)
# Gowin data sheets DS117 (GW1N-9, grade C6/I5) and DS226 (GW2A, C8/I7), rPLL: what both allow
LIMITS = PllLimits(
    (3e6, 400e6),
    (500e6, 1200e6),
    (3.90625e6, 600e6),
    range(1, 65),
    range(1, 65),
    (2, 4, 8, *range(16, 129, 16)),
    divided_feedback=True,
)
_KINDS = ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")
PRIMITIVES = {
    **many([f"LUT{n}" for n in range(1, 5)], LUT),
    "INV": LUT,
    **many([f"DFF{edge}{kind}" for edge in ("", "N") for kind in _KINDS], Primitive("ff", ("CLK",))),
    **many([f"MUX2_LUT{n}" for n in range(5, 9)], Primitive("mux", joins=("I0", "I1"))),
    "ALU": Primitive("carry", chain=("CIN", "COUT")),
    **many([f"RAM16SDP{n}" for n in (1, 2, 4)], Primitive("lutram", ("CLK",), reads=(("DO", "RAD"),))),
    **many([f"RAM16S{n}" for n in (1, 2, 4)], Primitive("lutram", ("CLK",), reads=(("DO", "AD"),))),
    **many(("SP", "SPX9", "pROM", "pROMX9"), Primitive("block", ("CLK",))),
    **many(("SDP", "SDPB", "SDPX9", "SDPX9B", "DP", "DPB", "DPX9", "DPX9B"), Primitive("block", ("CLKA", "CLKB"))),
    **many(("rPLL", "PLLVR", "PLL"), clock_cell("CLKOUT", clocks=("CLKIN", "CLKFB"))),
    **many(("OSC", "OSCH", "OSCF", "OSCZ"), clock_cell("OSCOUT")),
    "BUFG": clock_cell("O", clocks=("I",)),
    "DQCE": clock_cell("CLKOUT", clocks=("CLKIN",)),
    **many(("IBUF", "OBUF", "TBUF", "IOBUF"), PAD),
}
LIBRARY = CellLibrary(
    "gowin",
    PRIMITIVES,
    weights={
        # the memory is made of four LUTs, its write address takes two more
        "luts": {**{f"LUT{n}": 1 for n in range(1, 5)}, "ALU": 1, "RAM16SDP4": 6},
        "ffs": {f"DFF{kind}": 1 for kind in _KINDS},
        "brams": dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), 1),
        "dsps": {"MULT18X18": 1},
    },
    buffer=Buffer("LUT1", "I0", "F", {"INIT": "10"}),
)


def gowin_pll(request: PllRequest) -> Instance:
    """Return the PLL that ``request`` asks for."""
    s = request.settings
    off = {
        f"p_{name}": "false"
        for name in (
            "DYN_IDIV_SEL",
            "DYN_FBDIV_SEL",
            "DYN_ODIV_SEL",
            "DYN_DA_EN",
            "CLKOUT_BYPASS",
            "CLKOUTP_BYPASS",
            "CLKOUTD_BYPASS",
        )
    }
    unused = {
        f"i_{name}": Const(0, width)
        for name, width in (
            ("CLKFB", 1),
            ("RESET", 1),
            ("RESET_P", 1),
            ("FBDSEL", 6),
            ("IDSEL", 6),
            ("ODSEL", 6),
            ("PSDA", 4),
            ("DUTYDA", 4),
            ("FDLY", 4),
        )
    }
    return Instance(
        "rPLL",
        **off,
        **unused,
        p_DEVICE=request.family,
        p_FCLKIN=f"{request.crystal_hz / 1e6:g}",
        p_IDIV_SEL=s.input_div - 1,
        p_FBDIV_SEL=s.multiplier - 1,
        p_ODIV_SEL=s.output_div,
        p_PSDA_SEL="0000",
        p_DUTYDA_SEL="1000",
        p_CLKFB_SEL="internal",
        p_CLKOUTD_SRC="CLKOUT",
        p_CLKOUTD3_SRC="CLKOUT",
        p_DYN_SDIV_SEL=2,
        i_CLKIN=request.pin,
        o_CLKOUT=request.clock,
        o_LOCK=request.locked,
    )


def options(device: str) -> list[str]:
    """Return yosys's options for the kind of ``device``, beside those that Amaranth gives."""
    # abc9 is always run here; with multiplexers for wide functions, small tables take far more LUTs
    return ["-family", device[:4].lower(), "-nowidelut"]


NEXTPNR = Nextpnr(
    tools=TOOLS,
    products=(f"{TOP}.syn.json", f"{TOP}.pnr.json", f"{TOP}.fs"),
    options=options,
    # the four LUTs of a RAM16SDP4's memory are among the LUT4
    bels={
        "luts": {"LUT4": 1, "ALU": 1, "RAM16SDP4": 2},
        "ffs": {"DFF": 1},
        "brams": {"BSRAM": 1},
        "dsps": {"MULT18X18": 1},
    },
    commands=commands,
)
GOWIN = FamilyFlow(
    devices_title="Gowin GW1N-9 and GW2A-18",
    devices=DEVICES,
    bitstream=f"{TOP}.fs",
    clock=ClockSource(LIMITS, gowin_pll),
    # the placement's estimate is a quarter too high and says nothing (docs/boards.md), so it is never far
    netlists=Netlists(LIBRARY),
    choose=NEXTPNR.choose,
    parts=PartSynthesis("synth_gowin -nowidelut -noiopads -family gw2a -top {top}"),
)
