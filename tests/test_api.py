"""The Python interface: what it names, what reading it costs in modules, its document, its errors."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import s2nn_hw
from s2nn_hw import api, extras
from tests.support.networks import random_images, random_network
from tests.support.recurrent import recordings
from tests.support.small_sequences import small_network

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "numba", "amaranth", "altair", "vl_convert", "optuna", "sqlalchemy", "onnx", "cocotb", "ray", "pooch"}


def modules_after(program):
    """Return the top-level modules that a fresh Python has after ``program``."""
    text = f"import sys\n{program}\nprint(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.stderr)"
    said = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(said.stderr.split())


@pytest.mark.parametrize(
    "program",
    [
        "import s2nn_hw; dir(s2nn_hw); s2nn_hw.__version__",
        "sys.argv = ['s2nn-hw', '--help']\nfrom s2nn_hw.cli.main import app\ntry: app()\nexcept SystemExit: pass",
        "sys.argv = ['s2nn-hw', 'simulate', '--help']\nfrom s2nn_hw.cli.main import app\ntry: app()\n"
        "except SystemExit: pass",
    ],
    ids=["import", "help", "help of a command"],
)
def test_reading_it_reads_nothing_large(program):
    assert modules_after(program) & (HEAVY | {"numpy"}) == set()


def test_loading_and_forward_need_no_torch():
    program = "import s2nn_hw, numpy as np; n = s2nn_hw.load('models/mnist-tiny.s2nn')"
    program += "; s2nn_hw.forward(n, np.zeros((2, 28, 28), np.uint8))"
    assert modules_after(program) & (HEAVY - {"numba", "amaranth"}) == set()


def test_the_front_names_what_stands_in_the_interface():
    assert set(s2nn_hw.__all__) == {*api.__all__, "__version__"}
    assert s2nn_hw.__all__ == sorted(s2nn_hw.__all__)
    assert all(getattr(s2nn_hw, name) is getattr(api, name) for name in api.__all__)
    assert set(s2nn_hw.__all__) <= set(dir(s2nn_hw))
    tree = ast.parse((ROOT / "s2nn_hw" / "__init__.py").read_text())
    typed = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed - {"Any", "TYPE_CHECKING", "api"} == set(api.__all__)  # what a type checker sees
    packages = {path.name for path in (ROOT / "s2nn_hw").iterdir() if path.is_dir()}
    assert packages & set(s2nn_hw.__all__) == set()  # a package that is read would take the name
    with pytest.raises(AttributeError, match="has no attribute 'weights'"):
        s2nn_hw.weights  # noqa: B018


def test_every_function_says_what_it_does():
    text = (ROOT / "docs" / "api.md").read_text()
    for name in api.__all__:
        assert getattr(api, name).__doc__
        assert f"`{name}" in text, name


def test_the_document_runs(tmp_path, monkeypatch):
    for folder in ("models", "quantize"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert len(blocks) == 9
    names = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    assert names["summary"].differences == 0
    assert names["report"]["accuracy"]["value"] == pytest.approx((names["output"].classes == names["labels"]).mean())


def test_bad_input_is_told():
    network = random_network((20, 9, 3), input_bits=2, name="tiny")
    images = random_images(network, 3)
    for call, text in [
        (lambda: s2nn_hw.forward(network, images[:, :4]), r"images must have shape \(count, 20\)"),
        (lambda: s2nn_hw.make_plan(network, "nowhere", images), "nowhere"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", images[:0]), "at least one is needed"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", images, target_fps=0), "target must be positive"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", images, clock_mhz=-1), "a clock from"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", images, levels=99), "levels must be 0 to 64, not 99"),
        (lambda: s2nn_hw.simulate(network, images[:0]), "at least one is needed"),
        (lambda: s2nn_hw.simulate(network, images.astype(float)), "must be uint8"),
        (lambda: s2nn_hw.verify(network, images, np.array([0, 1, 3])), r"labels must lie in 0 \.\. 2"),
        (lambda: s2nn_hw.verify(network, images[:0]), "at least one is needed"),
        (lambda: s2nn_hw.make_report(network, images, board="nowhere"), "nowhere"),
    ]:
        with pytest.raises(s2nn_hw.UserError, match=text):
            call()


def test_sequences_go_the_same_ways(tmp_path):
    network = small_network()
    frames, offsets = recordings(network, [6, 1, 4])
    output = s2nn_hw.forward_sequences(network, frames, offsets, trace=True)
    plan = s2nn_hw.make_plan(network, "ulx3s", frames, offsets=offsets, target_fps=100)
    assert plan.note["estimate"]["frames_per_second"] >= 100
    plan.save(tmp_path / "plan.json")
    assert s2nn_hw.load_plan(tmp_path / "plan.json", network) == plan
    report = s2nn_hw.make_report(network, frames, output.classes, offsets=offsets, board="ulx3s", plan=plan)
    assert report["accuracy"]["value"] == 1
    assert report["sequences"]["source"] == "sequences given"
    assert report["clock"]["value"] == 100
    assert s2nn_hw.make_report(network, frames, offsets=offsets)["board"] is None
    answer = s2nn_hw.simulate(network, frames, offsets=offsets, plan=plan, build=tmp_path)
    assert (answer.scores == output.scores).all()
    assert all((answer.spikes[name] == spikes).all() for name, spikes in output.spikes.items())
    assert answer.cycles.max() == report["latency"]["max"]["value"]
    summary = s2nn_hw.verify(network, frames, output.classes, offsets=offsets, plan=plan, build=tmp_path)
    assert (summary.sequences, summary.differences, summary.accuracy) == (3, 0, 1)
    assert isinstance(answer, s2nn_hw.SequenceAnswer)
    assert isinstance(summary, s2nn_hw.SequenceSummary)


def test_sequences_that_are_none_are_told():
    network = small_network()
    frames, offsets = recordings(network, [6, 1, 4])
    images = random_images(single := random_network((20, 9, 3), input_bits=2, name="tiny"), 3)
    for call, text in [
        (lambda: s2nn_hw.simulate(network, frames), r"network small reads sequences: give .* with offsets="),
        (lambda: s2nn_hw.simulate(single, images, offsets=offsets), "tiny reads single frames: leave offsets out"),
        (lambda: s2nn_hw.verify(network, frames, offsets=offsets[:-1]), "offsets must rise from 0 to 11"),
        (lambda: s2nn_hw.verify(network, frames[:, :2], offsets=offsets), r"frames must have shape \(count, 5\)"),
        (lambda: s2nn_hw.verify(network, frames, np.array([0, 1, 3]), offsets=offsets), r"must lie in 0 \.\. 2"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", frames), "reads sequences"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", frames, offsets=offsets, levels=2), "leave its levels out"),
        (lambda: s2nn_hw.make_plan(network, "ulx3s", frames, offsets=offsets, target_fps=1e9), "out of reach"),
        (lambda: s2nn_hw.make_report(network, frames, offsets=offsets, frames=3), "of all of them; leave frames out"),
        (lambda: s2nn_hw.make_report(network, frames, offsets=[0, 11]), "sequence 0 has 11 frames; 1 to 6 are wanted"),
    ]:
        with pytest.raises(s2nn_hw.UserError, match=text):
            call()


def test_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {"pillow": "PIL", "vl-convert-python": "vl_convert"}

    def modules(extra):
        found = set()
        for line in project[extra]:
            inner = re.fullmatch(r"s2nn-hw\[(.*)\]", line)
            package = re.split(r"[<>=\[]", line)[0]
            more = [modules(name) for name in inner[1].split(",")] if inner else []
            found |= set().union(*more) if inner else {names.get(package, package.replace("-", "_"))}
        return found

    assert set(extras.EXTRAS) == set(project) - {"bench", "dev", "docs"}
    for extra, needed in extras.EXTRAS.items():
        assert set(needed) == modules(extra), extra


def test_what_lacks_an_extra_says_which(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(s2nn_hw.UserError, match=r"^this needs torch: pip install 's2nn-hw\[train\]'$"):
        extras.require("train")
    extras.require("sim")
    for module, extra in [("PIL", "data"), ("cocotb_tools.runner", "sim"), ("torch.nn", "train"), ("ray", "ray")]:
        with pytest.raises(s2nn_hw.UserError, match=rf"pip install 's2nn-hw\[{extra}\]'$"), extras.told():
            raise ModuleNotFoundError(name=module)
    with pytest.raises(ModuleNotFoundError), extras.told():
        raise ModuleNotFoundError(name="s2nn_hw.nothing")
