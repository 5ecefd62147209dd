"""Figures of a report: what is there is drawn, what is missing is left out, numbers are the report's."""

import pytest

from s2nn_hw.report.literature import System
from s2nn_hw.report.show import graph, summary, words
from s2nn_hw.report.show.charts import ALL, figures
from s2nn_hw.report.show.charts.labels import PLACES, PLOT_WIDTH, Ends, labels
from s2nn_hw.report.show.charts.pareto import AXES, Plot, Spot, front, pareto
from s2nn_hw.report.show.figure import specification, svg, vega
from s2nn_hw.report.show.literature_rows import point
from s2nn_hw.report.show.page import render_page
from s2nn_hw.report.show.palette import DARK, LIGHT, painted
from tests.support.reports import sample


def values(figure):
    """Return all rows of data in a figure's chart."""
    spec = specification(figure)
    layers = [spec, *spec.get("layer", [])]
    return [row for layer in layers for row in layer.get("data", {}).get("values", [])]


def test_a_whole_report_has_every_figure():
    assert len(figures(sample())) == len(ALL)


@pytest.mark.parametrize(
    ("how", "missing"),
    [
        ({"board": False}, {"resources", "energy-classes", "energy-layers", "logic-parts"}),
        ({"activity": False}, {"energy-classes", "energy-layers"}),
    ],
)
def test_figures_without_data_are_left_out(how, missing):
    whole = set(figures(sample(measured=True)))
    assert whole - set(figures(sample(**how))) == missing


def test_what_may_be_null_may_be_null():
    report = sample()
    for key in (
        "accuracy",
        "board",
        "clock",
        "resources",
        "fits",
        "interval",
        "rate",
        "verified",
        "limiting",
        "timeline",
        "bounds",
        "link",
        "energy",
        "build",
        "logic",
    ):
        report[key] = None
    report["latency"]["us"] = report["network"]["data_set"] = None
    assert set(figures(report)) == {"latency", "spikes", "layer-resources"}
    assert "".join(text for _, text in summary.verdict(report)).startswith("10,000 images without labels, 203 cycles")


@pytest.mark.parametrize("how", [{}, {"residual": True}])
def test_figures_compile_at_both_widths(how):
    for figure in figures(sample(**how)).values():
        assert vega(figure)["marks"]
        assert "var(--" not in svg(figure, DARK, 360)


def test_vivados_figures_stand_beside_ours():
    report = sample()
    report["energy"]["device"]["vivado"] = {"tool": "Vivado 1", "total_w": 0.123, "dynamic_w": 0.05, "static_w": 0.073}
    assert "(Vivado 1): 0.123 W, of it 0.05 W switching and 0.073 W static" in render_page(report)


def test_charts_have_the_reports_numbers():
    report, found = sample(), figures(sample())
    rows = [row for row in values(found["resources"]) if "colour" in row]
    assert rows[0]["text"] == "LUT4: 12,850 of 83,640, 15.4 %"
    assert found["latency"].rows[0][1] == report["latency"]["cycles"]["histogram"]["counts"][0]
    assert [row[0] for row in found["spikes"].rows] == ["input", "hidden1", "hidden2"]
    assert found["limiting"].rows[0] == ("hidden1", 9680, "96.8")


def test_what_does_not_fit_is_said_in_words_and_in_red():
    report = sample()
    report["resources"]["brams"]["used"]["value"] = 300
    row = next(row for row in values(figures(report)["resources"]) if row["row"] == "brams")
    assert row["text"].endswith("does not fit")
    assert row["colour"] == "var(--bad)"


def test_colours_of_a_picture():
    assert painted({"a": ["var(--ink)", 1, "text"]}, LIGHT) == {"a": [LIGHT["ink"], 1, "text"]}
    with pytest.raises(KeyError):
        painted("var(--nothing)", LIGHT)


@pytest.mark.parametrize(
    ("x", "y", "wanted"),
    [
        ("luts", "accuracy", [(100, 90), (200, 95), (400, 99)]),
        ("luts", "latency_us", [(100, 90)]),
        ("frames_per_second", "accuracy", [(400, 99)]),
    ],
)
def test_the_front_is_what_nobody_beats(x, y, wanted):
    points = [Spot("", "", *at) for at in ((100, 90), (200, 95), (300, 94), (400, 99), (250, 95))]
    assert [(p.x, p.y) for p in front(points, AXES[x], AXES[y])] == wanted


