"""IP blocks between cocotbext-axi's sources, sinks and masters: stalls, wrong tlast, resets, registers."""

import json
import shutil

import pytest

from s2nn_hw.emit import vectors
from s2nn_hw.ip.bench import SETTLE
from s2nn_hw.ip.write import write
from s2nn_hw.network.store import load
from s2nn_hw.sim.verilog.model import build_model, run_module
from tests.support.blocks import CASES, MODELS, Options, write_case


@pytest.mark.parametrize("case", [*CASES, "mnist-tiny"])
def test_results_are_golden_and_nothing_wedges(case, tmp_path):
    if case == "mnist-tiny":
        block = write(load(MODELS / "mnist-tiny.s2nn"), tmp_path / "ip", Options("net", axi_lite=True, input_bytes=8))
    else:
        block = write_case(case, tmp_path / "ip")
    shape, cases = block.shape, vectors(block.accelerator, 6, seed=11)
    ones = [-1] * len(block.design.network.classes)
    core, bus = block.options.core_mhz, block.options.clock_mhz
    worst = int(cases.cycles.max()) + shape.slower_cycles + cases.drain + shape.transfers + shape.result_transfers
    about = json.loads((tmp_path / "ip" / "ip.json").read_text())
    job = {
        # what must be ignored is not zero here
        "frames": [shape.frame(pixels, ignored=block.design.network.input.peak) for pixels in cases.pixels],
        "results": [shape.result(*answer) for answer in cases.answers()],
        "mask": shape.result(0xFFFFFFFF, ones, 0),
        "bus_ps": round(5e5 / bus) * 2,
        "core_ps": round(5e5 / core) * 2 if core else 0,
        "registers": about["registers"],
        "patience": round(max(1.0, bus / (core or bus)) * (2 * worst + 4 * SETTLE)),
    }
    work = tmp_path / "work"
    work.mkdir()
    (work / "job.json").write_text(json.dumps(job))
    simulator = "icarus" if shutil.which("iverilog") else "verilator"  # the one compiles for minutes
    sources = {"net.v": (tmp_path / "ip" / "net.v").read_text()}
    model = build_model(sources, top="net", folder="build/sim", simulator=simulator, public=[("net", "*")])
    run_module(model, top="net", module="tests.support.axi_bench", work=work, simulator=simulator)
