"""Synthesised netlists of ECP5 and Xilinx 7 series against the golden model, and what is counted on them."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from s2nn_hw.activity_record import load_activity
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli import main
from s2nn_hw.cli.activity import _stage
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import save
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.netlist.activity import NETLIST, RECORD, SAIF, circuit_identity, make_circuit, run, tables
from s2nn_hw.sim.verilog.verify import Mismatch
from tests.support.networks import random_images, random_network

FRAMES = 6


def small() -> Any:
    """Return a network of two layers and a plan that puts its weights into block RAM."""
    network = random_network((40, 9, 3), input_bits=2, bits=3, seed=7)
    plan = default_plan(network, "xc7")
    return network, Plan(tuple(replace(layer, memory="block") for layer in plan.layers))


def test_ecp5_netlist_equals_golden_and_is_counted(tmp_path: Path) -> None:
    network, plan = small()
    flow = NetlistFlow(find_board("ulx3s_25"))
    circuit = make_circuit(network, plan, flow, circuit_identity(network, plan, flow), tmp_path, say=quiet)
    images = random_images(network, FRAMES)
    counts = run(circuit, images, idle=50)
    place = {net: k for k, net in enumerate(circuit.probed.nets)}
    ports = circuit.netlist.module.ports
    valid, taken = (place[ports[name].bits[0]] for name in ("o_valid", "i_valid"))
    assert counts.high[:, valid].tolist() == [FRAMES, 0]
    assert counts.high[1, taken] == 0
    assert counts.idle == 50
    frame, idle, cells = tables(circuit, counts, FRAMES)
    assert list(frame.by_name) == ["layer0", "layer1", "other"]
    for row, still, number in zip(frame.rows, idle.rows, cells.rows, strict=True):
        assert row.name == still.name == number.name
        assert row.clock_ff == pytest.approx(number.ffs * counts.busy / FRAMES, abs=1e-3)
        assert still.clock_ff == number.ffs
        assert 0 < row.clock_ff_enabled <= row.clock_ff
        assert row.lut > still.lut
        if row.name != "other":
            assert number.brams > 0
            assert row.bram_reads > 0 < row.bram
            assert (still.ff, still.lut) == (0, 0)
    again = run(circuit, images, idle=50)
    assert (again.toggles == counts.toggles).all()
    assert (again.high == counts.high).all()
    # a golden model of other weights is not what was simulated
    other = random_network((40, 9, 3), input_bits=2, bits=3, seed=8)
    wrong = replace(circuit, design=type(circuit.design)(other, plan))
    with pytest.raises(Mismatch):
        run(wrong, images, idle=0)


def quiet(text: str) -> Any:
    return _stage(Console(quiet=True), text)


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", "activity", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    assert stop.value.code == 0
    return capsys.readouterr()


def finished_build(folder: Path, network: Network, plan: Plan) -> Any:
    """Make what a finished build with Vivado leaves in ``folder``, as far as it matters here."""
    rows = {name: {"kind": name, "used": 5000, "budget": 9000} for name in ("luts", "ffs", "brams", "dsps")}
    folder.mkdir()
    save(network, folder / "network.s2nn")
    (folder / "top_route.dcp").write_text("routed")
    (folder / "build.json").write_text(
        json.dumps(
            {
                "format": "s2nn-build",
                "version": 1,
                "digest": "0" * 64,
                "board": {"name": "arty_a7"},
                "flow": "vivado",
                "network": {"name": network.name, "digest": network.digest},
                "plan": plan.to_json(),
                "resources": rows,
                "resources_source": "Vivado after placement",
                "tools": {},
                "missing": [],
                "clock": {"wanted_mhz": 50.0, "reached_mhz": 60.0},
            }
        )
    )


FAKE_VIVADO = """#!/bin/sh
case "$1" in -version) echo "Vivado v2099.1"; exit 0;; esac
for word; do case "$word" in
    *.saif) grep -q "(INSTANCE accelerator" "$word" || exit 1;;
    *activity.rpt) printf '| %s (W) | %s |\n' "Total On-Chip Power" 0.2 Dynamic 0.1 "Device Static" 0.1 > "$word";;
esac; done
"""


def test_command_on_xilinx_7_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole netlist equals the golden model; files, their reuse, a finished build, Vivado's power."""
    network, plan = small()
    save(network, tmp_path / "small.s2nn")
    plan.save(tmp_path / "plan.json")
    np.save(tmp_path / "images.npy", random_images(network, FRAMES + 1))
    monkeypatch.chdir(tmp_path)
    words: tuple[object, ...] = (
        "small.s2nn",
        "--board",
        "arty_a7",
        "--plan",
        "plan.json",
        "--images",
        "images.npy",
        "--idle",
        30,
    )
    printed = command(monkeypatch, capsys, *words, "--json")
    (record,) = Path("build/activity").glob("*/activity.json")
    made = load_activity(record)
    assert json.loads(printed.out) == made.to_json()
    assert (made.frames, made.equal, made.cycles.idle) == (FRAMES + 1, True, 30)
    assert made.netlist.cells["RAMB18E1"] >= 2
    assert made.saif_registers.named > 0.8 * made.saif_registers.of
    assert made.link.flip_flops is None
    files = {path.name: path.read_bytes() for path in record.parent.iterdir()}
    assert set(files) == {RECORD, SAIF, NETLIST}

    printed = command(monkeypatch, capsys, *words)
    assert "nothing to do" in printed.err
    assert "equal the golden model" in printed.out
    # the same circuit, other frames: only simulated again, and the same again
    command(monkeypatch, capsys, *words, "--frames", 3, "-o", "three")
    assert load_activity("three/activity.json").frames == 3
    assert len(list(Path("build/activity/circuits").iterdir())) == 1
    record.unlink()
    command(monkeypatch, capsys, *words)
    assert {path.name: path.read_bytes() for path in record.parent.iterdir()} == files

    # a finished build: into its folder, at its clock, with its link, and with Vivado's answer if that is there
    finished_build(tmp_path / "built", network, plan)
    words = ("built", "--images", "images.npy")
    printed = command(monkeypatch, capsys, *words, "--json")
    made = load_activity(tmp_path / "built" / RECORD)
    assert json.loads(printed.out) == made.to_json()
    assert (made.clock_mhz, made.vivado) == (50.0, None)
    assert made.link.flip_flops == 5000 - made.netlist.flip_flops
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vivado").write_text(FAKE_VIVADO)
    (tmp_path / "bin" / "vivado").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    assert "Vivado with this activity: 0.2 W" in command(monkeypatch, capsys, *words).out
    power = load_activity(tmp_path / "built" / RECORD).vivado
    assert power is not None
    assert power.dynamic_w == 0.1
    assert len(list(Path("build/activity/circuits").iterdir())) == 1
