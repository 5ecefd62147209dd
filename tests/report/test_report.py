"""The report's numbers against independent formulae, simulation and each other; its command and what it refuses."""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.hw.facts import LinkFacts, board_facts, link_facts
from s2nn_hw.hw.flow.build_record import read_build
from s2nn_hw.network.store import save
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.sections.latency import limiting, rate, statistics, timeline, times
from s2nn_hw.report.sections.layers import layer_rows
from s2nn_hw.report.sections.measure import measure
from tests.support.networks import random_images, random_network, residual
from tests.support.random_networks import random_graph
from tests.support.streams import run_accelerator

AHEAD = LayerPlan("any").depth  # cycles that a scanner may be ahead in the next frame, while words wait in its queue


def rows_of(network, images, **options):
    design = Design(network, default_plan(network, "xc7"))
    return layer_rows(design, measure(design, images, **options))


def test_latency_is_what_the_circuit_counts():
    network = random_network((40, 12, 5), input_bits=2, seed=6)
    images = random_images(network, 6, seed=6)
    measured = measure(Design(network, default_plan(network, "xc7")), images, sequence=6)
    _, inputs = layer_inputs(network, images)
    alone = [int(run_accelerator(Accelerator(network), inputs["input"][k : k + 1])[2][0]) for k in range(6)]
    assert measured.alone.tolist() == alone
    latency = times(measured.alone, 50.0)
    assert latency["us"]["max"] == max(alone) / 50
    assert latency["cycles"]["source"] == "formula"
    timing = Design(network, default_plan(network, "xc7")).timing
    offered = timing.schedule(timing.ones(inputs), length=6).offered[0]
    assert measured.intervals.mean() == pytest.approx((offered[-1] - offered[0]) / 5)
    found = rate(measured.intervals, 50.0, LinkFacts("UART, 8N1", 100, 10, 1, 1, 10.0))
    assert found["circuit"]["value"] == pytest.approx(50e6 * 5 / (offered[-1] - offered[0]), rel=1e-4)
    assert found["limited_by"] == "link"
    assert found["total"]["value"] == 10.0
    assert rate(measured.intervals, None) is None


def test_statistics_are_those_of_the_values():
    values = np.random.default_rng(2).integers(100, 400, 1001)
    found = statistics(values, "cycles", "formula")
    assert (found["min"], found["max"], found["median"]) == (values.min(), values.max(), np.median(values))
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-5)
    assert (values <= found["p99"]).mean() >= 0.99 > (values < found["p99"]).mean()
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    assert counts == [int(((low <= values) & (values < high)).sum()) for low, high in pairwise(edges)]
    assert sum(counts) == 1001
    assert len(counts) <= 40
    assert statistics([7], "cycles", "formula")["histogram"] == {"edges": [7, 8], "counts": [1]}
    assert statistics([8, 16], "us", "formula", scale=0.25)["mean"] == 3.0


def test_layers_are_at_work_when_the_timeline_says_so():
    """Each layer begins no earlier than the one before it and ends before the result; frames in order."""
    network = residual(np.random.default_rng(3))
    design = Design(network, default_plan(network, "xc7"))
    measured = measure(design, random_images(network, 5), sequence=5)
    data = timeline(design, measured)
    assert data["frames"] == 4
    assert [row["layer"] for row in data["rows"][: len(design.stages)]] == [stage.name for stage in design.stages]
    for row in data["rows"]:
        assert 0 <= row["begin"] <= row["end"] <= data["results"][row["frame"]]
    for name in {row["layer"] for row in data["rows"]}:
        mine = [row for row in data["rows"] if row["layer"] == name]
        assert mine == sorted(mine, key=lambda row: (row["begin"], row["end"]))


def test_the_rate_is_set_by_the_slowest_layer_of_each_frame():
    network = random_network((60, 20, 20, 4), input_bits=4, seed=3)
    design = Design(network, default_plan(network, "xc7"))
    measured = measure(design, random_images(network, 12, seed=3), sequence=4)
    table = limiting(design, measured)
    shares = {row["name"]: row["frames"] for row in table["rows"]}
    assert sum(shares.values()) == 9
    own = np.array([np.full((3, 3), design.beats), *measured.own])
    for k, name in enumerate(["input", *(stage.name for stage in design.stages)]):
        assert shares[name] == (own.argmax(axis=0) == k).sum()


