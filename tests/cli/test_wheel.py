"""The wheel in empty environments, without and with each extra, beside folders called as the house's rooms are."""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from s2nn_hw.extras import EXTRAS, install
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


def needed(wheel, extra):
    """Return the names of the packages that ``extra`` of ``wheel`` brings, those of no extra included."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    own = [line.removeprefix("Requires-Dist: ") for line in text.splitlines() if line.startswith("Requires-Dist: ")]
    found, waiting, seen = set(), [(own, extra)], set()
    while waiting:
        lines, wanted = waiting.pop()
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted}):
                continue
            for more in requirement.extras or {""}:
                key = (requirement.name.lower(), more)
                if key not in seen:
                    seen.add(key)
                    if key[0] == "s2nn-hw":
                        waiting.append((own, more))
                        continue
                    theirs = importlib.metadata.distribution(requirement.name).requires or []
                    waiting += [(theirs, more), (theirs, "")]
                    found.add(key[0])
    return found


def environment(folder, wheel):
    """Make an environment of ``wheel`` without what it needs; return the folder of its packages."""
    venv.create(folder, symlinks=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def provide(site, wheel, extra):
    """Put links into ``site`` to the files of what ``extra`` brings, and no others."""
    for path in site.iterdir():
        if path.is_symlink():
            path.unlink()
    for name in needed(wheel, extra):
        files = importlib.metadata.distribution(name).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a network, images, labels, a recipe, and rooms of other people."""
    work = tmp_path_factory.mktemp("elsewhere") / "work"
    for name in ROOMS:
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise RuntimeError('this is somebody else')\n")
    network = random_network((20, 9, 3), input_bits=2, name="tiny")
    save(network, work / "tiny.s2nn")
    np.save(work / "x.npy", random_images(network, 6))
    np.save(work / "y.npy", network.forward(random_images(network, 6)).classes)
    (work / "bad.toml").write_text("name = 3\n")
    return work


@pytest.fixture(scope="module")
def places(wheel, tmp_path_factory):
    """The function from the name of an extra, or none, to the Python of an environment that has no other.

    It is one environment in turn: what its code compiles stays.
    """
    folder, made = tmp_path_factory.mktemp("environment") / "venv", []

    def place(extra):
        made[:] = made or [environment(folder, wheel)]
        provide(made[0], wheel, extra)
        return folder / "bin" / "python"

    return place


def said(python, work, *words):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([python, *words], cwd=work, capture_output=True, text=True, check=False, env=environment)


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


REPORT = ["report", "tiny.s2nn", "--board", "arty_a7", "--images", "x.npy", "--labels", "y.npy"]
SIMULATE = ["simulate", "tiny.s2nn", "--images", "x.npy", "-o", "simulated.npz"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("", ["inspect", "tiny.s2nn"]),
        ("", ["golden", "tiny.s2nn", "--images", "x.npy", "-o", "golden.npz"]),
        ("", ["plan", "tiny.s2nn", "--board", "ulx3s", "--images", "x.npy"]),
        ("", ["verilog", "tiny.s2nn", "-o", "verilog"]),
        ("", [*REPORT, "-o", "r.json"]),
        ("sim", SIMULATE),
        ("report", [*REPORT, "--html"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value or "base",
)
def test_commands_of_the_wheel(places, work, extra, words):
    python = places(extra)
    out = said(python, work, "-m", "s2nn_hw", *words)
    assert out.returncode == 0, out.stderr[-2000:]
    where = said(python, work, "-c", "import s2nn_hw.sim.verilog.runner as m; print(m.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(python.parents[1])
    reached = said(python, work, "-c", "import torch")
    assert "No module named 'torch'" in reached.stderr  # it is empty, or this test shows nothing


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("train", ["train", "bad.toml"]),
        ("train", ["quantize", "none.safetensors", "-o", "q.s2nn"]),
        ("train", ["convert", "bad.toml", "-o", "q.s2nn"]),
        ("report", [*REPORT, "--html"]),
        ("report", ["compare", "a.json", "b.json", "--html", "c.html"]),
        ("sim", SIMULATE),
        ("sim", ["verify", "tiny.s2nn", "--images", "x.npy"]),
        ("explore", ["explore", "tiny.s2nn", "--board", "ulx3s"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_what_lacks_an_extra_says_so(places, work, extra, words):
    before = sorted(path.relative_to(work) for path in work.rglob("*.*") if "build" not in path.parts)
    out = said(places(""), work, "-m", "s2nn_hw", *words)
    assert out.returncode == 2, out.stderr[-2000:]
    assert out.stderr.startswith("error: ")
    assert out.stderr.count("\n") == 1
    assert out.stderr.endswith(f": {install(extra)}\n")
    assert before == sorted(path.relative_to(work) for path in work.rglob("*.*") if "build" not in path.parts)


# with the extra alone the command comes as far as what is wrong with its input
@pytest.mark.parametrize(
    ("extra", "words", "text"),
    [
        ("train", ["train", "bad.toml"], "bad.toml"),
        ("train", ["quantize", "none.safetensors", "-o", "q.s2nn"], "none.safetensors"),
        ("explore", ["explore", "tiny.s2nn", "--board", "nowhere"], "nowhere"),
        ("report", ["compare", "a.json", "b.json", "--html", "c.html"], "a.json"),
    ],
)
def test_an_extra_alone_is_enough(places, work, extra, words, text):
    out = said(places(extra), work, "-m", "s2nn_hw", *words)
    assert out.returncode == 2, out.stderr[-2000:]
    assert text in out.stderr
    assert "pip install" not in out.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_its_modules(places, work, extra):
    found = said(places(extra), work, "-c", f"from s2nn_hw.extras import require; require({extra!r})")
    assert found.returncode == 0, found.stderr[-2000:]
