"""Reports of networks whose neurons spike once: how many do, and when."""

import numpy as np
from rich.console import Console

from s2nn_hw import api
from s2nn_hw.design import Design
from s2nn_hw.explore.energy import frame_energy, weight_reads
from s2nn_hw.network.early_decision import decided_after
from s2nn_hw.network.first_spikes import first_spikes, slots_of
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import unrolled_plan
from s2nn_hw.report.energy.arithmetic import WORD, access_pj, add_pj
from s2nn_hw.report.schema import check_report
from s2nn_hw.report.sections.overview import overview
from s2nn_hw.report.show.page import render_page
from s2nn_hw.report.show.report_tables import print_report
from tests.network.test_ttfs import ttfs_network
from tests.support import ramps
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


def ramped(seed=3, **options):
    network = ramps.ttfs_network((20, 12, 9, 4), input_bits=3, slots=(7,), seed=seed, sparse=True)
    return network, random_images(network, 15), ramps.ramp_plan(network, **options)


def test_slot_by_slot_a_value_is_one_spike_and_neurons_add_every_slot():
    network, images, plan = ramped()
    data = api.make_report(network, images, plan=plan)
    check_report(data)
    times, slots = first_spikes(network, images), slots_of(network)
    fired = {name: (when < slots[name]).reshape(15, -1).sum(axis=1).mean() for name, when in times.items()}
    names, sizes = ("input", "layer0", "layer1"), (20, 12, 9, 4)
    rows = data["layers"]["rows"]
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        assert np.isclose(row["active_inputs"], fired[name], atol=1e-3)
        assert np.isclose(row["active_share"], fired[name] / sizes[number] / 7, atol=1e-5)
        assert np.isclose(row["synaptic_operations"], fired[name] * sizes[number + 1], atol=0.1)
        assert (row["planes"], row["code"], row["actions"]) == (7, "slots", 0)
    assert np.isclose(rows[0]["spikes_out"], fired["layer0"], rtol=1e-5)
    assert np.isclose(rows[0]["spike_rate"], fired["layer0"] / 12 / 7, rtol=1e-5)
    assert [row["planes_out"] for row in rows] == [7, 7, None]
    # the membrane's start, a slope added a slot, a step of the ramp a slot
    additions = sum(row["synaptic_operations"] for row in rows) + (12 + 9) * (1 + 7 + 7) + 4 * (1 + 7)
    assert np.isclose(data["energy"]["arithmetic"]["models"]["rows"][0]["additions"], additions, rtol=1e-5)


def test_bits_read_slot_by_slot():
    network, images, plan = ramped()
    models = api.make_report(network, images, plan=plan)["energy"]["arithmetic"]["models"]["rows"]
    rows = api.make_report(network, images, plan=plan)["layers"]["rows"]
    weights = sum(row["synaptic_operations"] * 4 for row in rows)
    read = 20 * 3 * 7 + (12 + 9) * 7  # pixels wait and are looked at each slot, spikes come in theirs
    assert np.isclose(models[0]["memory_reads"], weights + read, rtol=1e-4)
    assert models[0]["memory_writes"] == (12 + 9) * 7 + 4
    bits = api.make_report(network, images)["energy"]["arithmetic"]["models"]["rows"]
    for name in ("float32 ANN", "int8 ANN", "binary network"):
        (mine,), (other,) = ([row for row in rows if row["name"] == name] for rows in (models, bits))
        assert mine["total_nj"] == other["total_nj"]


def test_behind_a_ramp_that_gives_numbers_bits_are_counted():
    network, images, plan = ramped(engines=("ramp", "event", "ramp"))
    data = api.make_report(network, images, plan=plan)
    rows = data["layers"]["rows"]
    assert [(row["planes"], row["code"], row["planes_out"]) for row in rows] == [
        (7, "slots", 3),
        (3, "radix", 3),
        (7, "slots", None),
    ]
    values = network.forward(images, trace="spikes").spikes
    ones = np.bitwise_count(values["layer0"]).sum(axis=1).mean()
    assert np.isclose(rows[0]["spikes_out"], ones, rtol=1e-5)
    assert np.isclose(rows[1]["active_inputs"], ones, atol=1e-3)
    assert np.isclose(rows[2]["active_inputs"], np.count_nonzero(values["layer1"], axis=1).mean(), atol=1e-3)