def test_layer_rows_count_ones_and_additions():
    network = random_network((33, 9, 4), input_bits=4, seed=2)
    images = random_images(network, 7, seed=3)
    rows = rows_of(network, images, sequence=7)
    pixels = network.encode(images)
    ones = sum((pixels >> b & 1).sum() for b in range(4)) / 7
    spikes = network.forward(images, trace=True).spikes["layer0"].numpy().sum() / 7
    assert [row.work.active_inputs for row in rows] == pytest.approx([ones, spikes], abs=1e-3)
    assert [row.work.synaptic_operations for row in rows] == pytest.approx([ones * 9, spikes * 4], abs=0.1)
    for row in rows:
        assert row.cycles.alone_to_bound >= 1
        assert row.cycles.alone_interval >= row.cycles.bound * 0.9


def test_synaptic_operations_of_a_convolution_are_its_additions():
    network = residual(np.random.default_rng(3))
    images = random_images(network, 5)
    operations = {row.name: row.work.synaptic_operations for row in rows_of(network, images)}
    values = layer_inputs(network, images)[1]

    def additions(name, kernel, padding, fan_out):
        spikes = values[name].reshape(5, 6, 6, -1)
        padded = np.pad(spikes, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        read = sum(int(padded[:, i : i + 6, j : j + 6].sum()) for i in range(kernel) for j in range(kernel))
        return read * fan_out / 5

    assert operations["stem"] == pytest.approx(additions("input", 3, 1, 8), abs=0.1)
    assert operations["b"] == pytest.approx(additions("a", 3, 1, 8) + additions("stem", 1, 0, 1), abs=0.1)
    assert operations["readout"] == pytest.approx(values["b"].sum() / 5 * 3, abs=0.1)


def test_images_in_parts_give_the_same_figures(monkeypatch):
    from s2nn_hw.report.sections import measure as module

    network = residual(np.random.default_rng(3))
    images = random_images(network, 9)
    whole, done = rows_of(network, images, sequence=3), []
    assert module.measure(Design(network, default_plan(network, "xc7")), images, frames=5).frames == 5
    monkeypatch.setattr(module, "PART_BYTES", 1)
    assert rows_of(network, images, sequence=3, progress=done.append) == whole
    assert done == [3, 6, 9]
    monkeypatch.setattr(module, "LEAST_TIMED", 3)
    few = module.measure(Design(network, default_plan(network, "xc7")), images, sequence=3, timed_words=1)
    assert (few.frames, len(few.classes), few.intervals.shape) == (3, 9, (1, 2))


def test_every_graph_can_be_reported():
    for seed in range(25):
        network = random_graph(np.random.default_rng(seed))
        data = make_report(network, board=board_facts(BOARDS["arty_a7"]))
        assert json.loads(json.dumps(data)) == data
        rows = data["layers"]["rows"]
        for row in rows:
            alone, ratio = row["alone_interval"], row["alone_to_bound"]
            assert alone is None or alone + AHEAD >= alone / ratio
        assert all((row["synaptic_operations"] > 0) <= (row["connections"] > 0) for row in rows)
        device = data["bounds"]["device"]
        assert device["bound"]["value"] == max(
            device[f"{name}_bound"]["value"] for name in ("words", "adders", "memory")
        )


def test_one_image_has_a_latency_and_no_interval():
    network = random_network((5, 2))
    data = build_report(network, default_plan(network, "xc7"), random_images(network, 1), None, Known(clock_mhz=10.0))
    assert data["interval"] == {"cycles": None, "us": None}
    assert data["rate"] is None
    assert data["limiting"] is None
    assert data["latency"]["us"]["mean"] == data["latency"]["cycles"]["mean"] / 10
    assert data["layers"]["rows"][0]["alone_to_bound"] is None


def test_link_rate_is_the_longer_packet():
    network = random_network((30, 4), input_bits=2)
    link = link_facts(network, default_plan(network, "xc7"), clock_hz=50e6, baud=1_000_000)
    # 1 beat of 16 + 1 of 14 pixels, 2 bits each, or 32 in one beat: 8 bytes; type, sequence, check; COBS; delimiter
    assert link.request_bytes == 8 + 2 + 4 + 1 + 1
    # the request's checksum, class, cycles, scores
    assert (
        link.reply_bytes
        == 4 + 2 + 4 + 4 * -(-Design(network, default_plan(network, "xc7")).score_width // 8) + 2 + 4 + 1 + 1
    )
    assert link.frames_per_second == pytest.approx(1e5 / max(link.request_bytes, link.reply_bytes), abs=0.1)


def make_report(network, **known):
    images = random_images(network, 8)
    labels = network.forward(images).classes.numpy()
    return build_report(network, default_plan(network, "xc7"), images, labels, Known(source="random", **known))


def test_report_is_json_and_labels_its_estimates(network):
    board = board_facts(BOARDS["arty_a7"])
    link = link_facts(network, default_plan(network, "xc7"), clock_hz=1e8, baud=board.baud)
    data = make_report(network, board=board, link=link)
    assert json.loads(json.dumps(data)) == data
    assert data["format"] == "s2nn-report"
    assert data["accuracy"]["value"] == 1.0
    assert (data["clock"]["used"]["value"], data["clock"]["reached"]) == (100.0, None)
    luts = data["resources"]["luts"]
    assert (luts["kind"], luts["used"]["source"], luts["budget"]["value"]) == ("LUT6", "estimate", 20_800)
    assert luts["used"]["value"] == estimate(Design(network, default_plan(network, "xc7")), "xc7", link=True).luts
    assert luts["used"]["band"][0] < luts["used"]["value"] < luts["used"]["band"][1]
    assert data["fits"] is True
    assert [row["name"] for row in data["layers"]["rows"]] == ["layer0", "layer1"]
    assert data["verified"] is None
    assert data["network"]["digest"] == network.digest


def test_report_of_one_image_has_no_interval(monkeypatch, tmp_path, command, network):
    monkeypatch.chdir(tmp_path)
    save(network, "net.s2nn")
    np.save("x.npy", random_images(network, 1))
    status, _, err = command("report", "net.s2nn", "-b", "ulx3s", "--images", "x.npy", "--html", "-o", "r.json")
    assert status == 0, err
    assert "interval" not in json.loads((tmp_path / "r.json").read_text())["bounds"]["device"]
    assert (tmp_path / "r.html").is_file()


def test_report_without_a_board_has_cycles_only(network):
    data = make_report(network)
    assert data["clock"] is None
    assert data["resources"] is None
    assert data["fits"] is None
    assert data["latency"]["us"] is None


def test_simulation_counts_only_if_it_agrees(network):
    mine = {name: make_report(network)["latency"]["cycles"][name] for name in ("min", "mean", "max")}
    checked = {
        "digest": network.digest,
        "images": 8,
        "latency_cycles": mine,
        "differences": 0,
        "simulated_frames": 16,
        "simulator": "verilator",
        "accuracy": 1.0,
    }
    assert make_report(network, checked=checked)["verified"]["simulated_frames"] == 16
    assert make_report(network, checked=checked | {"images": 9})["verified"] is None
    assert make_report(network, checked=checked | {"digest": "0"})["verified"] is None
    assert make_report(network, checked=checked | {"latency_cycles": {"min": 1}})["verified"] is None


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1], "labels must be 3 integers"),
        ([0.0, 1.0, 2.0], "labels must be 3 integers"),
        ([0, 1, 3], "labels must lie in 0 .. 2, not 0 .. 3"),
    ],
)
def test_bad_labels(network, labels, text):
    with pytest.raises(UserError, match=text):
        build_report(network, default_plan(network, "xc7"), random_images(network, 3), labels)


