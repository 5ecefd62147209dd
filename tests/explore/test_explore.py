"""The exploration: what may vary, variants of fewer bits, a search that is the same however it is worked out."""

import io
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.cli import exploration
from s2nn_hw.cli.exploration import Options, explore_designs
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.explore import front, search
from s2nn_hw.explore.energy import frame_energy, weight_reads
from s2nn_hw.explore.evaluate import code_digest, work
from s2nn_hw.explore.objectives import dominates, excess, parse_budget, parse_objectives, with_board
from s2nn_hw.explore.page import render_page
from s2nn_hw.explore.rows import Row, VariantNote, errors
from s2nn_hw.explore.settings import ImageSet, Settings, Source
from s2nn_hw.explore.space import Choice, Space, bits_options, layers_plan, network_layers, parse_numbers
from s2nn_hw.explore.study import Study
from s2nn_hw.explore.summary import Summary
from s2nn_hw.explore.tasks import CandidateTask, Refused, TaskBoard, read_result
from s2nn_hw.explore.variants import make_variant, own_bits
from s2nn_hw.explore.workers import HereWorkers, LocalWorkers, RayWorkers
from s2nn_hw.files import held
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.store import load, save
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from tests.support.commands import refused
from tests.support.networks import random_images, random_network
from tests.support.ray_loss import die_once

