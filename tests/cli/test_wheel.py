"""The wheel in an empty environment and another folder, beside folders called as the house's rooms are."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.network.store import save
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]
ROOMS = ("quantize", "sim", "hw", "report", "explore", "cli")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of what is tracked, built with what is installed."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("no git checkout")
    for name in filter(None, files.stdout.split("\0")):
        source, copy = ROOT / name, folder / "source" / name
        if source.exists() and not name.startswith(("models/", "tests/", "docs/")):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(os.readlink(source)) if source.is_symlink() else copy.write_bytes(source.read_bytes())
    program = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=folder / "source", capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory):
    """An environment with the wheel and, as a path alone, what it depends on; a folder with rooms of other people."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", symlinks=True)
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    work = folder / "work"
    for name in ROOMS:
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise RuntimeError('this is somebody else')\n")
    network = random_network((20, 9, 3), input_bits=2, name="tiny")
    save(network, work / "tiny.s2nn")
    np.save(work / "x.npy", random_images(network, 6))
    np.save(work / "y.npy", network.forward(random_images(network, 6)).classes)
    return folder / "venv" / "bin" / "python", work


def test_the_wheel_has_one_name(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"s2nn_hw"}
    for room in ROOMS:
        assert f"s2nn_hw/{room}/__init__.py" in names
    data = ("quantize/samples/mnist.npz", "sim/netlist/cells/xc7.v", "hw/flow/power.tcl", "verilog/bench/s2nn_bench.v")
    for name in data:
        assert f"s2nn_hw/{name}" in names
    assert any(name.startswith("s2nn_hw/report/show/templates/") for name in names)
    assert not any("test_" in name.rpartition("/")[2] for name in names)


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "tiny.s2nn"],
        ["golden", "tiny.s2nn", "--images", "x.npy", "-o", "golden.npz"],
        ["verilog", "tiny.s2nn", "-o", "verilog"],
        ["simulate", "tiny.s2nn", "--images", "x.npy", "-o", "simulated.npz"],
        ["report", "tiny.s2nn", "--board", "arty_a7", "--images", "x.npy", "--labels", "y.npy", "--html"],
    ],
    ids=lambda words: words[0],
)
def test_commands_of_the_wheel(place, words):
    python, work = place
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [python, "-m", "s2nn_hw", *words], cwd=work, capture_output=True, text=True, check=False, env=environment
    )
    assert said.returncode == 0, said.stderr[-2000:]
    where = "import s2nn_hw.sim.verilog.runner as m; print(m.__file__)"
    found = subprocess.run([python, "-c", where], cwd=work, capture_output=True, text=True, check=True, env=environment)
    assert Path(found.stdout.strip()).is_relative_to(python.parents[1])
