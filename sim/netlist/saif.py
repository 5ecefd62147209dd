"""Switching activity as SAIF 2.0 (backward): how long each net was 0 and 1, and how often it toggled.

Nets carry the names that they have in the generated Verilog, as paths of instances, so that another synthesis of the
same Verilog finds its registers in it; nets that only this synthesis knows are left out.
"""

import re
from collections.abc import Container, Mapping
from pathlib import Path

from s2nn_hw.files import write_text
from s2nn_hw.sim.netlist.netlist import CONSTANTS, HIERARCHICAL, Netlist
from s2nn_hw.verilog.netlist import Bit

PATH = ("bench", "top", "design", "accelerator")  # the last two: where the accelerator is in a board's design


def _escaped(name: str) -> str:
    return re.sub(r"([^A-Za-z0-9_])", r"\\\1", name)


def _named_nets(netlist: Netlist, before: Container[str]) -> dict[tuple[str, ...], dict[str, Bit]]:
    """Return ``{path of instances: {name of a bit: net}}``; ``before``: names in the top module before synthesis."""
    found: dict[tuple[str, ...], dict[str, Bit]] = {}
    for name, entry in netlist.module.names.items():
        words = tuple(entry.attributes.get(HIERARCHICAL, "").split(" "))
        if words == ("",):
            if name not in before:
                continue
            words = (name,)
        for k, net in enumerate(entry.bits):
            if net not in CONSTANTS:
                label = _escaped(words[-1]) + (rf"\[{entry.offset + k}\]" if len(entry.bits) > 1 else "")
                found.setdefault(words[:-1], {})[label] = net
    return found


def write_saif(
    path: Path,
    netlist: Netlist,
    activity: Mapping[Bit, tuple[int, int]],
    *,
    before: Container[str],
    cycles: int,
    period_ps: int,
) -> set[Bit]:
    """Write the activity of ``netlist`` over ``cycles`` clock cycles of ``period_ps`` picoseconds to ``path``.

    ``activity``: ``{net: (toggles, cycles in which it was 1)}``; nets that are not in it (the reset) did nothing, and
    the clock is added. ``before``: names of the nets of the top module as it was written. The accelerator's instance
    is ``bench/top/design/accelerator``. Returns the nets that have a name there, a set.
    """
    duration = cycles * period_ps
    names = _named_nets(netlist, before)
    lines = [
        "(SAIFILE",
        '(SAIFVERSION "2.0")',
        '(DIRECTION "backward")',
        '(PROGRAM_NAME "s2nn-hw")',
        "(DIVIDER / )",
        "(TIMESCALE 1 ps)",
        f"(DURATION {duration})",
    ]

    def entry(label: str, net: Bit) -> str:
        if net == netlist.clock:
            toggles, high = 2 * cycles, duration // 2
        else:
            toggles, ones = activity.get(net, (0, 0))
            high = ones * period_ps
        return f"({label} (T0 {duration - high}) (T1 {high}) (TX 0) (TC {toggles}) (IG 0))"

    def block(instance: str, below: tuple[str, ...], indent: int) -> None:
        pad = " " * indent
        lines.append(f"{pad}(INSTANCE {_escaped(instance)}")
        nets = names.get(below)
        if nets:
            lines.append(f"{pad} (NET")
            lines.extend(f"{pad}  {entry(label, net)}" for label, net in sorted(nets.items()))
            lines.append(f"{pad} )")
        depth = len(below)
        children = sorted({path[depth] for path in names if path[:depth] == below and len(path) > depth})
        for child in children:
            block(child, (*below, child), indent + 1)
        lines.append(f"{pad})")

    for depth, instance in enumerate(PATH[:-1]):
        lines.append(" " * depth + f"(INSTANCE {instance}")
    block(PATH[-1], (), len(PATH) - 1)
    lines += [" " * depth + ")" for depth in reversed(range(len(PATH) - 1))]
    write_text(path, "\n".join([*lines, ")"]) + "\n")
    return {net for nets in names.values() for net in nets.values()}