MODELS = Path(__file__).parents[2] / "models"
BOARD = board_facts(find_board("arty_a7"))
QUICK = Options(trials=8, population=4, jobs=1, synthesise=0, frames=6, images=Path("x.npy"), labels=Path("y.npy"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    network = random_network((24, 10, 8, 3), input_bits=2, bits=4, name="tiny")
    save(network, tmp_path / "tiny.s2nn")
    images = random_images(network, 40)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", network.forward(images).classes.numpy().astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explore(options=QUICK, workers=None, **changes):
    options = replace(options, **changes)
    explore_designs(Path("tiny.s2nn"), "arty_a7", options)
    return json.loads((Path(options.output or "runs/explore/tiny-arty_a7") / "front.json").read_text())


WRITE = Summary.write


def bare(data):
    return {key: value for key, value in data.items() if key != "created"}


def test_budget_takes_known_figures_and_the_smaller_of_board_and_user():
    limits = with_board(parse_budget("luts=8000, brams=99,accuracy=97%,latency_us=5"), BOARD)
    assert limits == {"luts": 8000, "ffs": 41600, "brams": 50, "accuracy": 0.97, "latency_us": 5}
    over = excess({"luts": 4000, "ffs": 0, "brams": 75, "accuracy": 0.485, "latency_us": 5}, limits)
    assert over == {"luts": -0.5, "ffs": -1, "brams": 0.5, "accuracy": pytest.approx(0.5), "latency_us": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lutz=3", "'lutz' is unknown"),
        ("luts", "luts needs a positive number"),
        ("luts=-1", "positive"),
        ("luts=nan", "positive"),
        ("luts=1,luts=2", "given twice"),
        ("accuracy=97", "share from 0 to 1"),
        (",", "''"),
    ],
)
def test_bad_budgets(text, said):
    with pytest.raises(UserError, match=said):
        parse_budget(text)


@pytest.mark.parametrize("text", ["luts", "luts,luts", "luts,nothing"])
def test_bad_objectives(text):
    with pytest.raises(UserError, match="--objectives"):
        parse_objectives(text)


def test_domination_looks_at_the_sense_of_a_figure():
    one, other = {"accuracy": 0.9, "luts": 10}, {"accuracy": 0.8, "luts": 10}
    names = ["accuracy", "luts"]
    assert dominates(one, other, names)
    assert not dominates(other, one, names)
    assert not dominates(one, one, names)


def test_bits_default_to_the_networks_and_fewer():
    assert bits_options(None, None, (4, 5)) == ((4, 2, 1), (5, 4, 3, 2))
    assert bits_options("1", "3,2", (4, 5)) == ((1,), (3, 2))
    assert parse_numbers("50,100", "--clocks", ()) == (50.0, 100.0)
    with pytest.raises(UserError, match="the network has 4, so 8 can't"):
        bits_options("8", None, (4, 5))
    with pytest.raises(UserError, match="--input-bits must be numbers of 1, 2, 4, 8"):
        bits_options("3", None, (4, 5))
    with pytest.raises(UserError, match="--clocks"):
        parse_numbers("0", "--clocks", ())


@pytest.mark.parametrize("shape", [(20, 9, 3), (20, 9, 6, 3), (20, 3)])
@pytest.mark.parametrize("calibrated", [False, True])
def test_variants_are_networks_of_fewer_bits_that_agree_with_the_first(shape, calibrated):
    network = random_network(shape, input_bits=4, bits=5, seed=1)
    images = random_images(network, 300)
    images[1:3] = images[3:5]
    classes = network.forward(images).classes.numpy()
    agreement = []
    for bits in ((4, 5), (2, 4), (1, 2)):
        variant = make_variant(
            network, input_bits=bits[0], weight_bits=bits[1], calibration=images[150:] if calibrated else None
        )
        assert own_bits(variant) == bits
        agreement.append(float((variant.forward(images[:150]).classes.numpy() == classes[:150]).mean()))
    assert make_variant(network) is network
    assert agreement[0] == 1
    assert agreement[1] > 0.6


def test_layers_before_a_change_and_their_thresholds_stay_as_they_are():
    network = random_network((20, 9, 6, 3), input_bits=2, bits=4)
    tables = dict(network.tensors())
    readout_only = make_variant(random_network((20, 9, 6, 3), input_bits=2, bits=2), input_bits=1)
    assert own_bits(readout_only) == (1, 2)
    changed = make_variant(network, weight_bits=3).tensors()
    assert np.array_equal(changed["layer2.weights"], tables["layer2.weights"])  # the readout keeps its bits
    with pytest.raises(UserError, match="has 4 weight bits, so 5 can't be had"):
        make_variant(network, weight_bits=5)


@pytest.mark.parametrize("bits", [(2, 2), (1, 3)])
def test_variants_of_convolutions_shortcuts_and_pooling(bits):
    from benchmarks.networks import make_resnet

    network = make_resnet([(4, 1), (8, 2)], stem=4, image=(8, 8, 3), input_bits=2, bits=3)
    images = np.random.default_rng(1).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
    for calibration in (None, images):
        variant = make_variant(network, input_bits=bits[0], weight_bits=bits[1], calibration=calibration)
        assert own_bits(variant) == bits
        assert [s.bits for layer in variant.layers for s in layer.synapses[1:]] == [6, 6]
        assert variant.forward(images).scores.shape == (24, 10)


def task(**parameters):
    parameters = {"clock_mhz": 100.0, "plan": "default"} | parameters
    board = TaskBoard("xc7", 10**6, {"luts": 20000.0, "ffs": 40000.0, "brams": 50.0})
    return CandidateTask(code_digest("candidate"), "", board, ("", 0), parameters)


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


def cycles(network, plan, images):
    """Return the mean latency and interval of ``images``."""
    timing = Design(network, plan).timing
    ones = timing.ones(layer_inputs(network, images)[1])
    queued = timing.schedule(ones, length=len(images)).offered
    return float(timing.schedule(ones).cycles.mean()), float(np.diff(queued, axis=1).mean())


@pytest.fixture
def contents(place):
    return (place / "tiny.s2nn").read_bytes(), (place / "x.npy").read_bytes()


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


def test_layers_plans_follow_their_values(place):
    network = load("tiny.s2nn")
    values = {
        f"layer{n}.{key}": value
        for n in range(3)
        for key, value in (("engine", "event"), ("banks", 2), ("word", 8), ("groups", 1), ("memory", "distributed"))
    }
    plan = layers_plan(network, Choice(values | {"layer1.engine": "parallel"}), "xc7")
    assert [(c.engine, c.banks, c.width, c.memory) for c in plan.layers] == [
        ("event", 2, 16, "distributed"),
        ("parallel", 1, 16, "distributed"),
        ("event", 2, 16, "distributed"),
    ]


def test_same_seed_same_trials_however_they_are_worked_out(place):
    here = explore()
    assert here["counts"]["fits"] >= 4
    assert len(here["trials"]) == 8
    two = explore(jobs=2, output=Path("two"))
    assert bare(two) == bare(here)
    other = explore(seed=1, output=Path("other"))
    assert [t["parameters"] for t in other["trials"]] != [t["parameters"] for t in here["trials"]]


class Interrupted(HereWorkers):
    """Ctrl-C after so many results."""

    def __init__(self, after):
        self.after = after

    def run(self, jobs):
        for number, result in super().run(jobs):
            if not self.after:
                raise KeyboardInterrupt
            self.after -= 1
            yield number, result


@pytest.mark.parametrize("after", [0, 5])
def test_an_interrupted_exploration_goes_on_as_if_it_had_not_been(place, monkeypatch, after):
    whole = explore(output=Path("whole"))
    with monkeypatch.context() as patch:
        patch.setattr(exploration, "_workers", lambda options: Interrupted(after))
        with pytest.raises(UserError, match="of 8 trials; nothing is lost, the same command goes on"):
            explore()
    kept = len(list((place / "runs/explore/tiny-arty_a7/results").glob("*.json")))
    assert kept == after
    assert bare(explore()) == bare(whole)
    counted = []
    monkeypatch.setattr(search, "work", lambda *words: counted.append(words))
    assert bare(explore()) == bare(whole)
    assert not counted  # finished: nothing is worked out again


def test_more_trials_go_further_and_other_settings_are_refused(place):
    first = explore(trials=6)
    more = explore(trials=9)
    assert more["trials"][:6] == first["trials"]
    assert len(more["trials"]) == 9
    with pytest.raises(UserError, match="other settings, differing in 'budget' and 'seed'"):
        explore(seed=5, budget="luts=900")
    assert bare(explore(trials=9)) == bare(more)
    assert len(explore(trials=3, seed=5, fresh=True)["trials"]) == 3


def test_a_folder_in_the_database_s_place_is_named_and_taken_away_with_fresh(place):
    (place / "runs/explore/tiny-arty_a7/study.db").mkdir(parents=True)
    with pytest.raises(UserError, match=r"study\.db can't be used \(it is no file\); --fresh starts over"):
        explore(trials=3)
    assert len(explore(trials=3, fresh=True)["trials"]) == 3


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


def test_a_local_worker_that_is_lost_costs_no_result(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    jobs = [(die_once, {"number": n, "mark": str(tmp_path / "mark")}, (tmp_path / "file",)) for n in range(6)]
    with LocalWorkers(2) as workers:
        came = list(workers.run(jobs))
    assert sorted(came) == [(n, 3 * n) for n in range(6)]


def test_a_recipe_is_trained_once_for_each_pair_of_bits(place, monkeypatch):
    from rich.console import Console

    from s2nn_hw.explore.networks import FromRecipe, Pictures

    trained = []
    (place / "r.toml").write_text(
        '[data]\nset = "mnist"\npixel_bits = 1\n[[layers]]\nneurons = 8\nbits = 3\n'
        "[readout]\nbits = 4\n[training]\nepochs = 7\n"
    )

    def train(recipe, folder, console):
        trained.append((recipe.name, recipe.data.pixel_bits, recipe.bits, recipe.training.epochs))
        return folder

    network = random_network((24, 10, 3), input_bits=2)
    monkeypatch.setattr("s2nn_hw.quantize.train.train", train)
    monkeypatch.setattr("s2nn_hw.quantize.checkpoint.read_checkpoint", lambda path: path)
    monkeypatch.setattr("s2nn_hw.quantize.summary.quantize", lambda checkpoint, console: (network, {}))
    pictures = Pictures(np.load("x.npy"), np.load("y.npy"), "x.npy")
    networks = FromRecipe(place / "r.toml", pictures, Console(quiet=True), epochs=2)
    networks.folder = place / "variants"
    assert networks.layers == (("hidden1", 0, 0), ("readout", 0, 0))
    assert networks.bits(None, "2,3") == ((1, 2, 4), (2, 3))
    assert networks.get(1, 2) == networks.get(1, 2)
    assert trained == [("r-i1w2", 1, [2, 4], 2)]
    networks.known.clear()
    assert networks.get(1, 2).digest == network.digest
    assert len(trained) == 1  # found in the folder


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"nonsense, not a database" * 50), "can't be used"),
        (
            lambda path: sqlite3.connect(path).executescript("CREATE TABLE studies (x INTEGER);").close(),
            "can't be used",
        ),
        (lambda path: (path.mkdir(), (path / "x").touch()), "it is no file"),
        (lambda path: other_study(path, "someone-elses"), "is of another study \\(someone-elses\\)"),
        (lambda path: other_study(path, "s2nn-exploration"), "holds no exploration of version 1"),
    ],
)
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path, damage, said):
    path = tmp_path / "study.db"
    damage(path)
    before = path.is_dir() or path.read_bytes()
    space = Space((1,), (2,), (100.0,), (("layer0", 0, 0),))
    images = ImageSet("", "", 2, 2)
    settings = Settings(1, "", Source("network", "", ""), "", ["luts", "brams"], {}, space.to_json(), images, 0, 4)
    with pytest.raises(UserError, match=said):
        Study(path, settings, space)
    assert (path.is_dir() or path.read_bytes()) == before


