"""What README and docs say to type: every command is run here, or is on the list with the reason; all are parsed."""

import re
import shlex
import subprocess
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from torch import nn

import s2nn_hw
from s2nn_hw.cli import main
from s2nn_hw.network.store import load, save
from s2nn_hw.quantize.data.sets import samples
from tests.support.networks import random_network

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BEGINNINGS = ("s2nn-hw ", "make ", "python -m ", ".venv/bin/python -m ")
OTHERS = ("git clone", "apt install", "pip uninstall", "openFPGALoader", "sudo ", "sh run_", "cd ")
# parsed, not run: the reason for each
NOT_RUN = {
    "train": "takes minutes and a data set; tests/quantize/test_train.py trains small ones",
    "quantize": "needs what train writes; tests/quantize/test_convert.py",
    "convert": "trains a network; tests/quantize/test_conversion.py trains small ones",
    "import": "needs another program's file; tests/quantize/importers/",
    "export": "tests/quantize/importers/test_onnx_export.py",
    "bitstream": "place and route take minutes; tests/hw/test_flows.py",
    "activity": "synthesis takes minutes; tests/sim/test_activity.py and sim/benches/test_activity.py",
    "explore": "many trials; tests/explore/test_explore.py runs few",
    "run": "needs a board; tests/hw/test_host.py has a stand-in",
    "selftest PORT": "needs a board; tests/hw/test_selftest_host.py has a stand-in",
}
ELSEWHERE = ("docs/data.md",)  # all its commands are run in their order by tests/cli/test_data_document.py
# values for the words that stand for something
WORDS = {
    "NAME.s2nn": "my.s2nn",
    "BUILD_DIR": "my.s2nn",
    "PLAN.json": "plan.json",
    "P.json": "plan.json",
    "BOARD": "ulx3s",
    "B": "ulx3s",
    "SOURCE": "models/mnist-mlp.toml",
    "NAME.json": "curve.json",
    "P": "99",
    "N,N..": "1,3",
    "X.npy": "x.npy",
    "Y.npy": "y.npy",
    "IMAGES.npy": "x.npy",
    "RECIPE.toml": "models/mnist-mlp.toml",
    "N": "3",
    "K": "3",
    "F": "1000",
    "MHZ": "50",
    "MINUTES": "30",
    "S": "2",
    "DIR": "out",
    "FILE": "file",
    "R.json": "r.json",
    "REPORT...": "a.json",
    "...": "a.json",
    "F=N,..": "luts=100",
    "F,F,..": "luts,accuracy",
    "FILE.md": "README.md",
    "NETWORK": "my.s2nn",
}


def lines(path):
    """Yield the lines of code of a document, those that go on joined, comments taken off."""
    text, code, found = path.read_text(encoding="utf-8").splitlines(), False, []
    for line in text:
        if line.startswith("```"):
            code = not code
        elif code or line.startswith("    "):
            indent = len(line) - len(line.lstrip())
            if found and indent >= 12 and found[-1] and not code:
                found[-1] += " " + line.strip()
                continue
            found.append(re.split(r"\s{2,}#|\s{3,}(?=[a-z1-9])", line.strip())[0].strip())
        else:
            found.append("")
    found = [line.removeprefix(".venv/bin/") if "s2nn-hw" in line else line for line in found]
    yield from (line for line in found if line.startswith(BEGINNINGS))


COMMANDS = [(path.relative_to(ROOT).as_posix(), line) for path in DOCUMENTS for line in lines(path)]


def variants(line):
    """Return the command without what is in brackets, and with it; of ``A | B`` and ``A|B`` each."""
    bare, before = line, None
    while bare != before:
        before, bare = bare, re.sub(r"\[[^][]*\]", "", bare)
    every = [bare]
    for optional in re.findall(r"\[([^][]*)\]", line):
        every += [f"{bare} {part}" for part in optional.split(" | ")]
    return [text for text in chain.from_iterable(alternatives(text) for text in every) if text]


def alternatives(text):
    head, *others = text.split(" | ")
    found = [head] + [f"{head.rsplit(' ', 1)[0]} {other}" for other in others]
    return [
        " ".join(word.split("|")[min(k, word.count("|"))] for word in one.split())
        for one in found
        for k in range(2 if "|" in one else 1)
    ]


