"""A whole chip as Verilog, driven at its UART pins: bytes in, bytes out."""

import json
import tempfile
from pathlib import Path

from s2nn_hw.sim.verilog.runner import build_model, run_module


def exchange(text, top, phases, *, clocks, folder="build/sim", simulator="verilator", work=None):
    """Send bytes to the UART of Verilog ``text``, module ``top`` (``clk``, ``rst``, ``rx``, ``tx``), return what came.

    ``phases``: dictionaries with ``send`` (bytes); optional ``clocks`` (to wait before) and ``reset_before`` (number
    of the byte before which a reset comes). Each lasts until the line is quiet; the result has the bytes that came in
    each. ``clocks``: of a bit; ``work``: an existing folder for the job's files.
    """
    pins = [(top, name) for name in ("clk", "rst", "rx", "tx")]
    model = build_model({f"{top}.v": text}, top=top, folder=folder, simulator=simulator, public=pins)
    job = {"clocks": clocks, "phases": [p | {"send": p["send"].hex()} for p in phases]}
    with tempfile.TemporaryDirectory() as spare:
        work = Path(work or spare)
        (work / "link.json").write_text(json.dumps(job), encoding="utf-8")
        run_module(model, top=top, module="s2nn_hw.sim.verilog.link_bench", work=work, simulator=simulator)
        replies = json.loads((work / "replies.json").read_text(encoding="utf-8"))
    return [bytes.fromhex(data) for data in replies]
