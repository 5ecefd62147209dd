"""The FPGAs that can be built for: what each has, and a system clock that the shipped networks reach on it."""

import re
from dataclasses import dataclass

from s2nn_hw.errors import UserError

RESOURCES = ("luts", "ffs", "brams", "dsps")
TITLES = ("Lattice ECP5", "Lattice iCE40", "Xilinx 7 series", "Gowin GW1N-9 and GW2A-18")


@dataclass(frozen=True)
class Budget:
    """What the device has: counts, and the kind of LUT and block RAM that is counted."""

    lut_kind: str
    luts: int
    ffs: int
    bram_kind: str
    brams: int
    dsps: int

    def title(self, resource):
        """Return how ``resource`` (one of ``RESOURCES``) is called on this device."""
        return {"luts": self.lut_kind, "ffs": "FF", "brams": self.bram_kind, "dsps": "DSP"}[resource]


@dataclass(frozen=True)
class Device:
    """``name`` as its maker writes it; ``family`` decides clock primitives and flow; ``clock_hz`` is a safe clock."""

    name: str
    family: str
    budget: Budget
    clock_hz: int


def _family(family, lut_kind, bram_kind, clock_mhz, rows):
    # rows: names of devices; LUTs, flip-flops, block RAMs, DSPs of each
    return {
        name.upper(): Device(name, family, Budget(lut_kind, luts, ffs, bram_kind, brams, dsps), clock_mhz * 1_000_000)
        for names, luts, ffs, brams, dsps in rows
        for name in names.split()
    }


DEVICES = {
    # FPGA-DS-02012; the 12F is the 25F's die, and the open tools give all of it
    **_family(
        "ecp5",
        "LUT4",
        "DP16KD",
        100,
        (
            ("LFE5U-12F LFE5U-25F LFE5UM-25F LFE5UM5G-25F", 24_288, 24_288, 56, 28),
            ("LFE5U-45F LFE5UM-45F LFE5UM5G-45F", 43_848, 43_848, 108, 72),
            ("LFE5U-85F LFE5UM-85F LFE5UM5G-85F", 83_640, 83_640, 208, 156),
        ),
    ),
    # FPGA-DS-02008 and FPGA-DS-02029; the 4K is the 8K's die, and the open tools give all of it
    **_family(
        "ice40",
        "LUT4",
        "EBR",
        12,
        (
            ("iCE40UP3K", 2_800, 2_800, 20, 4),
            ("iCE40UP5K", 5_280, 5_280, 30, 8),
            ("iCE40LP1K", 1_280, 1_280, 16, 0),
            ("iCE40LP4K iCE40LP8K", 7_680, 7_680, 32, 0),
        ),
    ),
    **_family(
        "ice40", "LUT4", "EBR", 48, (("iCE40HX1K", 1_280, 1_280, 16, 0), ("iCE40HX4K iCE40HX8K", 7_680, 7_680, 32, 0))
    ),
    # DS180 and DS190
    **_family(
        "xc7",
        "LUT6",
        "RAMB36",
        100,
        (
            ("XC7A12T", 8_000, 16_000, 20, 40),
            ("XC7A15T", 10_400, 20_800, 25, 45),
            ("XC7A25T", 14_600, 29_200, 45, 80),
            ("XC7A35T", 20_800, 41_600, 50, 90),
            ("XC7A50T", 32_600, 65_200, 75, 120),
            ("XC7A75T", 47_200, 94_400, 105, 180),
            ("XC7A100T", 63_400, 126_800, 135, 240),
            ("XC7A200T", 134_600, 269_200, 365, 740),
            ("XC7S25", 14_600, 29_200, 45, 80),
            ("XC7S50", 32_600, 65_200, 75, 120),
            ("XC7Z007S", 14_400, 28_800, 50, 66),
            ("XC7Z010", 17_600, 35_200, 60, 80),
            ("XC7Z020", 53_200, 106_400, 140, 220),
            ("XC7K325T", 203_800, 407_600, 445, 840),
        ),
    ),
    # DS117, DS226; six of a unit's eight LUTs have a flip-flop
    **_family("gowin", "LUT4", "BSRAM", 54, (("GW1N-9 GW1N-9C GW1NR-9 GW1NR-9C", 8_640, 6_480, 26, 20),)),
    **_family("gowin", "LUT4", "BSRAM", 81, (("GW2A-18 GW2A-18C", 20_736, 15_552, 46, 48),)),
}


def find_device(platform):
    """Return the :class:`Device` on a board of Amaranth, by its platform's ``device`` (Gowin: ``family``).

    Letters for temperature and power that Xilinx puts behind the size (``xc7a35ti``) don't count. :class:`UserError`
    if the device is not in ``DEVICES``.
    """
    name = str(getattr(platform, "device", None) or getattr(platform, "family", "?"))
    xilinx = re.fullmatch(r"(xc7[aksz]\d+[ts]?)[il]?", name.lower())
    key = (xilinx[1] if xilinx else name).upper()
    if key not in DEVICES:
        raise UserError(
            f"device {name} is not in the table of devices (hw/board/devices.py), which has parts of "
            f"{', '.join(TITLES)}"
        )
    return DEVICES[key]