def words_of(text):
    return [WORDS.get(word, word) for word in shlex.split(text)]


def is_synopsis(line):
    return bool(re.search(r"[\[|]|\.\.\.", line))


def reason(line):
    """Return why ``line`` is not run, None if it is."""
    if is_synopsis(line):
        return "a synopsis"
    if not line.startswith("s2nn-hw "):
        return "make: its commands are parsed; python -m: developers' tools, with tests of their own"
    return next((why for name, why in NOT_RUN.items() if line.removeprefix("s2nn-hw ").startswith(name)), None)


def parse(words):
    """Let the command's own parser read ``words``; :class:`typer.BadParameter`'s base for what it refuses."""
    name, *rest = words
    typer.main.get_command(main.app).commands[name].make_context(name, rest)


def test_there_are_commands_in_the_documents():
    assert len(COMMANDS) > 40
    assert sum(reason(line) is None for _, line in COMMANDS) >= 10


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_every_command_is_understood(document, line):
    for text in variants(line):
        if text.startswith("s2nn-hw "):
            parse(words_of(text)[1:])
        elif text.startswith("make "):
            targets = [word for word in text.split()[1:] if "=" not in word]
            for name, _ in (word.split("=", 1) for word in text.split()[1:] if "=" in word):
                assert re.search(
                    rf"\$\({name}\)|\$\({name}[,)]|ifeq.*{name}|^{name} \?=|filter.*{name}",
                    (ROOT / "Makefile").read_text(),
                    re.MULTILINE,
                ), name
            done = subprocess.run(
                ["make", "-n", "-o", ".venv/.ready", *targets], capture_output=True, text=True, cwd=ROOT, check=False
            )
            assert done.returncode == 0, done.stderr
        else:
            module = text.split(" -m ")[1].split()[0]
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() or (
                ROOT / module / "__main__.py"
            ).is_file(), module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("typed")
    network = random_network((784, 8, 10), input_bits=1, name="my")
    save(
        replace(network, input=replace(network.input, shape=(28, 28)), provenance={"data_set": "mnist"}),
        place / "my.s2nn",
    )
    images, labels = samples("mnist")
    np.save(place / "x.npy", images[:6])
    np.save(place / "y.npy", labels[:6])
    (place / "models").symlink_to(ROOT / "models")
    compiled = ROOT / "build" / "sim"  # once for all tests
    compiled.mkdir(parents=True, exist_ok=True)
    (place / "build" / "verilog").mkdir(parents=True)
    (place / "build" / "sim").symlink_to(compiled)
    return place


@pytest.mark.parametrize(
    ("document", "line"), [(d, line) for d, line in COMMANDS if reason(line) is None and d not in ELSEWHERE]
)
def test_quick_ones_do_what_they_say(folder, monkeypatch, command, document, line):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("S2NN_DATA", str(folder / "nothing"))
    words = words_of(line)[1:]
    words = ["20" if before == "--limit" else word for before, word in zip(["", *words], words, strict=False)]
    for name in [word for word in words if word.endswith(".report.json") and words[0] == "compare"]:
        if not Path(name).is_file():
            assert command("report", "my.s2nn", "-o", name)[0] == 0
    if "plan.json" in words and "-o" not in words[words.index("plan.json") - 1 :]:
        of = next(word for word in words if word.endswith(".s2nn"))
        assert command("plan", of, "--board", "ulx3s" if of == "my.s2nn" else "arty_a7", "-o", "plan.json")[0] == 0
    code, out, err = command(*words)
    assert code == 0, err
    assert out


def test_the_python_in_the_readme_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    block, module = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {"images": np.load("x.npy")}
    exec(
        compile(block.replace("Accelerator(network)  ", "keep(Accelerator(network))  "), "README.md", "exec"),
        names | {"keep": lambda a: setattr(a, "_MustUse__used", True) or a},
    )
    assert load("models/mnist-mlp.s2nn").name == "mnist-mlp"
    model, frames = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)), torch.rand(40, 12)
    owned = {"s2nn_hw": s2nn_hw, "model": model, "images": frames, "labels": np.zeros(40, int)}
    exec(compile(module, "README.md", "exec"), owned)
    assert load("mine.s2nn").classes == ("0", "1", "2")
