"""Several reports side by side: the best of each row, what can't be compared, bad files, the page."""

import json

import pytest
from typer.testing import CliRunner

from s2nn_hw.cli.main import app
from s2nn_hw.errors import UserError
from s2nn_hw.report.compare import compare, compare_reports, render_page, titles
from tests.support.browser import chromium, opened
from tests.support.reports import sample


@pytest.fixture
def files(tmp_path):
    smaller = sample(accuracy=0.97)
    smaller["resources"]["luts"]["used"]["value"] = 3_000
    made = {"one": sample(measured=True), "two": smaller, "three": sample(residual=True), "bare": sample(board=False)}
    for name, report in made.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    return {name: tmp_path / f"{name}.json" for name in made}


def row(data, what):
    return next(row for row in data["rows"] if row["what"] == what)


def test_the_best_of_a_row():
    smaller = sample(accuracy=0.97)
    smaller["resources"]["luts"]["used"]["value"] = 3_000
    data = compare([sample(), smaller], ["a", "b"])
    assert row(data, "accuracy")["best"] == [0]
    assert row(data, "LUTs")["best"] == [1]
    assert row(data, "flip-flops")["best"] == []  # alike
    assert row(data, "synapses")["best"] == []  # neither more nor less is better
    assert data["rows"][0]["cells"][0] == sample()["accuracy"]


def test_what_is_not_comparable_has_no_best():
    other = sample()
    other["resources"]["luts"]["used"] |= {"value": 10, "unit": "LUT6"}
    assert row(compare([sample(), other], ["a", "b"]), "LUTs")["best"] == []
    assert row(compare([sample(), sample(residual=True)], ["a", "b"]), "accuracy")["best"] == []
    bare = compare([sample(), sample(board=False)], ["a", "b"])
    assert row(bare, "LUTs")["cells"][1] is None
    assert row(bare, "LUTs")["best"] == []


def test_names_tell_reports_apart(tmp_path):
    a, b = sample(), sample(board=False)
    assert titles([a, sample(residual=True)], [tmp_path, tmp_path]) == ["mnist-mlp", "cifar10-resnet"]
    assert titles([a, b], [tmp_path / "x.json", tmp_path / "y.json"]) == ["mnist-mlp, ulx3s", "mnist-mlp, no board"]
    assert titles([a, a], [tmp_path / "x.json", tmp_path / "y.json"]) == ["mnist-mlp (x)", "mnist-mlp (y)"]
    same = titles([a, a], [tmp_path / "x.json", tmp_path / "x.json"])
    assert len(set(same)) == 2


def test_the_command(files, tmp_path):
    words = ["compare", str(files["one"]), str(files["two"])]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "99.03 % *" in result.output
    assert "[bold]" not in result.output
    assert "next: s2nn-hw compare" in result.output
    assert "3,000 LUT4 *" in result.output
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).output)["format"] == "s2nn-compare"
    page = tmp_path / "page.html"
    result = CliRunner().invoke(app, [*words, str(files["three"]), str(files["bare"]), "--html", str(page)])
    assert result.exit_code == 0
    with chromium() as browser:
        for width in (400, 1400):
            with opened(browser, page, width=width) as (tab, problems):
                drawn = tab.locator("figure svg.marks").count()
                wide = tab.evaluate("document.documentElement.scrollWidth")
            assert problems == []
            assert drawn >= 4
            assert wide <= width


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["one"], "compare wants 2 to 64 reports, not 1"),
        (["one", "nothing"], "does not exist"),
        (["one", "old"], "field version must be 2, not 1"),
        (["one", "build"], "field format must be 's2nn-report', not 's2nn-build'"),
    ],
)
def test_bad_reports(files, tmp_path, names, said):
    files |= {name: tmp_path / f"{name}.json" for name in ("nothing", "old", "build")}
    files["old"].write_text(json.dumps(sample() | {"version": 1}))
    files["build"].write_text(json.dumps({"format": "s2nn-build", "version": 2}))
    page = tmp_path / "page.html"
    with pytest.raises(UserError, match=said):
        compare_reports([files[name] for name in names], html=page)
    assert not page.exists()


def test_a_page_that_is_no_html(files, tmp_path):
    with pytest.raises(UserError, match=r"must end in \.html"):
        compare_reports([files["one"], files["two"]], html=tmp_path / "page.pdf")


def test_the_same_reports_give_the_same_page():
    reports = [sample(), sample(residual=True)]
    assert render_page(reports, ["a", "b"]) == render_page(reports, ["a", "b"])
