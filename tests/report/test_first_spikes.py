"""Reports of networks whose neurons spike once: how many do, and when."""

import numpy as np
from rich.console import Console

from s2nn_hw import api
from s2nn_hw.network.early_decision import decided_after
from s2nn_hw.network.first_spikes import first_spikes, slots_of
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.report.schema import check_report
from s2nn_hw.report.show.page import render_page
from s2nn_hw.report.show.report_tables import print_report
from tests.network.test_ttfs import ttfs_network
from tests.support.networks import random_images, random_network


def printed(data):
    console = Console(width=200, record=True)
    print_report(data, console)
    return console.export_text()


def test_the_section_is_what_the_golden_model_gives():
    network = ttfs_network(4, conv=True, bits=3)
    images = random_images(network, 25)
    data = api.make_report(network, images)
    check_report(data)
    times, slots = first_spikes(network, images), slots_of(network)
    rows = {row["name"]: row for row in data["first_spikes"]["rows"]}
    assert list(rows) == list(slots)
    for name, row in rows.items():
        when, last = times[name], slots[name]
        fired = when < last
        assert row["slots"] == last
        assert row["values"] == when[0].size
        assert np.isclose(row["spikes"], fired.sum() / 25, rtol=1e-5)
        assert np.isclose(row["spikes_per_neuron"], fired.mean(), rtol=1e-5)
        assert fired.sum() == 0 or np.isclose(row["mean_slot"], when[fired].mean(), rtol=1e-5)
        shares = [row[f"slot_{slot}"] for slot in range(last)]
        assert np.allclose(shares, [(when == slot).mean() for slot in range(last)], rtol=1e-5)
        assert all(row[key] is None for key in row if key.startswith("slot_") and int(key[5:]) >= last)


def test_pixels_of_many_slots_have_no_histogram():
    network = ttfs_network(2, conv=False, bits=8, slots=7)
    (first, *others) = api.make_report(network, random_images(network, 10))["first_spikes"]["rows"]
    assert (first["name"], first["slots"], first["slot_0"]) == ("input", 255, None)
    assert all(sum(row[f"slot_{k}"] for k in range(7)) <= 1.001 for row in others)


def test_early_decision_is_that_of_the_network():
    network = ttfs_network(2, conv=False, bits=3, slots=7)
    images = random_images(network, 20)
    data = api.make_report(network, images)
    (row,) = data["early_decision"]["rows"]
    after = decided_after(network, network.forward(images, trace="spikes").spikes["second"])
    assert (row["slots"], row["mean"], row["saved"]) == (7, after.mean(), 7 - after.mean())
    assert "class certain after" in printed(data)
    assert "The class is certain after" in render_page(data)


def test_none_where_no_neuron_has_a_time():
    network = random_network((5, 4, 2))
    data = api.make_report(network, random_images(network, 3))
    assert data["first_spikes"] is None
    assert data["early_decision"] is None
    assert "<h3>First spikes" not in render_page(data)


def test_terminal_and_page():
    network = ttfs_network(4, conv=True, bits=5)
    data = api.make_report(network, random_images(network, 10))
    text = printed(data)
    assert "first spikes, per image" in text
    assert "mean slot" in text
    page = render_page(data)
    assert "<h3>First spikes" in page
    assert page.count("share of neurons by slot") == len(data["first_spikes"]["rows"])


def test_silent_layers_have_no_mean():
    network = ttfs_network(4, conv=False)
    one = network.layers[0].neuron
    never = Ttfs(one.thresholds, np.full(one.size, -(1 << 29), np.int32), one.slots)
    from dataclasses import replace

    silent = replace(network, layers=(replace(network.layers[0], neuron=never), *network.layers[1:]))
    row = api.make_report(silent, random_images(silent, 4))["first_spikes"]["rows"][1]
    assert (row["spikes_per_neuron"], row["mean_slot"]) == (0, None)
