"""The command as a user meets it: help, good runs, and one clear line and status 2 for everything bad."""

import errno
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw import emit
from s2nn_hw.network.store import save
from s2nn_hw.plan.defaults import default_plan
from tests.support.commands import refused
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "train",
    "quantize",
    "convert",
    "inspect",
    "golden",
    "verilog",
    "ip",
    "plan",
    "simulate",
    "verify",
    "bitstream",
    "activity",
    "report",
    "compare",
    "explore",
    "run",
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    network = random_network((20, 9, 3), input_bits=2)
    save(network, tmp_path / "net.s2nn")
    np.save(tmp_path / "x.npy", random_images(network, 5))
    models = ROOT / "build" / "sim"  # compiled once for all tests
    models.mkdir(parents=True, exist_ok=True)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "sim").symlink_to(models)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ctrl_c_while_modules_are_read_is_one_line():
    probe = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 's2nn_hw.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from s2nn_hw.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    refused((done.returncode, done.stdout, done.stderr), "interrupted")


def test_help_names_every_command_and_imports_nothing_heavy():
    probe = (
        "import sys, s2nn_hw.cli.main as c\n"
        "sys.argv = ['s2nn-hw', '--help']\n"
        "try: c.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'amaranth', 'numpy', 'cocotb'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert all(name in out for name in COMMANDS)
    assert out.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command, name):
    code, out, _ = command(name, "--help")
    assert code == 0
    assert "Usage: s2nn-hw" in out


def test_golden_writes_class_and_scores(place, command):
    code, out, _ = command("golden", "net.s2nn", "--images", "x.npy", "-o", "out.npz")
    assert code == 0
    assert "out.npz" in out
    with np.load(place / "out.npz") as arrays:
        expected = random_network((20, 9, 3), input_bits=2).forward(np.load(place / "x.npy"))
        assert (arrays["class"] == expected.classes).all()
        assert (arrays["scores"] == expected.scores).all()


def test_bad_networks(place, command):
    arguments = ("--images", "x.npy", "-o", "out.npz")
    refused(command("golden", "none.s2nn", *arguments), "none.s2nn does not exist")
    whole = (place / "net.s2nn").read_bytes()
    (place / "short.s2nn").write_bytes(whole[: len(whole) // 2])
    for name in ("golden", "simulate"):
        refused(command(name, "short.s2nn", *arguments), "short.s2nn", "truncated or altered")
    refused(command("verilog", "short.s2nn", "-o", "v"), "truncated or altered")
    (place / "p.s2nn").write_bytes(pickle.dumps([1]))
    refused(command("inspect", "p.s2nn"), "pickle")
    assert not (place / "out.npz").exists()
    assert not (place / "v").exists()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 19), np.uint8), "images must have shape (count, 20), not (2, 19)"),
        (np.zeros((2, 20), np.float32), "images must be uint8 with values 0 .. 255, not float32"),
        (np.full((2, 20), 300, np.int64), "images must be uint8 with values 0 .. 255, not int64"),
        (np.array([{}, {}], object), "is not a .npy file of numbers"),
    ],
)
@pytest.mark.parametrize("name", ["golden", "simulate"])
def test_bad_images(place, command, array, text, name):
    np.save(place / "bad.npy", array, allow_pickle=True)
    refused(command(name, "net.s2nn", "--images", "bad.npy", "-o", "out.npz"), text)
    assert not (place / "out.npz").exists()


def test_a_pipe_is_no_file(place, command):
    os.mkfifo(place / "pipe.s2nn")
    for words in (
        ("golden", "pipe.s2nn", "--images", "x.npy", "-o", "o.npz"),
        ("inspect", "pipe.s2nn"),
        ("inspect", "net.s2nn", "--plan", "pipe.s2nn"),
        ("quantize", "pipe.s2nn", "-o", "o.s2nn"),
        ("golden", "net.s2nn", "--images", "pipe.s2nn", "-o", "o.npz"),
    ):
        refused(command(*words), "pipe.s2nn is no plain file")


def test_files_beside_one_that_is_not_there(place, command):
    refused(command("inspect", "none.s2nn"), "does not exist; . holds net.s2nn")


def test_images_that_do_not_fit_the_data_set_of_the_provenance(place, command):
    network = replace(random_network((20, 9, 3)), provenance={"data_set": "mnist"})
    save(network, place / "other.s2nn")
    refused(command("verify", "other.s2nn"), "says that it is for data set mnist, whose images do not fit", "--images")


