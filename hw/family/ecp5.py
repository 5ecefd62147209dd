"""Lattice ECP5: yosys, nextpnr-ecp5, ecppack."""

from amaranth.hdl import Const, Instance, Signal

from s2nn_hw.hw.board.device import devices
from s2nn_hw.hw.board.pll import ClockSource, PllLimits, PllRequest
from s2nn_hw.hw.family.base import FamilyFlow, PartSynthesis
from s2nn_hw.hw.flow.nextpnr import Nextpnr
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.work import Netlists
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.primitives import LUT, PAD, Buffer, CellLibrary, Primitive, clock_cell

# FPGA-DS-02012; the 12F is the 25F's die, and the open tools give all of it
DEVICES = devices(
    "ecp5",
    "LUT4",
    "DP16KD",
    100,
    (
        ("LFE5U-12F LFE5U-25F LFE5UM-25F LFE5UM5G-25F", 24_288, 24_288, 56, 28),
        ("LFE5U-45F LFE5UM-45F LFE5UM5G-45F", 43_848, 43_848, 108, 72),
        ("LFE5U-85F LFE5UM-85F LFE5UM5G-85F", 83_640, 83_640, 208, 156),
    ),
)
# ECP5 data sheet FPGA-DS-02012, sysCLOCK PLL timing
LIMITS = PllLimits((10e6, 400e6), (400e6, 800e6), (3.125e6, 400e6), range(1, 129), range(1, 129), tuple(range(1, 129)))


def carry_position(port: str, index: int) -> int:
    """Return where on the chain of a CCU2C's two carries a pin is."""
    return {"CIN": -1, "COUT": 1}.get(port, int(port[-1]) if port[-1].isdigit() else 0)


PRIMITIVES = {
    "LUT4": LUT,
    "INV": LUT,
    "TRELLIS_FF": Primitive("ff", ("CLK",)),
    "PFUMX": Primitive("mux", joins=("ALUT", "BLUT")),
    "L6MUX21": Primitive("mux", joins=("D0", "D1")),
    "CCU2C": Primitive("carry", chain=("CIN", "COUT"), position=carry_position),
    "TRELLIS_DPR16X4": Primitive("lutram", ("WCK",), reads=(("DO", "RAD"),)),
    "DP16KD": Primitive("block", ("CLKA", "CLKB")),
    "PDPW16KD": Primitive("block", ("CLKW", "CLKR")),
    "MULT18X18D": Primitive("product"),
    "EHXPLLL": clock_cell("CLKOP", "CLKOS", "CLKINTFB", clocks=("CLKI", "CLKFB")),
    "DCCA": clock_cell("CLKO", clocks=("CLKI",)),
    "DCSC": clock_cell("DCSOUT", clocks=("CLK0", "CLK1")),
    "CLKDIVF": clock_cell("CDIVX", clocks=("CLKI",)),
    "OSCG": clock_cell("OSC"),
    "TRELLIS_IO": PAD,
}
LIBRARY = CellLibrary(
    "ecp5",
    PRIMITIVES,
    weights={
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 3},
        "ffs": {"TRELLIS_FF": 1},
        "brams": {"DP16KD": 1, "PDPW16KD": 1},
        "dsps": {"MULT18X18D": 1},
    },
    buffer=Buffer("LUT4", "A", "Z", {"INIT": f"{0xAAAA:016b}"}, ("B", "C", "D")),
)


def ecp5_pll(request: PllRequest) -> Instance:
    """Return the PLL that ``request`` asks for."""
    # CLKOP closes the loop at the phase detector's frequency, CLKOS carries the system clock
    s = request.settings
    return Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        a_FREQUENCY_PIN_CLKI=f"{request.crystal_hz / 1e6:g}",
        a_FREQUENCY_PIN_CLKOP=f"{s.phase_hz / 1e6:g}",
        a_FREQUENCY_PIN_CLKOS=f"{s.output_hz / 1e6:g}",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_FEEDBK_PATH="CLKOP",
        p_CLKI_DIV=s.input_div,
        p_CLKFB_DIV=1,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=s.multiplier,
        p_CLKOP_CPHASE=s.multiplier - 1,
        p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_DIV=s.output_div,
        p_CLKOS_CPHASE=s.output_div - 1,
        p_CLKOS_FPHASE=0,
        i_CLKI=request.pin,
        i_CLKFB=(feedback := Signal(name="pll_feedback")),
        o_CLKOP=feedback,
        o_CLKOS=request.clock,
        o_LOCK=request.locked,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        i_ENCLKOS=Const(0),
    )


def options(device: str) -> list[str]:
    """Return yosys's options, beside those that Amaranth gives."""
    return ["-abc9", "-nodsp"]


def accelerator(device: str, top: str) -> str:
    """Return yosys's command for the accelerator alone."""
    return " ".join(("synth_ecp5", *options(device), "-top", top))


NEXTPNR = Nextpnr(
    tools=("yosys", "nextpnr-ecp5", "ecppack"),
    products=(f"{TOP}.json", f"{TOP}.config", f"{TOP}.bit"),
    options=options,
    bels={"luts": {"TRELLIS_COMB": 1}, "ffs": {"TRELLIS_FF": 1}, "brams": {"DP16KD": 1}, "dsps": {"MULT18X18D": 1}},
    # by density, not the default one: wires find their way sooner, the clock depends less on the seed (docs/boards.md)
    placer=("--placer", "static"),
)
ECP5 = FamilyFlow(
    devices_title="Lattice ECP5",
    devices=DEVICES,
    bitstream=f"{TOP}.bit",
    clock=ClockSource(LIMITS, ecp5_pll),
    # routing gained 3 to 40 % on a placement's estimate (docs/boards.md)
    netlists=Netlists(LIBRARY, passes=(spread_file,), far=0.70),
    choose=NEXTPNR.choose,
    parts=PartSynthesis(
        "synth_ecp5 -abc9 -nodsp -top {top}", accelerator=accelerator, models="ecp5", definitions=("NO_INCLUDES",)
    ),
    board_synthesis=NEXTPNR.board_synthesis,
    example="ulx3s",
)
