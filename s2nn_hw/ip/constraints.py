"""Timing constraints of an IP block: Xilinx's (XDC), and SDC as other tools read it."""

from s2nn_hw.ip.shape import Options

SYNCHRONISERS = "*_cdc/stage?_reg*"  # registers of every crossing, as Vivado calls them


def clocks(options: Options) -> dict[str, float]:
    """Return the MHz of each clock port."""
    return {"aclk": options.clock_mhz} | ({"core_clk": options.core_mhz} if options.core_mhz else {})


def periods(options: Options) -> dict[str, float]:
    """Return the period of each clock port, in ns."""
    return {port: round(1000 / mhz, 3) for port, mhz in clocks(options).items()}


def clock_lines(options: Options) -> list[str]:
    """Return what makes the clocks at the ports, of a block that is built alone."""
    return [
        f"create_clock -name {port} -period {period:.3f} [get_ports {port}]"
        for port, period in periods(options).items()
    ]


def crossing_xdc(options: Options) -> str:
    """Return the constraints that the block needs in a design of Vivado, whose clocks the design makes."""
    if options.core_mhz is None:
        return "# One clock: the clock's own period is the only constraint.\n"
    between = ("aclk", "core_clk"), ("core_clk", "aclk")
    nearest = min(periods(options).values())
    lines = [
        "# Two clocks of any relation. Pointers cross in Gray code: all bits must arrive within the shorter period.",
        *(
            f"set_max_delay -datapath_only -from [get_clocks -of_objects [get_ports {a}]] "
            f"-to [get_clocks -of_objects [get_ports {b}]] {nearest:.3f}"
            for a, b in between
        ),
        "# What receives is two registers side by side.",
        f"set_property ASYNC_REG TRUE [get_cells -hierarchical -filter {{NAME =~ {SYNCHRONISERS}}}]",
    ]
    return "".join(f"{line}\n" for line in lines)


def sdc(options: Options) -> str:
    """Return the constraints of the block built alone, as SDC."""
    lines = clock_lines(options)
    if options.core_mhz is not None:
        nearest = min(periods(options).values())
        for a, b in (("aclk", "core_clk"), ("core_clk", "aclk")):
            lines += [
                f"set_max_delay {nearest:.3f} -from [get_clocks {a}] -to [get_clocks {b}]",
                f"set_false_path -hold -from [get_clocks {a}] -to [get_clocks {b}]",
            ]
    return "".join(f"{line}\n" for line in lines)
