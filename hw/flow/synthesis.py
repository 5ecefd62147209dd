"""Synthesis of one component with yosys, without a board around it: counts to hold an estimate against."""

import hashlib
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.build import accelerator_design
from s2nn_hw.hw.flow.toolchain import find_tool, run_tool
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.verilog.convert import to_verilog

COMMANDS = {
    "xc7": "synth_xilinx -abc9 -nodsp -arch xc7 -top {top}",
    "ecp5": "synth_ecp5 -abc9 -nodsp -top {top}",
    "ice40": "synth_ice40 -abc9 -device u -top {top}",
    "gowin": "synth_gowin -nowidelut -noiopads -family gw2a -top {top}",
}


def synthesise(component, top, family, output, *, flatten=True):
    """Return the path of ``stat -json`` of ``component``, whose module is called ``top``, for device ``family``.

    It lies in a folder of its own below ``output``, named by a digest of Verilog, script and tool: what is there
    already is not made again. :class:`UserError` if yosys is missing or fails.
    """
    if family not in COMMANDS:
        raise UserError(f"device family {family!r} is unknown; known: {', '.join(COMMANDS)}")
    yosys, text = find_tool("yosys"), to_verilog(component, top)
    script = "; ".join(
        (
            "read_verilog design.v",
            COMMANDS[family].format(top=top) + (" -flatten" if flatten and family == "xc7" else ""),
            "delete t:$scopeinfo",
            "tee -q -o part.json stat -json",
        )
    )
    digest = hashlib.sha256("\0".join((yosys.version, script, text)).encode()).hexdigest()[:16]
    folder = Path(output) / f"{top}-{family}-{digest}"
    if not (folder / "stat.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "design.v").write_text(text)
        run_tool(yosys, ["-q", "-p", script], folder=folder, log="yosys.log", tick=lambda _="": None)
        (folder / "part.json").replace(folder / "stat.json")
    return folder / "stat.json"


def synthesise_for_link(network, plan, family, output, *, clock_hz, baud):
    """Return the :class:`~s2nn_hw.hw.flow.toolreports.Usage` of ``network`` under ``plan`` behind the UART link, by
    yosys.

    What a board adds is clock and reset alone, so these are the counts that
    ``s2nn_hw.cost.estimate.estimate(..., link=True)`` is about.
    """
    find_tool("yosys")  # refuses before a circuit is made that nobody would use
    top = accelerator_design(network, plan)(clock_hz, baud)
    return synthesis_usage(family, synthesise(top, "link_top", family, output))
