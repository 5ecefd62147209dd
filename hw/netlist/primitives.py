"""The cells of mapped netlists, by family: what each is, its clocks, and which input reaches which output at once.

A type that is not here is taken for a hard block: it is never copied, and paths end and begin at it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Primitive:
    """A type of cell.

    ``kind``: "ff"; "lut"; "mux", a multiplexer in the slice of the LUTs that drive its pins ``joins``; "carry", whose
    ``chain`` is the pair of its carry ports (in, out); "lutram", a memory in LUTs, whose ``reads`` gives by output port
    what the ports of its address begin with; "block", a clocked hard block; "product", without registers; "clock", a
    PLL, oscillator or global buffer; "pad".
    ``clocks``: its clock pins. ``gives``: what the output ports that carry a clock begin with.
    """

    kind: str
    clocks: tuple = ()
    joins: tuple = ()
    chain: tuple = ()
    reads: tuple = ()
    gives: tuple = ()


@dataclass(frozen=True)
class Buffer:
    """The LUT that passes a net on: type, input, output, parameters, and the inputs that rest at "0"."""

    type: str
    input: str
    output: str
    parameters: dict
    idle: tuple = ()


def _many(names, primitive):
    return dict.fromkeys(names, primitive)


def _clock(*gives, clocks=()):
    return Primitive("clock", clocks, gives=gives)


_LUT, _PAD = Primitive("lut"), Primitive("pad")
_GOWIN_FF = [f"DFF{edge}{kind}" for edge in ("", "N") for kind in ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")]
_ICE40_FF = [
    f"SB_DFF{edge}{kind}" for edge in ("", "N") for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
]

PRIMITIVES = {
    "xc7": {
        **_many([f"LUT{n}" for n in range(1, 7)], _LUT),
        "INV": _LUT,
        **_many([f"FD{kind}E{edge}" for kind in "RSCP" for edge in ("", "_1")], Primitive("ff", ("C",))),
        **_many(("MUXF7", "MUXF8"), Primitive("mux", joins=("I0", "I1"))),
        "CARRY4": Primitive("carry", chain=("CI", "CO")),
        **_many(
            ("RAM32M", "RAM64M"),
            Primitive("lutram", ("WCLK",), reads=tuple((f"DO{side}", f"ADDR{side}") for side in "ABCD")),
        ),
        **_many(
            [f"RAM{n}X1D" for n in (32, 64, 128)], Primitive("lutram", ("WCLK",), reads=(("SPO", "A"), ("DPO", "DPRA")))
        ),
        **_many([f"RAM{n}X1S" for n in (32, 64, 128, 256)], Primitive("lutram", ("WCLK",), reads=(("O", "A"),))),
        **_many(("SRL16E", "SRLC16E", "SRLC32E"), Primitive("lutram", ("CLK",), reads=(("Q", "A"),))),
        **_many(("RAMB18E1", "RAMB36E1"), Primitive("block", ("CLKARDCLK", "CLKBWRCLK"))),
        "DSP48E1": Primitive("block", ("CLK",)),
        **_many(("BUFG", "BUFH", "BUFR", "BUFIO", "BUFGCTRL", "BUFGCE"), _clock("O", clocks=("I", "I0", "I1"))),
        **_many(
            ("PLLE2_ADV", "PLLE2_BASE", "MMCME2_ADV", "MMCME2_BASE"),
            _clock("CLKOUT", "CLKFBOUT", clocks=("CLKIN1", "CLKIN2", "CLKFBIN")),
        ),
        **_many(("IBUF", "OBUF", "OBUFT", "IOBUF", "IBUFDS", "OBUFDS", "IBUFG"), _PAD),
    },
    "ecp5": {
        "LUT4": _LUT,
        "INV": _LUT,
        "TRELLIS_FF": Primitive("ff", ("CLK",)),
        "PFUMX": Primitive("mux", joins=("ALUT", "BLUT")),
        "L6MUX21": Primitive("mux", joins=("D0", "D1")),
        "CCU2C": Primitive("carry", chain=("CIN", "COUT")),
        "TRELLIS_DPR16X4": Primitive("lutram", ("WCK",), reads=(("DO", "RAD"),)),
        "DP16KD": Primitive("block", ("CLKA", "CLKB")),
        "PDPW16KD": Primitive("block", ("CLKW", "CLKR")),
        "MULT18X18D": Primitive("product"),
        "EHXPLLL": _clock("CLKOP", "CLKOS", "CLKINTFB", clocks=("CLKI", "CLKFB")),
        "DCCA": _clock("CLKO", clocks=("CLKI",)),
        "DCSC": _clock("DCSOUT", clocks=("CLK0", "CLK1")),
        "CLKDIVF": _clock("CDIVX", clocks=("CLKI",)),
        "OSCG": _clock("OSC"),
        "TRELLIS_IO": _PAD,
    },
    "ice40": {
        "SB_LUT4": _LUT,
        "SB_CARRY": Primitive("carry", chain=("CI", "CO")),
        **_many(_ICE40_FF, Primitive("ff", ("C",))),
        **_many(
            [f"SB_RAM40_4K{edge}" for edge in ("", "NR", "NW", "NRNW")],
            Primitive("block", ("RCLK", "RCLKN", "WCLK", "WCLKN")),
        ),
        "SB_SPRAM256KA": Primitive("block", ("CLOCK",)),
        "SB_MAC16": Primitive("block", ("CLK",)),
        "SB_GB": _clock("GLOBAL_BUFFER_OUTPUT"),
        "SB_GB_IO": _clock("GLOBAL_BUFFER_OUTPUT"),
        **_many(
            [f"SB_PLL40_{kind}" for kind in ("CORE", "PAD", "2_PAD", "2F_CORE", "2F_PAD")],
            _clock("PLLOUT", clocks=("REFERENCECLK",)),
        ),
        "SB_HFOSC": _clock("CLKHF"),
        "SB_LFOSC": _clock("CLKLF"),
        **_many(("SB_IO", "SB_IO_I3C", "SB_IO_OD", "SB_RGBA_DRV"), _PAD),
    },
    "gowin": {
        **_many([f"LUT{n}" for n in range(1, 5)], _LUT),
        "INV": _LUT,
        **_many(_GOWIN_FF, Primitive("ff", ("CLK",))),
        **_many([f"MUX2_LUT{n}" for n in range(5, 9)], Primitive("mux", joins=("I0", "I1"))),
        "ALU": Primitive("carry", chain=("CIN", "COUT")),
        **_many([f"RAM16SDP{n}" for n in (1, 2, 4)], Primitive("lutram", ("CLK",), reads=(("DO", "RAD"),))),
        **_many([f"RAM16S{n}" for n in (1, 2, 4)], Primitive("lutram", ("CLK",), reads=(("DO", "AD"),))),
        **_many(("SP", "SPX9", "pROM", "pROMX9"), Primitive("block", ("CLK",))),
        **_many(("SDP", "SDPB", "SDPX9", "SDPX9B", "DP", "DPB", "DPX9", "DPX9B"), Primitive("block", ("CLKA", "CLKB"))),
        **_many(("rPLL", "PLLVR", "PLL"), _clock("CLKOUT", clocks=("CLKIN", "CLKFB"))),
        **_many(("OSC", "OSCH", "OSCF", "OSCZ"), _clock("OSCOUT")),
        "BUFG": _clock("O", clocks=("I",)),
        "DQCE": _clock("CLKOUT", clocks=("CLKIN",)),
        **_many(("IBUF", "OBUF", "TBUF", "IOBUF"), _PAD),
    },
}
BUFFERS = {
    "xc7": Buffer("LUT1", "I0", "O", {"INIT": "10"}),
    "ecp5": Buffer("LUT4", "A", "Z", {"INIT": f"{0xAAAA:016b}"}, ("B", "C", "D")),
    # input 3 is the one that a carry can reach
    "ice40": Buffer("SB_LUT4", "I3", "O", {"LUT_INIT": f"{0xFF00:016b}"}, ("I0", "I1", "I2")),
    "gowin": Buffer("LUT1", "I0", "F", {"INIT": "10"}),
}
# what a flip-flop's pin is, by what its name begins with
FF_PINS = (
    ("CE", "enable"),
    ("E", "enable"),
    ("C", "reset"),
    ("D", "data"),
    ("LSR", "reset"),
    ("R", "reset"),
    ("S", "reset"),
    ("P", "reset"),
)
PIN_KINDS = {
    "lut": "LUT",
    "mux": "multiplexer",
    "carry": "carry",
    "lutram": "LUT RAM",
    "block": "block RAM",
    "product": "multiplier",
    "clock": "PLL",
    "pad": "pad",
}


def pin_kind(primitive, port):
    """Return in a word what input ``port`` of a cell is: clock, data, enable, reset, LUT, carry, ..."""
    if primitive is None:
        return "other"
    if port in primitive.clocks:
        return "clock"
    if primitive.kind == "ff":
        return next((what for start, what in FF_PINS if port.startswith(start)), "other")
    return PIN_KINDS[primitive.kind]