def build_record(network, changes=()):
    row = {"kind": "LUT4", "used": 11, "budget": 100}
    return {
        "format": "s2nn-build",
        "version": 1,
        "board": {"name": "ulx3s"},
        "plan": default_plan(network, "xc7").to_json(),
        "network": {"name": network.name, "digest": network.digest},
        "link": {"baud": 500_000},
        "clock": {"wanted_mhz": 80.0, "reached_mhz": 93.5},
        "resources_source": "nextpnr after packing",
        "resources": dict.fromkeys(("luts", "ffs", "brams", "dsps"), row),
        "flow": "nextpnr",
        "synthesis": {"luts": 9, "ffs": 9, "brams": 3, "dsps": 0},
        "digest": "0123456789abcdef",
        "missing": [],
        "tools": {"yosys": "Yosys 0.70"},
        "bitstream": "top.bit",
    } | dict(changes)


@pytest.fixture
def folder(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    images = random_images(network, 5)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", network.forward(images).classes.numpy())
    build = tmp_path / "build" / f"{network.name}-ulx3s-0123456789ab"
    build.mkdir(parents=True)
    (build / "build.json").write_text(json.dumps(build_record(network)))
    save(network, build / "network.s2nn")
    return tmp_path


def call(monkeypatch, capsys, folder, *arguments):
    """Run the command in this process; return ``(status, stdout, stderr)``."""
    from s2nn_hw.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_command_merges_the_build(folder, network, monkeypatch, capsys):
    status, out, err = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--board",
        "ulx3s",
        "--images",
        "x.npy",
        "--labels",
        "y.npy",
        "-o",
        "r.json",
    )
    assert status == 0, err
    data = json.loads((folder / "r.json").read_text())
    used = data["resources"]["luts"]["used"]
    assert (used["value"], used["source"], used["by"]) == (11, "tool report", "nextpnr after packing")
    assert data["resources"]["brams"]["synthesised"]["value"] == 3
    assert [data["clock"][name]["value"] for name in ("wanted", "reached", "used")] == [80.0, 93.5, 80.0]
    assert data["link"]["baud"]["value"] == 500_000
    assert data["build"]["folder"] == "random-ulx3s-0123456789ab"
    assert data["images"] == {"count": 5, "source": "x.npy"}
    assert "nextpnr after packing" in out
    assert "93.5 MHz reached" in out
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--images",
        "x.npy",
        "--json",
        "--build",
        "build/random-ulx3s-0123456789ab",
    )
    assert status == 0
    assert json.loads(out)["board"]["name"] == "ulx3s"
    assert json.loads(out)["accuracy"] is None