def test_early_decision_says_the_cycles_that_are_left():
    network, images, plan = ramped(width=16, banks=1)
    data = api.make_report(network, images, plan=plan)
    (row,) = data["early_decision"]["rows"]
    values = network.forward(images, trace="spikes").spikes["layer1"]
    after, left = decided_after(network, values), 0
    for value, first in zip(values, after.tolist(), strict=True):
        left += sum(max(1, int((value == 7 - slot).sum())) for slot in range(first, 7))
    assert np.isclose(row["saved_cycles"], left / 15, rtol=1e-5)
    assert "cycles of slots are left" in printed(data)
    (row,) = api.make_report(network, images)["early_decision"]["rows"]
    assert row["saved_cycles"] is None
    assert "cycles of slots are left" not in render_page(api.make_report(network, images))


def test_both_circuits_stand_in_the_report():
    network, images, plan = ramped(width=16)
    data = api.make_report(network, images, plan=plan)
    ramp, planes = data["circuits"]["rows"]
    assert (ramp["name"], ramp["this"], planes["name"], planes["this"]) == ("ramp", "yes", "planes", "")
    assert np.isclose(ramp["latency"], data["latency"]["cycles"]["mean"], rtol=1e-5)
    assert ramp["energy_nj"] == data["energy"]["arithmetic"]["models"]["rows"][0]["total_nj"]
    other = api.make_report(network, images, plan=ramps.ramp_plan(network, width=16, engines=("event",)))
    assert [row["this"] for row in other["circuits"]["rows"]] == ["", "yes"]
    for mine, same in zip((ramp, planes), other["circuits"]["rows"], strict=True):
        assert (mine["latency"], mine["luts"], mine["energy_nj"]) == (same["latency"], same["luts"], same["energy_nj"])
    assert "slot by slot over bit by bit" in printed(data)
    assert "<h3>Slot by slot, or bit by bit" in render_page(data)


def test_one_circuit_alone():
    plain = random_network((5, 4, 2))
    assert api.make_report(plain, random_images(plain, 3))["circuits"] is None
    network, images, _ = ramped()
    wired = api.make_report(network, images, plan=unrolled_plan(network, lut=6))
    assert wired["circuits"] is None
    assert wired["layers"]["rows"][0]["code"] == "radix"


def test_inspect_says_in_how_many_slots_values_come_and_leave():
    network, _, plan = ramped(engines=("ramp", "ramp", "event"))
    times = [row["time"] for row in overview(network, plan)["layers"]]
    assert [(t["planes"], t["code"], t["planes_out"], t["code_out"]) for t in times] == [
        (7, "slots", 7, "slots"),
        (7, "slots", 3, "radix"),
        (3, "radix", None, None),
    ]
    assert (times[0]["actions_between_planes"], times[0]["actions_after_planes"]) == (0, 0)


def test_explorations_energy_has_a_spike_a_value():
    network, images, plan = ramped(width=16)
    design = Design(network, plan)
    _, values = layer_inputs(network, images)
    ones, wanted = design.timing.ones(values), 0.0
    for stage, table in zip(design.stages, ones, strict=True):
        spikes = np.count_nonzero(values[stage.readers[0].source], axis=1).mean()
        steps = 7 if stage.is_readout else 14
        wanted += (spikes + steps) * stage.neurons * add_pj(int(stage.engine.accumulator_widths().max()))
        wanted += sum(bits / WORD * access_pj(memory) for bits, memory in weight_reads(stage, table))
    assert frame_energy(design, ones, values) == round(wanted / 1000, 3)
