"""Gowin with Apicula: nextpnr's command line, which Amaranth still writes for a nextpnr that is gone."""

TOP = "top"
TOOLS = ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack")


def commands(platform, planned, clock_mhz, seed):
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
