"""Gowin with Apicula: nextpnr's command line, which Amaranth still writes for a nextpnr that is gone."""

from collections.abc import Sequence

from amaranth.build import Platform

from s2nn_hw.hw.flow.openxc7 import TOP

TOOLS = ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack")


def commands(platform: Platform, planned: Sequence[list[str]], clock_mhz: float, seed: int) -> Sequence[list[str]]:
    """Return the three commands for ``platform``: those Amaranth ``planned``, with place and route for Himbaechel.

    The chip database is the one that Amaranth's own call of ``gowin_pack`` names: a GW1NR is a GW1N with memory beside
    it. Without ``--freq`` nextpnr would aim at 12 MHz.
    """
    synthesis, _, pack = planned
    chip = pack[pack.index("-d") + 1]
    place = [
        "nextpnr-himbaechel-gowin",
        "--quiet",
        "--log",
        f"{TOP}.tim",
        "--json",
        f"{TOP}.syn.json",
        "--write",
        f"{TOP}.pnr.json",
        "--device",
        platform.part,
        "--vopt",
        f"family={chip}",
        "--vopt",
        f"cst={TOP}.cst",
        "--report",
        f"{TOP}_nextpnr.json",
        "--freq",
        f"{clock_mhz:g}",
        "--seed",
        str(seed),
        "--timing-allow-fail",
    ]
    return synthesis, place, pack
