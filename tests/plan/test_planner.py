"""Plans: they meet their target, fit their budget, name what limits, and every command takes them."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.lower import lower_alone
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.cycles.timing import engine_alone, stage_ones
from s2nn_hw.design import Design
from s2nn_hw.network.store import save
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import event_plan
from s2nn_hw.plan.planner import RESOURCES, OutOfReach, Planner, fit, make_plan
from tests.support.event_networks import event_network, events_of
from tests.support.graphs import build, convolution, dense
from tests.support.networks import random_images, random_network, residual
from tests.support.ramps import ttfs_network
from tests.support.streams import check_accelerator, read_result, run_stream

BUDGET = {"luts": 20_800, "ffs": 41_600, "brams": 50}


@pytest.fixture(scope="module")
def network():
    return residual(np.random.default_rng(1))


@pytest.fixture(scope="module")
def values(network):
    return layer_inputs(network, random_images(network, 3))[1]


def test_a_target_is_met_with_less_than_the_fastest_plan_takes(network, values):
    work = Planner(network, "xc7", BUDGET, values)
    fastest = fit(work)
    slow = make_plan(work, 4 * fastest.interval)
    assert fastest.interval < slow.interval <= 4 * fastest.interval
    assert slow.used["luts"] < fastest.used["luts"]
    assert all(fastest.used[r] <= BUDGET[r] for r in RESOURCES)
    guess = estimate(Design(network, slow.plan), "xc7", link=True)
    assert guess.luts == pytest.approx(slow.used["luts"], rel=0.1)


def test_what_was_predicted_is_what_the_circuit_does(network, values):
    planned = make_plan(Planner(network, "xc7", BUDGET, values), 3000)
    images = random_images(network, 3)
    output, _ = layer_inputs(network, images)
    accelerator = Accelerator(network, planned.plan)
    beats = [
        [int(frame[k]) if k >= 0 else 0 for k in row]
        for frame in values["input"]
        for row in accelerator.design.beat_pixels
    ]
    got = run_stream(accelerator, beats * 2, results=6, read=read_result)
    classes, scores, _ = zip(*(result for result, _ in got), strict=True)
    assert list(classes) == output.classes.tolist() * 2
    assert list(scores) == output.scores.tolist() * 2
    cycles = [cycle for _, cycle in got]
    assert np.diff(cycles)[2:].mean() == pytest.approx(planned.interval)


def test_words_of_an_identity_beside_a_convolution_are_all_seen(network):
    # the identity needs one word of each pixel per group of lanes, the convolution all of them
    images = random_images(network, 3)
    output, values = layer_inputs(network, images)
    plan = event_plan(network)
    layers = [replace(c, width=4, groups=2, buffers=(100, 100)) if c.name == "b" else c for c in plan.layers]
    plan = replace(plan, layers=tuple(replace(c, width=min(c.width, 4)) for c in layers))
    accelerator = Accelerator(network, plan)
    beats = [
        [int(frame[k]) if k >= 0 else 0 for k in row]
        for frame in values["input"]
        for row in accelerator.design.beat_pixels
    ]
    got = run_stream(accelerator, beats, results=3, read=read_result)
    assert [scores for (_, scores, _), _ in got] == output.scores.tolist()


def test_taps_of_every_source_of_a_join_are_tried():
    network = build(
        (8, 8, 2),
        1,
        [
            convolution(8, 3, padding=1),
            convolution(8, 3, padding=1),
            [convolution(8, 1, source="layer0"), convolution(8, 3, padding=1, source="layer1")],
            dense(4),
        ],
    )
    _, values = layer_inputs(network, random_images(network, 3))
    work = Planner(network, "xc7", BUDGET, values)
    tried = {
        (w.choice.engine, w.choice.taps): w.bound(1) for w in work.ways.ways(network.layers[2]) if w.choice.width == 8
    }
    assert (tried["parallel", 1], tried["parallel", 3], tried["parallel", 9]) == (640, 256, 128)
    assert ("event", 9) not in tried  # further sources have one tap there
    plan = fit(work).plan
    plan = replace(
        plan, layers=tuple(replace(c, engine="parallel", taps=9) if c.name == "layer2" else c for c in plan.layers)
    )
    check_accelerator(Accelerator(network, plan), random_images(network, 2))


def test_a_network_with_one_pace_has_a_plan():
    network = random_network((1, 1))
    _, values = layer_inputs(network, random_images(network, 3))
    assert fit(Planner(network, "xc7", BUDGET, values)).interval == 1


def test_limits_are_named(network, values):
    work = Planner(network, "xc7", BUDGET, values)
    with pytest.raises(OutOfReach, match="layer stem can't take 5 cycles"):
        work.plan(5)
    with pytest.raises(OutOfReach, match="even the slowest plan does not fit: LUT6"):
        fit(Planner(network, "xc7", BUDGET | {"luts": 100}, values))
    assert Planner(network, "xc7", BUDGET | {"luts": 100}, values).plan(1e6) is None


def test_a_device_without_block_ram_has_plans_without(network, values):
    planned = fit(Planner(network, "xc7", BUDGET | {"brams": 0}, values))
    assert planned.used["brams"] == 0


def call(monkeypatch, capsys, folder, *arguments):
    from s2nn_hw.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


@pytest.fixture
def folder(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    np.save(tmp_path / "x.npy", random_images(network, 5))
    return tmp_path


def test_the_command_writes_a_plan_that_the_others_take(folder, monkeypatch, capsys):
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "plan",
        "net.s2nn",
        "-b",
        "arty_a7",
        "--target-fps",
        20000,
        "--images",
        "x.npy",
        "-o",
        "plan.json",
    )
    assert status == 0
    assert "frames/s" in out
    plan = json.loads((folder / "plan.json").read_text())
    assert (plan["network"], plan["board"], plan["clock_mhz"]) == ("residual", "arty_a7", 100.0)
    assert plan["estimate"]["frames_per_second"] >= 20000
    assert [row["name"] for row in plan["layers"]] == ["stem", "a", "b", "readout"]
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--board",
        "arty_a7",
        "--images",
        "x.npy",
        "--plan",
        "plan.json",
        "--json",
    )
    assert status == 0
    assert json.loads(out)["plan"] == plan
    status, _, _ = call(monkeypatch, capsys, folder, "verilog", "net.s2nn", "--plan", "plan.json", "-o", "out")
    assert status == 0
    assert (folder / "out" / "accelerator.v").exists()


def test_unroll_puts_all_weights_in_logic(folder, monkeypatch, capsys):
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "plan",
        "net.s2nn",
        "-b",
        "ulx3s",
        "--unroll",
        "--levels",
        2,
        "--images",
        "x.npy",
        "-o",
        "plan.json",
    )
    assert status == 0
    assert "unrolled" in out
    plan = json.loads((folder / "plan.json").read_text())
    assert [(row["engine"], row["levels"], row["lut"]) for row in plan["layers"]] == [("unrolled", 2, 4)] * 4
    pixels = plan["estimate"]["interval_cycles"]
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--board",
        "ulx3s",
        "--images",
        "x.npy",
        "--plan",
        "plan.json",
        "--json",
    )
    assert status == 0
    assert json.loads(out)["logic"]["initiation_interval"]["value"] == pixels


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--target-fps", 1e9], "frames/s are out of reach on Arty A7-35T at 100 MHz: layer"),
        (["--target-fps", 5, "--fit"], "only one of --target-fps, --fit, --unroll"),
        (["--levels", 3], "--levels is for --unroll"),
        (["--target-fps", 1e300], "target must be positive, and 1,000,000,000,000 frames/s at most, not 1e+300"),
        (["--clock", "inf"], "a clock from 0.001 to 10000 MHz is wanted, not inf"),
        (["--clock", "nan"], "a clock from 0.001 to 10000 MHz is wanted, not nan"),
        (["--clock", 1e-9], "a clock from 0.001 to 10000 MHz is wanted, not 1e-09"),
        (["--unroll", "--fit"], "only one of --target-fps, --fit, --unroll"),
        (["--clock", -5], "a clock from 0.001 to 10000 MHz is wanted, not -5"),
        (["-o", "plan.txt"], "output plan.txt must end in .json"),
    ],
)
def test_bad_requests_are_one_line_and_status_2(folder, monkeypatch, capsys, arguments, text):
    status, _, err = call(
        monkeypatch, capsys, folder, "plan", "net.s2nn", "-b", "arty_a7", "--images", "x.npy", *arguments
    )
    assert status == 2
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1


def test_candidates_of_the_ramp_engine_count_spikes_by_slots():
    """In both forms of what they read and give; bounds are the engine's cycles alone, but for queues."""
    network = ttfs_network((60, 24, 16, 4), slots=(15, 7), seed=3)
    values = layer_inputs(network, random_images(network, 6))[1]
    work, first, second, last = Planner(network, "xc7", BUDGET, values), *network.layers
    for layer in network.layers:
        ways = [way for way in work.ways.ways(layer) if ENGINES[way.choice.engine].literal]
        assert ways
        for way in ways:
            stage = lower_alone(network, way.choice)
            ones = stage_ones(stage, [work.values[reader.source] for reader in stage.readers])
            twice = np.concatenate([ones, ones])
            alone = engine_alone(stage, twice, length=len(twice))[:, len(ones) - 1 :].mean()
            assert 0.999 * way.bound(1) <= max(alone, way.entering) <= 1.5 * way.bound(1) + 8
    forms = {layer.name: set() for layer in network.layers}
    for layer in network.layers:
        for candidate in work.ways.of(layer, np.inf):
            if ENGINES[candidate.choice.engine].literal:
                streams = candidate.takes | candidate.gives
                forms[layer.name].add(tuple(name for name, width in sorted(streams.items()) if width < 0))
    a, b = first.name, second.name
    assert forms == {a: {(), (a,)}, b: {(), (a,), (b,), (a, b)}, last.name: {(), (b,)}}
    planned = fit(work)
    design = Design(network, planned.plan)
    ones = [np.concatenate([n, n]) for n in design.timing.ones(work.values)]
    exact = design.timing.schedule(ones, length=6)
    assert np.diff(exact.offered, axis=1)[:, 2:].mean() == pytest.approx(planned.interval)


@pytest.mark.parametrize(("steps", "leak"), [(4, 0), (10, 2)])
def test_candidates_of_several_planes_count_the_actions(steps, leak):
    network = event_network(steps, leak=leak)
    values = layer_inputs(network, events_of(network, 6))[1]
    work = Planner(network, "xc7", BUDGET, values)
    seen = set()
    for layer in network.layers:
        for way in work.ways.ways(layer) if layer.accumulates and not layer.is_readout else ():
            stage = lower_alone(network, way.choice, pool=way.pool)
            ones = stage_ones(stage, [values[reader.source] for reader in stage.readers])
            alone = engine_alone(stage, ones, length=6).mean()
            assert way.bound(1) == pytest.approx(max(alone, way.entering), rel=0.15, abs=4)
            seen.add(way.choice.engine)
    assert seen >= {"event", "parallel"}
    planned = fit(work)
    design = Design(network, planned.plan)
    ones = [np.concatenate([n, n]) for n in design.timing.ones(work.values)]
    exact = design.timing.schedule(ones, length=6)
    assert np.diff(exact.offered, axis=1)[:, 2:].mean() == pytest.approx(planned.interval)