def test_equal_points_are_both_on_the_front():
    assert len(front([Spot("", "", 1, 1)] * 2, AXES["luts"], AXES["latency_us"])) == 2


def test_others_of_another_task_are_no_context():
    ours = [point(sample())]
    others = [
        System("a", task="mnist", accuracy=97, luts=900),
        System("b", task="CIFAR-10", accuracy=80, luts=900),
        System("c", task="mnist", accuracy=None, luts=900),
    ]
    plot = Plot("luts", "accuracy", "n", "t")
    figure = pareto(ours, others, plot)
    assert [row[0] for row in figure.rows] == ["mnist-mlp", "a"]
    assert pareto([System("x", task="mnist")], others, plot) is None


def test_labels_miss_each_other_or_are_left_out():
    crowd = [Spot(f"a long name {k}", "", 0.5 + k / 1000, 0.5) for k in range(20)]
    made = labels(crowd, Ends(0, 1), Ends(0, 1), {})
    placed = sum(
        len(layer.data["values"]) if isinstance(layer.data, dict) else len(layer.data.values) for layer in made[1::2]
    )
    assert 2 <= placed <= len(PLACES)
    assert PLOT_WIDTH <= 320  # a phone of 400 px


def test_a_graph_of_shortcuts():
    rows = [
        {"name": "a", "sources": ["input"]},
        {"name": "b", "sources": "a"},
        {"name": "c", "sources": ["b", "a", "input"]},
        {"name": "d", "sources": ["c_pool"]},
        {"name": "e", "sources": ["d", "a"]},
    ]
    nodes, width = graph.draw(rows)
    assert [node.sources for node in nodes] == [[], ["input"], ["a"], ["b", "a", "input"], ["c"], ["d", "a"]]
    assert [sum(kind == "skip" for kind, _ in node.below) for node in nodes] == [1, 2, 2, 1, 1, 0]
    assert width == 2 * graph.FIRST + 2 * graph.LANE


def test_parallel_branches_have_no_rail_between_them():
    nodes, _ = graph.draw(
        [{"name": "a", "sources": ["input"]}, {"name": "b", "sources": ["input"]}, {"name": "c", "sources": ["b", "a"]}]
    )
    assert ("main", graph.FIRST) not in nodes[1].below
    assert [kind for kind, _ in nodes[3].lines].count("skip") == 1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "\u2013"),
        (741_647, "", "741,647"),
        (203.444, "", "203.4"),
        (0.0012345, "", "0.001234"),
        (12.0, "", "12"),
        (0.13304, "share", "13.3"),
        (1.0, "share", "100"),
        (0.000363, "share", "0.04"),
        (["a", "b"], "", "a, b"),
        (1e-9, "", "1.00e-09"),
        (26_989.7, "", "26,990"),
        (float("inf"), "", "\u2013"),
    ],
)
def test_numbers_in_words(value, unit, text):
    assert words.number(value, unit) == text


@pytest.mark.parametrize(
    ("q", "text", "band"),
    [
        ({"value": 432_600.0, "unit": "nJ/frame", "source": "measured"}, "432.6 \u00b5J/frame", ""),
        (
            {"value": 900.0, "unit": "nJ", "source": "estimate", "band": [500.0, 1500.0]},
            "900 nJ",
            "500 nJ to 1.5 \u00b5J",
        ),
        ({"value": 2.5, "unit": "us", "source": "formula"}, "2.5 \u00b5s", ""),
        ({"value": None, "unit": "W", "source": "measured"}, "\u2013", ""),
    ],
)
def test_quantities_in_words(q, text, band):
    assert words.quantity(q) == text
    assert words.band(q) == band


def test_data_sets_of_one_name():
    assert words.same("cifar10", "CIFAR-10")
    assert not words.same("", "")
    assert not words.same("mnist", "Fashion-MNIST")
