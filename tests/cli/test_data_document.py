"""docs/data.md as a user would type it: its program, its recipe and its commands, in their order."""

import re
from pathlib import Path

import numpy as np

from s2nn_hw.network.store import load
from tests.cli.test_documented import lines

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_document_does_what_it_says(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    text = DOCUMENT.read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    recipe, *_ = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    exec(compile(program, "data.md", "exec"), {})
    Path("bolts.toml").write_text(recipe)
    typed = list(lines(DOCUMENT))
    assert [line.split()[1] for line in typed] == ["train", "quantize", "golden", "verify", "report"]
    said = {}
    for line in typed:
        code, out, err = command(*line.split()[1:])
        assert code == 0, err
        said[line.split()[1]] = out
    network = load("bolts.s2nn")
    assert network.classes == ("long", "short")
    assert network.provenance["data"]["features"] == ["length_mm", "mass_g", "noise"]
    assert re.search(r"long: \d+, short: \d+", said["golden"])
    accuracy = float(re.search(r"accuracy ([\d.]+) %", said["golden"])[1])
    assert accuracy > 85
    assert "equal the golden model" in said["verify"]
    assert "bolts.csv (" in said["report"] or "bolts.test.npz" in said["report"]
    assert re.search(r"long +\d+ +\d+\.\d %", said["train"])
    with np.load("runs/bolts/bolts.test.npz") as arrays:
        assert len(arrays["images"]) in (119, 120, 121)
