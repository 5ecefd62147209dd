"""The front: what nothing beats, within limits, its files, and synthesis of some of it."""

from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.explore import front
from s2nn_hw.explore.objectives import dominates
from s2nn_hw.explore.page import render_page
from s2nn_hw.explore.rows import Row, VariantNote, errors
from s2nn_hw.explore.space import Choice
from s2nn_hw.explore.summary import Summary
from s2nn_hw.network.store import load
from s2nn_hw.plan.plan import load_plan
from tests.support.exploration import bare, cycles, explore

WRITE = Summary.write


def test_limits_keep_trials_from_the_front(place):
    free = explore()
    limit = sorted(t["figures"]["luts"] for t in free["trials"] if "figures" in t)[2]
    tight = explore(budget=f"luts={limit},accuracy=0.5", output=Path("tight"))
    assert tight["settings"]["budget"]["luts"] == limit
    assert all(e["figures"]["luts"] <= limit and e["figures"]["accuracy"] >= 0.5 for e in tight["front"])
    over = [t for t in tight["trials"] if t["state"] == "over budget"]
    assert over
    assert all(t["over"] for t in over)


def test_the_front_is_what_nothing_beats_and_its_files_build(place, monkeypatch):
    summaries = []
    monkeypatch.setattr(Summary, "write", lambda self, folder: summaries.append(self) or WRITE(self, folder))
    data = explore()
    names = [axis["figure"] for axis in data["objectives"]]
    fits = [t for t in data["trials"] if t["state"] == "fits"]
    for entry in data["front"]:
        assert not any(dominates(t["figures"], entry["figures"], names) for t in fits)
        folder = place / "runs/explore/tiny-arty_a7"
        network = load(folder / entry["files"]["network"])
        assert network.digest == entry["variant"]["digest"]
        plan = load_plan(folder / entry["files"]["plan"], network, board="arty_a7")
        latency, _ = cycles(network, plan, np.load("x.npy")[:6])
        assert latency == pytest.approx(entry["figures"]["latency_cycles"], abs=1e-3)
    lines = (place / "runs/explore/tiny-arty_a7/pareto.csv").read_text().splitlines()
    page = (place / "runs/explore/tiny-arty_a7/front.html").read_text()
    assert page == render_page(summaries[-1], "Arty A7-35T")
    assert page.count('<th scope="row">') >= len(data["front"])
    assert lines[0] == "trial,front,state,accuracy,latency_us,luts,energy_nj"
    assert len(lines) == 1 + len(data["chart"]["points"])


def test_spread_takes_the_best_of_each_and_then_the_farthest():
    variant = VariantNote("", "", "")
    rows = [Row(n, Choice({}), (), variant, {"accuracy": n / 10, "luts": 10.0 + n * n}, {}) for n in range(6)]
    chosen = front.spread(rows, ["accuracy", "luts"], 3)
    assert [row.trial for row in chosen] in ([0, 3, 5], [0, 2, 5])
    assert front.spread(rows, ["accuracy", "luts"], 9) == rows
    assert errors({"luts": 110, "ffs": 90, "brams": 0}, {"luts": 100, "ffs": 100, "brams": 0}) == {
        "luts": 0.1,
        "ffs": -0.1,
        "brams": 0.0,
    }
    assert errors({"luts": 1, "ffs": 1, "brams": 1}, {"luts": 1, "ffs": 1, "brams": 0})["brams"] is None


def test_synthesis_of_the_front_tells_the_estimates_error_and_is_done_once(place, monkeypatch, capsys):
    data = explore(trials=4, synthesise=1)
    done = [entry for entry in data["front"] if "synthesis" in entry]
    assert [entry["synthesis"]["source"] for entry in done] == ["yosys after synthesis"]
    used, figures = done[0]["synthesis"]["used"], done[0]["figures"]
    assert done[0]["error"]["luts"] == round(figures["luts"] / used["luts"] - 1, 4)
    assert data["estimate_error"]["luts"]["candidates"] == 1
    assert "estimate against yosys" in capsys.readouterr().out
    monkeypatch.setattr("s2nn_hw.explore.evaluate.synthesis", None)
    assert bare(explore(trials=4, synthesise=1)) == bare(data)