def test_images_that_are_no_array(place, command):
    refused(command("golden", "net.s2nn", "--images", "no.npy", "-o", "o.npz"), "images no.npy does not exist")
    np.save(place / "none.npy", np.zeros((0, 6), np.uint8))
    refused(command("golden", "net.s2nn", "--images", "none.npy", "-o", "o.npz"), "there is no image in it")
    (place / "t.npy").write_text("hello")
    refused(command("golden", "net.s2nn", "--images", "t.npy", "-o", "o.npz"), "t.npy is not a .npy file")
    np.save(place / "cut.npy", np.zeros((50, 20), np.uint8))
    (place / "cut.npy").write_bytes((place / "cut.npy").read_bytes()[:300])
    refused(command("golden", "net.s2nn", "--images", "cut.npy", "-o", "o.npz"), "cut.npy is not a .npy file")


def test_bad_outputs(place, command, monkeypatch):
    refused(command("golden", "net.s2nn", "--images", "x.npy", "-o", "out.txt"), "out.txt must end in .npz")
    refused(command("golden", "net.s2nn", "--images", "x.npy", "-o", "no/out.npz"), "folder no does not exist")
    with monkeypatch.context() as patch:
        patch.setattr(emit, "Accelerator", None)  # refused before any work
        refused(command("verilog", "net.s2nn", "-o", "net.s2nn"), "output folder net.s2nn is a file")
        refused(command("verilog", "net.s2nn", "-o", "net.s2nn/v"), "output folder net.s2nn/v can't be written: Not a")
        refused(command("verilog", "net.s2nn", "-o", f"new/{'v' * 300}"), "can't be written: File name too long")

    def full(path, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def late(accelerator, *_):
        accelerator._MustUse__used = True  # or Amaranth says that nothing was made of it
        full("late")

    with monkeypatch.context() as patch:
        patch.setattr(emit, "to_verilog", late)
        refused(command("verilog", "net.s2nn", "-o", "new/below"), "No space left on device")
    monkeypatch.setattr(np, "savez_compressed", full)
    refused(command("golden", "net.s2nn", "--images", "x.npy", "-o", "out.npz"), "No space left on device")
    assert sorted(p.name for p in place.iterdir()) == ["build", "net.s2nn", "x.npy"]


def test_outputs_that_are_folders_or_lie_below_files(place, command):
    (place / "d.npz").mkdir()
    refused(command("golden", "net.s2nn", "--images", "x.npy", "-o", "d.npz"), "d.npz")
    refused(command("verilog", "net.s2nn", "-o", "net.s2nn/v"), "net.s2nn")
    assert sorted(p.name for p in place.iterdir()) == ["build", "d.npz", "net.s2nn", "x.npy"]


def test_no_words_print_the_help_and_no_empty_error(command):
    code, out, err = command()
    assert code == 2
    assert "Usage: s2nn-hw" in out
    assert "error" not in err


def test_ctrl_c_is_one_line(place, command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("s2nn_hw.cli.golden.load", interrupt)
    refused(command("golden", "net.s2nn", "--images", "x.npy", "-o", "out.npz"), "interrupted")


def test_unknown_words(place, command):
    refused(command("frobnicate"), "frobnicate")
    refused(command("golden", "net.s2nn"), "--images")
    refused(command("bitstream", "net.s2nn", "--board", "abacus"), "abacus", "ulx3s")
    refused(command("simulate", "net.s2nn", "--images", "x.npy", "-o", "o.npz", "--simulator", "spice"), "verilator")
    refused(command("verilog", "net.s2nn", "-o", "v", "--plan", "none.json"), "plan none.json does not exist")
    refused(command("verify", "net.s2nn"), "--images")
    refused(command("verify", "net.s2nn", "--board", "abacus"), "abacus", "ulx3s")


def test_simulate_gives_class_scores_cycles_and_waves(place, command):
    words = ("simulate", "net.s2nn", "--images", "x.npy", "-o", "out.npz")
    code, out, err = command(*words, "--waves", "w.vcd")
    assert code == 0, err
    assert "equal the golden model" in out
    assert (place / "w.vcd").stat().st_size > 0
    with np.load(place / "out.npz") as arrays:
        assert set(arrays) == {"class", "scores", "cycles"}
        assert len(arrays["cycles"]) == 5
    refused(command(*words, "--waves", "w.txt"), "waves w.txt must end in .vcd")


def test_a_circuit_that_differs_is_named(place, command, monkeypatch):
    from s2nn_hw.sim.verilog.runner import Simulation

    run = Simulation.run

    def spoiled(*arguments, **options):
        outcome = run(*arguments, **options)
        outcome.spikes["layer0"][3, 5] ^= 1
        return outcome

    monkeypatch.setattr(Simulation, "run", spoiled)
    code, _, err = command("simulate", "net.s2nn", "--images", "x.npy", "-o", "out.npz")
    assert code == 1
    assert "layer layer0: spike of neuron 5 in frame 3: golden model" in err
    assert not (place / "out.npz").exists()


def test_verify_with_own_images(place, command):
    np.save(place / "y.npy", np.zeros(5, np.uint8))
    code, out, err = command("verify", "net.s2nn", "--images", "x.npy", "--labels", "y.npy")
    assert code == 0, err
    assert "all 10 cycle counts equal the golden model" in out
    assert len(list((place / "build" / "verify").glob("*.json"))) == 1
    assert out.splitlines()[-1] == "next: s2nn-hw bitstream net.s2nn --board ulx3s"


def test_the_version_is_told(command):
    from s2nn_hw import __version__

    assert command("--version") == (0, f"s2nn-hw {__version__}\n", "")


def test_images_may_come_from_an_npz_like_the_shipped_samples(place, command):
    images = np.load(place / "x.npy")
    np.savez(place / "x.npz", images=images, labels=np.ones(5, np.uint8))
    for name in ("x.npy", "x.npz"):
        assert command("golden", "net.s2nn", "--images", name, "-o", f"{name}.out.npz")[0] == 0
    with np.load("x.npy.out.npz") as plain, np.load("x.npz.out.npz") as zipped:
        assert (plain["scores"] == zipped["scores"]).all()
    code, out, err = command("verify", "net.s2nn", "--images", "x.npz")
    assert code == 0, err
    assert "accuracy of the circuit" in out


def test_npz_files_without_images_are_refused(place, command):
    words = ("-o", "out.npz")
    np.savez(place / "other.npz", pixels=np.zeros(3))
    refused(command("golden", "net.s2nn", "--images", "other.npz", *words), "with an array 'images' (it holds pixels)")
    np.savez(place / "objects.npz", images=np.array([{}], object))
    refused(command("golden", "net.s2nn", "--images", "objects.npz", *words), "'images' is no array of numbers")
    np.savez_compressed(place / "whole.npz", images=np.zeros((50, 20), np.uint8))
    whole = (place / "whole.npz").read_bytes()
    rng = np.random.default_rng(0)
    for k in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        (place / "d.npz").write_bytes(damaged if k % 2 else whole[: rng.integers(len(whole))])
        code, _, err = command("golden", "net.s2nn", "--images", "d.npz", *words)
        assert code in (0, 2)
        assert not code or err.startswith("error: images ")


def test_a_reader_that_has_gone_is_no_error(place):
    out = subprocess.run(
        f"{sys.executable} -c 'from s2nn_hw.cli.main import main; main()' inspect net.s2nn | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.stderr == ""
    assert out.stdout.startswith("random:")


def test_verify_without_the_test_set_takes_the_shipped_sample_and_says_so(place, command, monkeypatch):
    network = random_network((784, 6, 10), input_bits=1)
    network = replace(network, input=replace(network.input, shape=(28, 28)), provenance={"data_set": "mnist"})
    save(network, place / "digits.s2nn")
    monkeypatch.setenv("S2NN_DATA", str(place / "nothing"))
    code, out, err = command("verify", "digits.s2nn", "--limit", "4")
    assert code == 0, err
    assert "shipped sample of the MNIST test set, which is not on this machine, the first of 300" in out


def test_the_accelerators_docstring_says_a_call_that_works():
    from s2nn_hw.accelerator import Accelerator
    from s2nn_hw.design import Design
    from s2nn_hw.network.trace import layer_inputs

    network = random_network((20, 9, 3), input_bits=2)
    timing, values = (
        Design(network, default_plan(network, "xc7")).timing,
        layer_inputs(network, random_images(network, 5))[1],
    )
    assert "timing.schedule(timing.ones(values))" in Accelerator.__doc__
    assert timing.schedule(timing.ones(values)).cycles.shape == (5, 1)
