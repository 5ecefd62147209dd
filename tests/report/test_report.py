"""A report as JSON: what is in it with and without a board, a simulation, labels, a build."""

import json

import pytest

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.hw.facts import board_facts, link_facts
from s2nn_hw.hw.flow.build_record import read_build
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from tests.support.made_reports import build_record, make_report
from tests.support.networks import random_images, random_network


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
