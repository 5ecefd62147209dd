"""Synthesis of one component with yosys, without a board around it: counts to hold an estimate against."""

import hashlib
from pathlib import Path

from amaranth.lib.wiring import Component

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.hw.family import known, library_of
from s2nn_hw.hw.flow.designs import accelerator_design
from s2nn_hw.hw.flow.toolchain import ToolFiles, find_tool, run_tool
from s2nn_hw.hw.flow.toolreports import Usage, synthesis_usage
from s2nn_hw.network.network import Network
from s2nn_hw.verilog.convert import to_verilog


def component_command(family: str, top: str, *, flatten: bool = True) -> str:
    """Return yosys's command that maps module ``top`` for device ``family``; :class:`UserError` if that is unknown."""
    parts = known(family).parts
    return parts.component.format(top=top) + (parts.flatten if flatten else "")


def synthesise(component: Component, top: str, family: str, output: Path | str, *, flatten: bool = True) -> Path:
    """Return the path of ``stat -json`` of ``component``, whose module is called ``top``, for device ``family``.

    It lies in a folder of its own below ``output``, named by a digest of Verilog, script and tool: what is there
    already is not made again. :class:`UserError` if yosys is missing or fails.
    """
    command = component_command(family, top, flatten=flatten)
    yosys, text = find_tool("yosys"), to_verilog(component, top)
    script = "; ".join(("read_verilog design.v", command, "delete t:$scopeinfo", "tee -q -o part.json stat -json"))
    digest = hashlib.sha256("\0".join((yosys.version, script, text)).encode()).hexdigest()[:16]
    folder = Path(output) / f"{top}-{family}-{digest}"
    if not (folder / "stat.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "design.v").write_text(text)
        run_tool(yosys, ["-q", "-p", script], ToolFiles(folder, "yosys.log"), tick=lambda _="": None)
        (folder / "part.json").replace(folder / "stat.json")
    return folder / "stat.json"


def synthesise_for_link(
    network: Network, plan: Plan, family: str, output: Path | str, *, clock_hz: int, baud: int
) -> Usage:
    """Return the :class:`~s2nn_hw.hw.flow.toolreports.Usage` of ``network`` under ``plan`` behind the UART link, by
    yosys.

    What a board adds is clock and reset alone, so these are the counts that
    ``s2nn_hw.cost.estimate.estimate(..., link=True)`` is about.
    """
    find_tool("yosys")  # refuses before a circuit is made that nobody would use
    top = accelerator_design(network, plan)(clock_hz, baud)
    return synthesis_usage(library_of(family), synthesise(top, "link_top", family, output))
