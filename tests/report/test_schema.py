"""Reading reports of others: each mistake is one line that names the field, and status 2."""

import json

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts, link_facts
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report import schema
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.schema import check_report, read_report
from s2nn_hw.report.show.charts import figures
from s2nn_hw.report.show.page import render_page
from tests.support.networks import random_images, random_network, residual
from tests.support.reports import sample


@pytest.mark.parametrize("how", [{}, {"residual": True}, {"board": False}, {"activity": False}, {"measured": True}])
def test_a_report_is_read_as_it_was_written(tmp_path, how):
    (tmp_path / "report.json").write_text(json.dumps(sample(**how)))
    assert read_report(tmp_path / "report.json") == sample(**how)
    assert read_report(tmp_path) == sample(**how)


def put(path, value):
    def change(report):
        *way, last = path
        for key in way:
            report = report[key]
        if value is None:
            del report[last]
        else:
            report[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put(["format"], "s2nn-build"), "field format must be 's2nn-report', not 's2nn-build'"),
        (put(["format"], "s2nn-sequence-report"), "it is of sequences, and only reports of single frames are put"),
        (put(["version"], 1), "field version must be 2, not 1; make the report again"),
        (put(["version"], True), "field version must be 2, not True"),
        (put(["latency"], None), "field latency is missing"),
        (put(["latency", "cycles", "p99"], None), "field latency.cycles.p99 is missing"),
        (put(["accuracy", "value"], "99"), "field accuracy.value must be number or null, not '99'"),
        (put(["rate", "limited_by"], "wire"), "field rate.limited_by must be one of circuit, link, not 'wire'"),
        (put(["energy", "device", "frame", "total_nj", "band"], None), "energy.device.frame.total_nj.band is missing"),
        (put(["network", "input", "shape"], []), "network.input.shape must have at least 1 entries, not 0"),
        (put(["images", "count"], -1), "field images.count must be at least 0, not -1"),
        (put(["layers", "rows", 0, "shape"], None), "field layers.rows.0.shape is missing"),
        (put(["layers", "rows", 0, "luts"], "many"), "field layers.rows.0.luts must be number or null, not 'many'"),
        (
            put(["energy", "device", "layers", "rows", 0, "lut"], "x"),
            "energy.device.layers.rows.0.lut must be number or",
        ),
        (put(["limiting", "rows", 0, "share"], "half"), "limiting.rows.0.share must be number or null, not 'half'"),
        (
            put(["bounds", "layers", "rows", 1, "words_bound"], None),
            "field bounds.layers.rows.1.words_bound is missing",
        ),
        (put(["layers", "rows"], []), "field layers.rows must have at least 1 row"),
        (put(["layers", "rows", 1, "name"], "hidden1"), "field layers.rows must have a name once, not 'hidden1' twice"),
        (
            put(["latency", "cycles", "histogram", "counts"], [1]),
            "field latency.cycles.histogram must have one edge more",
        ),
        (put(["interval", "cycles", "histogram", "edges"], [2.0] * 33), "interval.cycles.histogram.edges must rise"),
        (put(["network", "name"], ["x" * 10_000]), "field network.name must be string, not ['xxx"),
    ],
)
def test_a_wrong_field_is_named(change, said):
    report = sample()
    change(report)
    with pytest.raises(UserError) as caught:
        check_report(report, "report x.json")
    line = str(caught.value)
    assert line.startswith("report x.json: ")
    assert said in line
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[1, 2", "is not JSON"),
        (b"[]", "field format must be 's2nn-report', not 'list'"),
        (b'{"format": NaN}', "NaN is no JSON number"),
        (b'{"format": 1e999}', "1e999 is too large a number"),
        (b'{"format": -1' + b"0" * 400 + b"}", "is too large a number"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "is not JSON"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"format": "s2nn-report", "version": 2, "plan": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", "is missing"),
    ],
)
def test_a_file_that_is_no_report(tmp_path, data, said):
    (tmp_path / "report.json").write_bytes(data)
    with pytest.raises(UserError, match=said) as caught:
        read_report(tmp_path / "report.json")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "MAX_BYTES", 100)
    (tmp_path / "report.json").write_text(json.dumps(sample()))
    with pytest.raises(UserError, match="more than the limit of 100"):
        read_report(tmp_path / "report.json")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_report(tmp_path / "report.json")


@pytest.mark.parametrize("board", [None, "icebreaker"])
@pytest.mark.parametrize(
    "network", [random_network((30, 9, 3), input_bits=2), residual(np.random.default_rng(3))], ids=["dense", "residual"]
)
def test_what_is_reported_is_of_the_schema_and_can_be_drawn(network, board):
    plan, found, link = default_plan(network, "xc7"), None, None
    if board:
        found = board_facts(find_board(board))
        link = link_facts(network, plan, clock_hz=found.clock_mhz * 1e6, baud=found.baud)
    report = json.loads(
        json.dumps(
            build_report(
                network,
                plan,
                random_images(network, 5),
                None,
                Known(board=found, link=link, created="2026-01-02T03:04:05Z"),
                sequence=5,
            )
        )
    )
    check_report(report)
    assert {"timeline", "latency", "interval", "spikes", "bounds"} <= set(figures(report))
    assert len(render_page(report)) < 1_500_000