LOWERED = {"from_mhz": 80.0, "to_mhz": 62.5, "after": "routing", "reached_mhz": 66.1, "critical_path": None}


def test_clock_that_was_lowered_is_the_one_used(folder, network, monkeypatch, capsys):
    path = folder / "build" / "random-ulx3s-0123456789ab" / "build.json"
    clock = {"wanted_mhz": 80.0, "reached_mhz": 66.1, "clock_mhz": 62.5, "lowered": [LOWERED]}
    path.write_text(json.dumps(build_record(network, {"clock": clock})))
    status, out, err = call(
        monkeypatch, capsys, folder, "report", "net.s2nn", "--board", "ulx3s", "--images", "x.npy", "-o", "r.json"
    )
    assert status == 0, err
    data = json.loads((folder / "r.json").read_text())
    assert [data["clock"][name]["value"] for name in ("wanted", "reached", "used")] == [80.0, 66.1, 62.5]
    assert data["clock"]["used"]["by"] == "lowered, the wanted one was missed"
    latency = data["latency"]
    assert latency["us"]["mean"] == pytest.approx(latency["cycles"]["mean"] / 62.5, rel=1e-4)
    assert "clock 62.5 MHz, 66.1 MHz reached; 80 MHz wanted and missed" in out


def test_packed_luts_of_a_build_without_placement(folder, network, monkeypatch, capsys):
    path = folder / "build" / "random-ulx3s-0123456789ab" / "build.json"
    detail = {
        "resources_detail": {"packed_luts_predicted": 15},
        "flow": "synthesis",
        "clock": {"wanted_mhz": 80.0, "reached_mhz": None, "clock_mhz": 80.0, "lowered": []},
    }
    path.write_text(json.dumps(build_record(network, detail)))
    status, out, err = call(
        monkeypatch, capsys, folder, "report", "net.s2nn", "--board", "ulx3s", "--images", "x.npy", "-o", "r.json"
    )
    assert status == 0, err
    luts = json.loads((folder / "r.json").read_text())["resources"]["luts"]
    assert (luts["used"]["value"], luts["packed"]["value"], luts["packed"]["source"]) == (11, 15, "estimate")
    assert "15 LUT4 (14.7 to 15.3) once packed (estimate: nextpnr-xilinx, half-LUTs / 2, from the netlist)" in out


