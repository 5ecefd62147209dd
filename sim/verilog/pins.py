"""A whole chip as Verilog, driven at its UART pins: bytes in, bytes out."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from s2nn_hw.sim.verilog.job import LinkJob, Phase
from s2nn_hw.sim.verilog.model import build_model, run_module


def exchange(
    text: str,
    top: str,
    phases: Sequence[Phase],
    *,
    clocks: int,
    folder: Path | str = "build/sim",
    simulator: str = "verilator",
    work: Path | str | None = None,
) -> list[bytes]:
    """Send bytes to the UART of Verilog ``text``, module ``top`` (``clk``, ``rst``, ``rx``, ``tx``), return what came.

    Each of ``phases`` lasts until the line is quiet; the result has the bytes that came in each. ``clocks``: of a bit;
    ``work``: an existing folder for the job's files.
    """
    pins = [(top, name) for name in ("clk", "rst", "rx", "tx")]
    model = build_model({f"{top}.v": text}, top=top, folder=folder, simulator=simulator, public=pins)
    with tempfile.TemporaryDirectory() as spare:
        work = Path(work or spare)
        LinkJob(clocks, phases).write(work)
        run_module(model, top=top, module="s2nn_hw.sim.verilog.link_bench", work=work, simulator=simulator)
        replies = json.loads((work / "replies.json").read_text(encoding="utf-8"))
    return [bytes.fromhex(data) for data in replies]