def other_study(path, name):
    import optuna

    study = optuna.create_study(storage=f"sqlite:///{path}", study_name=name)
    study.set_user_attr("of", "somebody else")
    study.tell(study.ask(), 1.0)
    study._storage.remove_session()


def test_the_command_and_what_it_refuses(place, command):
    base = ("explore", "tiny.s2nn", "--board", "arty_a7", "--images", "x.npy")
    assert "--synthesise" in command("explore", "--help")[1]
    good = command(*base, "--labels", "y.npy", "--trials", 4, "--jobs", 1, "--synthesise", 0, "-o", "out")
    assert good[0] == 0, good
    assert "next: s2nn-hw bitstream" in good[1]
    refused(command(*base), "accuracy needs the classes")
    refused(command(*base, "--labels", "y.npy", "--budget", "lutz=1"), "'lutz' is unknown")
    refused(command(*base, "--labels", "y.npy", "--clocks", "9999"), "9999 MHz")
    refused(command(*base, "--labels", "y.npy", "--epochs", 3), "--epochs is for recipes")
    refused(command(*base, "--labels", "y.npy", "--trials", 5, "-o", "out", "--seed", 3), "differing in 'seed'")
    refused(command(*base, "--labels", "y.npy", "--ray", "nowhere"), "auto or host:port")
    refused(command(*base, "--labels", "y.npy", "--ray", "127.0.0.1:1"), "nothing answers at 127.0.0.1:1")
    assert (place / "out" / "study.db").is_file()
    refused(command("explore", "none.toml", "--board", "arty_a7"), "none.toml")


def test_what_answers_but_is_no_ray_cluster_is_not_waited_for(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("s2nn_hw.explore.workers.RAY_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Ray cluster answers at {address}"), RayWorkers(address):
            pass


def test_two_explorations_do_not_share_a_folder(place):
    explore(trials=4)
    with (
        held(place / "runs/explore/tiny-arty_a7", "exploration is at work in"),
        pytest.raises(UserError, match="another exploration is at work"),
    ):
        explore(trials=4)


@pytest.mark.skipif(shutil.which("true") is None, reason="POSIX only")
def test_ray_loses_a_node_and_every_result_comes_once(tmp_path):
    pytest.importorskip("ray")
    answer = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "ray_loss.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=dict(os.environ, RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0"),
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert sorted(number for number, _ in result["came"]) == list(range(10))
    assert all(r["square"] == n * n and r["content"] == "shared" for n, r in result["came"])
    again = [n for n, node in result["begun"] if node == result["lost"]]
    assert result["lost"]
    assert any(sum(n == m for m, _ in result["begun"]) == 2 for n in again)
