"""Simulations that are ended at any moment, and folders with odd names: the next run builds and is right."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.store import save
from s2nn_hw.sim.verilog import folders
from s2nn_hw.sim.verilog.model import _keep_library, _version, build_model, simulator_environment
from tests.support.networks import random_images, random_network

COMMAND = [
    sys.executable,
    "-c",
    "from s2nn_hw.cli.main import main; main()",
    "simulate",
    "net.s2nn",
    "--images",
    "x.npy",
    "-o",
    "out.npz",
]


@pytest.fixture
def place(tmp_path):
    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        network = random_network((20, 9, 3), input_bits=2)
        save(network, folder / "net.s2nn")
        np.save(folder / "x.npy", random_images(network, 3))
        return folder

    return make


def test_a_build_killed_at_any_moment_is_no_obstacle(place):
    folder, rng = place("killed"), random.Random(5)
    for number in range(2):
        child = subprocess.Popen(
            COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline, models = time.monotonic() + 60, folder / "build" / "sim"
        while not list(models.glob("harness-*/model-*/*.mk")) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 3))  # somewhere among compiling, linking, running
        with_children = number % 2  # or the compilers go on on their own
        (os.killpg if with_children else os.kill)(child.pid, signal.SIGKILL)
        child.wait()
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "equal the golden model" in done.stdout


def test_nothing_without_its_mark_is_taken_for_a_model(tmp_path):
    place = tmp_path / "harness"
    for name in ("model", "model-left"):
        (place / name).mkdir(parents=True)
        (place / name / "main.o").write_bytes(b"half")
    assert folders.finished(place) is None
    for text in ("", "model-none", "model", "../harness", "model-left/..", "\0"):
        (place / folders.MARK).write_text(text)
        assert folders.finished(place) is None
    new = folders.fresh(place)
    assert not (place / "model-left").exists()
    folders.mark(place, new)
    assert folders.finished(place) == new


def test_what_is_the_same_for_every_circuit_is_kept_once(tmp_path):
    model, kept = tmp_path / "model", tmp_path / "library"
    model.mkdir()
    for name in ("verilated.o", "verilated_vpi.o", "Vtop.o", "verilator.o"):
        (model / name).write_bytes(b"first")
    _keep_library(model, kept)
    assert sorted(path.name for path in kept.iterdir()) == ["verilated.o", "verilated_vpi.o"]
    (model / "verilated.o").write_bytes(b"second")
    _keep_library(model, kept)
    assert (kept / "verilated.o").read_bytes() == b"first"
    assert {path.name for path in tmp_path.iterdir()} == {"model", "library"}


def test_another_compiler_is_another_library(tmp_path):
    settings = simulator_environment("verilator")
    other = tmp_path / "g++"
    other.write_text("#!/bin/sh\necho another one\n")
    other.chmod(0o755)
    before = _version(settings)
    assert _version(settings) == before
    assert _version(settings | {"PATH": f"{tmp_path}{os.pathsep}{settings['PATH']}"}) != before


def test_two_builders_of_one_circuit_wait_for_each_other(tmp_path):
    with folders.building(tmp_path):
        code = (
            f"import pathlib, s2nn_hw.sim.verilog.folders as f\nwith f.building(pathlib.Path({str(tmp_path)!r})): pass"
        )
        child = subprocess.Popen([sys.executable, "-c", code])
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=2)
    assert child.wait(timeout=20) == 0


@pytest.mark.parametrize("name", ["a run [2024]", "50 $HOME #1"])
def test_folders_that_make_does_not_take(place, name):
    folder = place(name)
    done = subprocess.run([*COMMAND, "--waves", "w.vcd"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "w.vcd").stat().st_size > 0


def test_nothing_called_python_is_wanted_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "python").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    build_model({"t.v": "module t(input a, output b); assign b = a; endmodule\n"}, top="t", folder=tmp_path / "sim")


def test_python_without_its_shared_library_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("find_libpython.find_libpython", lambda: None)
    with pytest.raises(UserError, match=r"shared library libpython3\.\d+ is missing, which cocotb"):
        build_model({"t.v": ""}, top="t", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_folders_that_make_takes_are_used(tmp_path):
    assert folders.buildable(tmp_path) == tmp_path.resolve()


def test_without_any_other_folder_the_reason_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "private_folder", lambda: None)
    with pytest.raises(UserError, match=r"make, which builds the simulation, can't work in .*a b"):
        build_model({"t.v": ""}, top="t", folder=tmp_path / "a b")
    with pytest.raises(UserError, match="Verilator lies in"):
        folders.check_tool_folder(tmp_path / "a b")
