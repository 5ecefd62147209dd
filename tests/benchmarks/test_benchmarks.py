"""The frame of the benchmarks: verdicts, files written, bad input; `make bench` runs the measurements."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from s2nn_hw.network.store import save
from tests.support.networks import random_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def frame(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import frame

    return frame


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize(
    ("measured", "reference", "better", "reached"),
    [
        (9, 10, "lower", True),
        (11, 10, "lower", False),
        (11, 10, "higher", True),
        (9, 10, "higher", False),
        (11, 10, "near", True),
        (8, 10, "near", False),
        (0, 0, "lower", True),
        (1, 0, "lower", False),
    ],
)
def test_verdicts(frame, measured, reference, better, reached):
    row = frame.Row("x", measured, "", reference, "", better, 0.15, binding=True)
    assert row.reached is reached
    assert frame.Row("x", measured, "", reference, "", better, 0.15).reached is None


def test_a_run_writes_json_beside_its_tables(tmp_path):
    save(random_network((40, 12, 5), input_bits=2), tmp_path / "net.s2nn")
    out = bench("cycles", "--network", tmp_path / "net.s2nn", "-o", tmp_path / "out")
    assert out.returncode in (0, 1), out.stderr
    data = json.loads((tmp_path / "out" / "cycles.json").read_text())
    assert [row["what"] for row in data["rows"]][:2] == ["mean latency", "mean interval"]
    assert data["images"] == "random pixels"
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["network"] == "random"
    assert "layer0 alone to bound" in out.stdout


def test_bad_input_is_one_line_and_status_2(tmp_path):
    cases = ((["speed"], "benchmark 'speed' is unknown"), (["--network", "none.s2nn"], "does not exist"))
    for arguments, text in cases:
        out = bench(*arguments, "-o", tmp_path)
        assert out.returncode == 2
        assert out.stderr.startswith("error: ")
        assert text in out.stderr
        assert out.stderr.count("\n") == 1
