"""One candidate: its plan, exact cycles, energy, and why it is refused."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.explore.energy import frame_energy, weight_reads
from s2nn_hw.explore.evaluate import work
from s2nn_hw.explore.space import Space, network_layers
from s2nn_hw.explore.tasks import CandidateTask, Refused, read_result
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from tests.support.exploration import cycles, task
from tests.support.networks import random_images

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    ("family", "inputs", "levels"), [("xc7", 6, 5), ("ecp5", 4, 2), ("ice40", 4, 2), ("gowin", 4, 2)]
)
def test_the_default_plan_is_that_of_bitstream_and_report(tmp_path, monkeypatch, family, inputs, levels):
    from s2nn_hw.cli.reporting import _setting
    from s2nn_hw.hw.board.boards import BOARDS

    monkeypatch.chdir(tmp_path)
    network = load(MODELS / "magic-nano.s2nn")
    content, images = (MODELS / "magic-nano.s2nn").read_bytes(), io.BytesIO()
    np.save(images, random_images(network, 2))
    asked = replace(task(), board=replace(task().board, family=family))
    plan = work(asked, content, images.getvalue()).plan
    assert {(c["lut"], c["levels"]) for c in plan["layers"]} == {(inputs, levels)}
    assert plan == default_plan(network, family).to_json()
    board = next(board for board in BOARDS.values() if board.family == family)
    reported = _setting(MODELS / "magic-nano.s2nn", board.name, None, None)
    assert reported.plan.to_json() == plan


def test_figures_are_those_of_the_exact_cycle_model_and_the_estimate(place, contents):
    network, images = load("tiny.s2nn"), np.load("x.npy")
    result = work(task(), *contents)
    latency, interval = cycles(network, default_plan(network, "xc7"), images)
    assert result.plan == default_plan(network, "xc7").to_json()
    figures = result.figures
    assert figures["latency_cycles"] == pytest.approx(latency, abs=1e-3)
    assert figures["interval_cycles"] == pytest.approx(interval, abs=1e-3)
    assert figures["latency_us"] == pytest.approx(figures["latency_cycles"] / 100, abs=1e-3)
    assert read_result(json.loads(json.dumps(result.to_json())), CandidateTask, "") == result == work(task(), *contents)


def test_energy_reads_a_row_for_each_spike_and_a_table_for_each_pass_of_the_parallel_engine(place):
    network, images = load("tiny.s2nn"), np.load("x.npy")
    design = Design(network, default_plan(network, "xc7"))
    values = layer_inputs(network, images)[1]
    ones = design.timing.ones(values)
    spikes = int(np.bitwise_count(values["input"]).sum())
    assert weight_reads(design.stages[0], ones[0])[0][0] == pytest.approx(spikes / len(images) * 10 * 4)
    assert frame_energy(design, ones, values) > 0
    silent = {name: 0 * x for name, x in values.items()}
    assert frame_energy(design, design.timing.ones(silent), silent) == 0
    parallel = replace(
        design.plan, layers=tuple(replace(c, engine="parallel", banks=1, width=16) for c in design.plan.layers)
    )
    (stage, *_) = Design(network, parallel).stages
    table = 2 * 16 * 10 * 4  # two words of 16 inputs
    assert weight_reads(stage, None) == [(2 * table, table)]  # for both bit planes


def test_a_plan_that_can_not_be_is_refused_with_its_reason(contents):
    space = Space((2,), (4,), (100.0,), network_layers(load("tiny.s2nn")))
    values = {name: options[-1] for name, options in space.parameters().items()} | {"plan": "layers"}
    good = work(task(**space.complete(values).values), *contents)
    assert [(c["engine"], c["groups"]) for c in good.plan["layers"]] == [
        ("parallel", 5),
        ("parallel", 8),
        ("parallel", 3),
    ]
    bad = work(task(**space.complete(values | {"layer0.banks": 128, "layer0.engine": "event"}).values), *contents)
    assert isinstance(bad, Refused)
    assert "layer0" in bad.refused
    small = replace(task().board, budget={"luts": 10.0, "ffs": 10.0, "brams": 1.0})
    assert isinstance(work(replace(task(plan="planner", pace=0), board=small), *contents), Refused)
    with pytest.raises(UserError, match="a worker has another s2nn-hw"):
        work(replace(task(), code="0"), *contents)