def test_the_same_inputs_give_the_same_bytes(folder, monkeypatch, capsys):
    found = []
    for name, moment in (("a", "1000000000"), ("b", "1000000000"), ("c", "1000000001")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        assert (
            call(
                monkeypatch,
                capsys,
                folder,
                "report",
                "net.s2nn",
                "--board",
                "ulx3s",
                "--images",
                "x.npy",
                "--labels",
                "y.npy",
                "--html",
                "-o",
                f"{name}.json",
            )[0]
            == 0
        )
        found.append([(folder / f"{name}{end}").read_bytes() for end in (".json", ".html")])
    assert found[0] == found[1]
    first, other = (json.loads(files[0]) for files in (found[0], found[2]))
    assert first.pop("created") == "2001-09-09T01:46:40Z"
    assert other.pop("created") == "2001-09-09T01:46:41Z"
    assert first == other


def test_a_build_folder_is_reported_on_in_place(folder, monkeypatch, capsys):
    place = folder / "build" / "random-ulx3s-0123456789ab"
    status, out, _ = call(monkeypatch, capsys, folder, "report", place, "--images", "x.npy", "--html")
    assert status == 0
    assert f"page: {place / 'report.html'}" in out
    assert json.loads((place / "report.json").read_text())["build"]["folder"] == place.name
    status, _, err = call(monkeypatch, capsys, folder, "report", folder / "build", "--images", "x.npy")
    assert status == 2
    assert "is no finished build; make one with `s2nn-hw bitstream`" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.s2nn"], "missing.s2nn does not exist"),
        (["net.s2nn"], "does not say which data set it is for; give --images X.npy"),
        (["net.s2nn", "--images", "none.npy"], "images none.npy does not exist"),
        (["net.s2nn", "--labels", "y.npy"], "labels y.npy need --images"),
        (["net.s2nn", "--images", "y.npy"], "images must have shape (count, 20), not (5,)"),
        (["net.s2nn", "--images", "x.npy", "--labels", "x.npy"], "labels x.npy must be 5 integers, not uint8 of"),
        (["net.s2nn", "--images", "x.npy", "--board", "zx81"], "board 'zx81' is unknown"),
        (["net.s2nn", "--images", "x.npy", "--build", "nowhere"], "nowhere is no finished build; make one with"),
        (
            ["net.s2nn", "--images", "x.npy", "--build", "build/random-ulx3s-0123456789ab", "--board", "arty_a7"],
            "is for board ulx3s, not arty_a7",
        ),
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
        ({"clock": None}, "build.json: field clock: expected object, got null"),
        ({"clock": {"wanted_mhz": "fast"}}, "field clock.wanted_mhz: expected float, got str"),
        ({"clock": {"wanted_mhz": 80, "clock_mhz": 0}}, "field clock.clock_mhz: expected float > 0.0, not 0"),
        ({"resources": {}}, "field resources needs luts, ffs, brams, dsps, each with kind, used, budget"),
        ({"network": {"name": "other", "digest": "1234"}}, "is of another network"),
        ({"synthesis": {"luts": 5}}, "field synthesis must count luts, ffs, brams, dsps, or be null"),
    ],
)
def test_bad_build_reports(tmp_path, network, changes, text):
    (tmp_path / "build.json").write_text(json.dumps(build_record(network, changes)))
    with pytest.raises(UserError, match=text):
        read_build(tmp_path, network)
    (tmp_path / "build.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        read_build(tmp_path, network)
