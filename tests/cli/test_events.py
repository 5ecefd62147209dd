"""Files of events through the commands: what is taken, what is refused in one line, and the same scores everywhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.network.planes import STEPS
from s2nn_hw.network.store import load, save
from tests.network.test_collapse import images_of, random_network
from tests.support.commands import refused
from tests.support.event_networks import event_network, events_of


@pytest.fixture(params=[(4, 0), (10, 2)], ids=["4-steps", "10-steps-leaky"])
def place(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps, leak = request.param
    network = event_network(steps, leak=leak)
    save(network, "net.s2nn")
    np.save("x.npy", events_of(network, 6))
    np.save("y.npy", np.arange(6) % 3)
    return network


def test_golden_inspect_plan_and_report(place, command):
    steps, golden = place.input.bits, place.forward(np.load("x.npy"))
    code, _, err = command("golden", "net.s2nn", "--images", "x.npy", "-o", "g.npz")
    assert code == 0, err
    with np.load("g.npz") as arrays:
        assert (arrays["scores"] == golden.scores).all()
    code, out, err = command("inspect", "net.s2nn")
    assert code == 0, err
    assert f"4 x 4 x 2 events in {steps} steps" in out
    assert "planes, and the neurons' actions, a cycle each" in out
    code, out, err = command("inspect", "net.s2nn", "--json")
    data = json.loads(out)
    assert data["input"] == {"shape": [4, 4, 2], "bits": steps, "code": "steps", "pixels": 32}
    time = data["layers"][0]["time"]
    assert (time["planes"], time["code"], time["planes_out"], time["code_out"]) == (steps, "steps", steps, "steps")
    assert time["actions_between_planes"] == (1 if steps == 4 else 2)
    code, out, err = command("plan", "net.s2nn", "--board", "arty_a7", "--images", "x.npy", "-o", "plan.json")
    assert code == 0, err
    words = (
        "report",
        "net.s2nn",
        "--images",
        "x.npy",
        "--labels",
        "y.npy",
        "--board",
        "arty_a7",
        "--plan",
        "plan.json",
    )
    code, out, err = command(*words, "--html", "-o", "r.json")
    assert code == 0, err
    report = json.loads(Path("r.json").read_text())
    for row in report["layers"]["rows"]:
        assert row["spike_rate"] is None or 0 <= row["spike_rate"] <= 1
        assert row["active_share"] <= 1
    page = Path("r.html").read_text()
    assert f"events, {steps} steps" in page
    assert report["forms"] is None
    code, out, err = command("verilog", "net.s2nn", "-o", "v")
    assert code == 0, err
    assert json.loads(Path("v/interface.json").read_text())["input"]["pixel_bits"] == steps


def test_other_arrays_are_one_line(place, command):
    steps, events = place.input.bits, np.load("x.npy")
    wanted = f"events in {steps} steps must have shape (count, steps, 4, 4, 2), not "
    for name, array, text in [
        ("steps", events[:, :-1], f"{wanted}(6, {steps - 1}, 4, 4, 2)"),
        ("image", events[:, 0], f"{wanted}(6, 4, 4, 2)"),
        ("rows", events[:, :, :3], f"{wanted}(6, {steps}, 3, 4, 2)"),
        ("type", events.astype(np.float32), "events must be uint8 with values 0 and 1, not float32"),
        ("bool", events.astype(bool), "events must be uint8 with values 0 and 1, not bool"),
        ("values", events * 255, "events must be 0 or 1, not 255"),
    ]:
        np.save(f"{name}.npy", array)
        images = ("--images", f"{name}.npy")
        refused(command("golden", "net.s2nn", *images, "-o", "g.npz"), text)
        refused(command("simulate", "net.s2nn", *images, "-o", "s.npz"), text)
        refused(command("verify", "net.s2nn", *images), text)
        refused(command("report", "net.s2nn", *images), text)
        refused(command("plan", "net.s2nn", "--board", "arty_a7", *images), text)
        refused(command("selftest", "net.s2nn", "--simulate", "--vectors", "4", *images), text.split(" not ")[0])
    refused(command("report", "net.s2nn", "--labels", "y.npy"), "labels y.npy need --images X.npy beside them")


def test_random_events_stand_in_where_no_data_set_is_named(place, command):
    code, out, err = command("report", "net.s2nn", "-o", "r.json")
    assert code == 0, err
    assert "100 images: random events, as no data set is named" in out
    assert json.loads(Path("r.json").read_text())["accuracy"] is None


def test_flat_events_and_one_channel_more(tmp_path):
    network = event_network(4)
    events = events_of(network, 5)
    assert (network.encode(events.reshape(5, 4, 32)) == network.encode(events)).all()
    plane = event_network(4, shape=(4, 4, 1)).input
    flat = type(plane)((4, 4), 4, "steps")
    assert (flat.encode(events[..., :1]) == flat.encode(events[..., 0])).all()
    assert (flat.encode(events[..., 0]) == plane.encode(events[..., :1])).all()


def test_collapse_says_what_it_changed(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    network = random_network(rng, STEPS)
    save(network, "net.s2nn")
    np.save("x.npy", images_of(rng, network, 4))
    code, out, err = command("collapse", "net.s2nn", "-o", "numbers.s2nn")
    assert code == 0, err
    assert "layer a: " in out
    assert "planes of code radix" in out
    code, out, err = command("collapse", "numbers.s2nn", "-o", "counts.s2nn", "--literal")
    assert code == 0, err
    assert load("counts.s2nn").layers[0].neuron.steps == network.layers[0].neuron.steps
    assert f"{network.name}, with the scores of {network.name}-collapsed" in out
    assert load("counts.s2nn").digest == network.digest
    code, out, err = command("report", "numbers.s2nn", "--images", "x.npy", "-o", "r.json", "--html")
    assert code == 0, err
    assert "what literal time costs, times" in out
    literal, collapsed = json.loads(Path("r.json").read_text())["forms"]["rows"]
    assert (literal["name"], literal["this"], collapsed["name"], collapsed["this"]) == (
        "literal",
        "",
        "collapsed",
        "yes",
    )
    assert literal["interval"] > collapsed["interval"]
    assert literal["energy_nj"] > 0
    assert "What literal time costs" in Path("r.html").read_text()
    refused(command("collapse", "numbers.s2nn", "-o", "x.s2nn"), "no layer behind the input gives several steps")


def test_explore_names_steps_and_keeps_the_bits(place, command):
    words = ("explore", "net.s2nn", "-b", "arty_a7", "--images", "x.npy", "--objectives", "latency_us,luts")
    code, out, err = command(*words, "--trials", "2", "--jobs", "1", "--synthesise", "0", "--frames", "4", "-o", "ex")
    assert code == 0, err
    assert "(bits: steps of events / weights)" in out
    assert f"behind the input {place.input.bits} planes of code steps" in out
    refused(
        command(*words, "--weight-bits", "2"), "--weight-bits: layer input has several planes, so the network has its 3"
    )
    refused(command(*words, "--input-bits", "1"), "--input-bits: layer input has several planes")
