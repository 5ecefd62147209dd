"""Vivado's ``report_power`` on a routed build with the switching activity of a simulation."""

import re
import shutil
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.toolchain import Tick, ToolFiles, find_path, find_tool, run_tool

CHECKPOINT = "top_route.dcp"
REPORT, UNMATCHED = "top_power_activity.rpt", "top_power_unmatched.txt"


def vivado_power(folder: Path | str, saif: Path | str, *, tick: Tick = lambda _="": None) -> dict[str, Any] | None:
    """Return what Vivado says of the build in ``folder`` with the activity in file ``saif``, or None.

    None if Vivado is not on the PATH or the folder has no routed checkpoint. The report stays in the folder; see
    :func:`parse_power` for the fields. :class:`UserError` if Vivado fails or writes something else.
    """
    folder = Path(folder)
    if not (folder / CHECKPOINT).is_file() or not find_path("vivado"):
        return None
    # Vivado writes its own files beside it, so the script is run from the folder
    script = folder / "power.tcl"
    shutil.copyfile(Path(__file__).parent / "power.tcl", script)
    vivado = find_tool("vivado")
    run_tool(
        vivado,
        [
            "-mode",
            "batch",
            "-nojournal",
            "-log",
            "power_vivado.log",
            "-source",
            script.name,
            "-tclargs",
            CHECKPOINT,
            str(Path(saif).resolve()),
            REPORT,
            UNMATCHED,
        ],
        ToolFiles(folder, "power.log", own_log="power_vivado.log", outputs=(REPORT,)),
        tick=tick,
    )
    path = folder / REPORT
    if not path.is_file():
        raise UserError(f"vivado ended well but wrote no {REPORT}; its log is {folder / 'power_vivado.log'}")
    return {"tool": vivado.version} | parse_power(path.read_text(errors="replace")) | {"report": REPORT}


def parse_power(text: str) -> dict[str, Any]:
    """Return the figures of a text report of ``report_power``, in watts.

    ``total_w``, ``dynamic_w``, ``static_w``; ``classes``: watts by class as Vivado names them (Clocks, Slice Logic,
    Signals, Block RAM, ...; what is below 1 mW counts 0.001 at most and is given as that); ``confidence``;
    ``nets_matched``: text, None if it is not said. :class:`UserError` if the totals are missing.
    """

    def cell(title: str, pattern: str) -> str | None:
        found = re.search(rf"^\|\s*{re.escape(title)}\s*\|\s*{pattern}\s*\|", text, re.MULTILINE)
        return found[1] if found else None

    watts = {}
    for name, title in (
        ("total_w", "Total On-Chip Power (W)"),
        ("dynamic_w", "Dynamic (W)"),
        ("static_w", "Device Static (W)"),
    ):
        value = cell(title, r"<?([\d.]+)")
        if value is None:
            raise UserError(f"Vivado's power report has no row {title!r}; look at {REPORT}")
        watts[name] = float(value)
    table = re.search(r"^\|\s*On-Chip\s*\|\s*Power \(W\).*?\n\+[-+]+\n(.*?)\n\+[-+]+$", text, re.MULTILINE | re.DOTALL)
    # rows that are indented further are parts of the one before
    rows = re.findall(r"^\| (\S.*?)\s*\|\s*<?([\d.]+)\s*\|", table[1] if table else "", re.MULTILINE)
    classes = {name: float(value) for name, value in rows if name not in ("Total", "Static Power")}
    return watts | {
        "classes": classes,
        "confidence": cell("Confidence Level", r"(\S+)"),
        "nets_matched": cell("Design Nets Matched", r"(\S.*?)"),
    }
