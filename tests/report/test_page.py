"""The report's page in Chromium: drawn whole, readable on a phone and on a desk, in light, dark and print, alone."""

import json
import re

import pytest

from s2nn_hw.explore.page import render_page as exploration
from s2nn_hw.explore.rows import Entry, Files, Row, VariantNote
from s2nn_hw.explore.settings import ImageSet, Settings, Source
from s2nn_hw.explore.space import Choice
from s2nn_hw.explore.summary import Summary
from s2nn_hw.report.literature import System
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.charts import figures
from s2nn_hw.report.show.literature_rows import literature_table, point
from s2nn_hw.report.show.page import render_page, write_page
from s2nn_hw.report.show.palette import DARK, LIGHT, SERIES
from s2nn_hw.report.show.tiles import tiles
from tests.support.browser import TEXTS, chromium, contrast, opened
from tests.support.reports import sample

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\"'`"
LITERATURE = [
    System(
        system="another",
        device="XC7Z020",
        task="mnist",
        accuracy=93.85,
        luts=7612,
        brams=18,
        dsps=None,
        latency_us=780.0,
        frames_per_second=1282,
        power_w=0.18,
        energy_uj=140.0,
        convention="cells",
        source=HOSTILE,
        read="paper",
    ),
    System(
        system="a third",
        device="ZC706",
        task="CIFAR-10",
        accuracy=80.1,
        luts=None,
        brams=None,
        dsps=None,
        latency_us=283.0,
        frames_per_second=21_900,
        power_w=None,
        energy_uj=None,
        convention="board",
        source="a paper",
        read="abstract",
    ),
]
KINDS = {"dense": {}, "residual": {"residual": True}, "bare": {"board": False}, "measured": {"measured": True}}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for kind, how in KINDS.items():
        write_page(sample(**how), folder / f"{kind}.html", literature=LITERATURE)
    return folder


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_drawn_and_nothing_else_happens(browser, pages, kind, width):
    with opened(browser, pages / f"{kind}.html", width=width) as (page, problems):
        drawn = page.evaluate("""() => [...document.querySelectorAll("figure")].map((f) => [f.id,
            f.querySelectorAll("svg.marks path, svg.marks text").length, f.querySelector("svg")?.clientWidth || 0,
            f.querySelector("svg")?.clientHeight || 0, f.querySelectorAll("tbody tr").length])""")
        wide = page.evaluate("document.documentElement.scrollWidth")
    assert problems == []
    assert {name for name, *_ in drawn} >= set(figures(sample(**KINDS[kind])))
    for name, marks, across, high, rows in drawn:
        assert min(marks - 5, across - 300, high - 50, rows) > 0, name
    assert wide <= width


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_of_an_exploration_is_drawn(browser, tmp_path, width):
    axes = ("accuracy", "latency_us", "luts", "energy_nj")
    choice = Choice({"input_bits": 1, "weight_bits": 2, "plan": "<b>default</b>", "clock_mhz": 100.0})
    settings = Settings(
        version=1,
        tool="",
        source=Source("network", "a <script>", ""),
        board="",
        objectives=list(axes),
        budget={},
        space={},
        images=ImageSet("", "", 0, 0),
        seed=0,
        population=1,
    )
    found = [
        dict(zip(axes, (0.9 + k / 100, 2.0 + k, 4000 + 700 * k * (k % 3), 20.0 + 9 * k), strict=True)) for k in range(9)
    ]
    rows = [Row(k, choice, (), VariantNote("", "", ""), one, {}) for k, one in enumerate(found)]
    data = Summary(settings, rows, [Entry(row, Files("", ""), None, {}) for row in rows[:6]], "")
    (tmp_path / "front.html").write_text(exploration(data, "some board"))
    with opened(browser, tmp_path / "front.html", width=width) as (page, problems):
        drawn = page.evaluate("""() => [...document.querySelectorAll("figure")].map(
            (f) => f.querySelectorAll("svg.marks path, svg.marks text").length)""")
        wide = page.evaluate("document.documentElement.scrollWidth")
    assert problems == []
    assert len(drawn) == 6
    assert min(drawn) > 5
    assert wide <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_every_text_can_be_read(browser, pages, width, scheme):
    with opened(browser, pages / "residual.html", width=width, scheme=scheme) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        texts = page.evaluate(TEXTS)
    colours = DARK if scheme == "dark" else LIGHT
    assert sum(text["svg"] for text in texts) > 100
    for text in texts:
        assert text["size"] >= 11, text
        # what has the paper's colour stands on a bar; test_colours_stand_out has those
        on_bar = text["svg"] and contrast(text["colour"], colours["paper"]) < 1.01
        assert on_bar or contrast(text["colour"], text["behind"]) >= 4.5, text


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_stand_out(colours):
    for name in (name[6:-1] for name in SERIES):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name  # numbers of frames stand on them
    for name in ("ink", "muted"):
        assert min(contrast(colours[name], colours[ground]) for ground in ("paper", "panel")) >= 4.5, name
    assert contrast(colours["bad"], colours["paper"]) >= 3
    assert contrast(colours["grey"], colours["paper"]) >= 3


def test_dark_mode_paints_figures_without_drawing_again(browser, pages):
    with opened(browser, pages / "dense.html") as (page, _):
        colour = "getComputedStyle(document.querySelector('#spikes .mark-text.role-mark text')).fill"
        light = page.evaluate(colour)
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(colour)
        page.emulate_media(media="print", color_scheme="dark")
        printed = page.evaluate(f"[{colour}, getComputedStyle(document.body).backgroundColor]")
    assert contrast(light, LIGHT["ink"]) < 1.01
    assert contrast(dark, DARK["ink"]) < 1.01
    assert contrast(printed[0], LIGHT["ink"]) < 1.01
    assert contrast(printed[1], "#ffffff") < 1.01


def test_a_figure_fits_the_printed_page(browser, pages):
    with opened(browser, pages / "residual.html") as (page, problems):
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 700, "height": 1000})
        too_wide = page.evaluate("""() => [...document.querySelectorAll("figure svg")].filter(
            (svg) => svg.getBoundingClientRect().right > innerWidth + 1).length""")
        hidden = page.evaluate("[...document.querySelectorAll('nav, details')].every((e) => !e.checkVisibility())")
        paper = page.pdf()
    assert (too_wide, hidden, problems) == (0, True, [])
    assert paper.startswith(b"%PDF")


def test_without_scripts_the_numbers_are_there(browser, pages):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "dense.html").resolve().as_uri())
    assert "need JavaScript" in page.inner_text("noscript")
    assert "99.03 %" in page.inner_text("#verdict")
    assert page.locator("figure table").count() == page.locator("figure").count() > 10
    context.close()


def test_names_from_files_are_only_text(browser, tmp_path):
    report = sample(residual=True)
    report["network"]["name"] = report["board"]["title"] = report["images"]["source"] = HOSTILE
    report["network"]["data_set"] = report["build"]["critical_path"] = HOSTILE
    report["reproduce"] = [HOSTILE]
    for table in (report["layers"], report["bounds"]["layers"], report["energy"]["device"]["layers"]):
        table["rows"][1]["name"] = HOSTILE
    for row in report["timeline"]["rows"]:
        row["layer"] = HOSTILE if row["layer"] == "block1a" else row["layer"]
    report["energy"]["arithmetic"]["left_out"] = report["layers"]["columns"]["luts"]["by"] = HOSTILE
    write_page(report, tmp_path / "hostile.html", literature=LITERATURE)
    with opened(browser, tmp_path / "hostile.html", width=400) as (page, problems):
        assert HOSTILE in page.inner_text("#reproduce")
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert problems == []


def test_the_report_can_be_downloaded(browser, pages, tmp_path):
    with opened(browser, pages / "dense.html") as (page, _):
        with page.expect_download() as download:
            page.click("a[download]")
        download.value.save_as(tmp_path / "report.json")

    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == sample()


def test_a_residual_networks_shortcuts_reach_their_sums(browser, pages):
    with opened(browser, pages / "residual.html", width=400) as (page, _):
        lines = page.locator(".net tbody tr").evaluate_all("""(rows) => rows.map((row) => [
            row.querySelector(".name").textContent, row.querySelectorAll("svg:not(.tail) .skip").length,
            row.querySelectorAll("svg.tail .skip").length, row.querySelector(".node").textContent])""")
    assert lines == [
        ["input", 0, 0, ""],
        ["stem", 1, 1, ""],
        ["block1a", 1, 1, ""],
        ["block1b", 2, 1, "+"],
        ["block2a", 1, 1, ""],
        ["block2b", 1, 0, "+"],
        ["readout", 0, 0, ""],
    ]


def test_the_same_report_gives_the_same_page():
    assert render_page(sample(), literature=LITERATURE) == render_page(sample(), literature=LITERATURE)


def test_the_page_is_small_and_asks_for_nothing():
    page = render_page(sample(residual=True), literature=LITERATURE)
    assert len(page.encode("utf-8")) < 1_500_000
    assert "default-src 'none'" in page
    assert page.count("<script") == 3


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_phone_no_table_is_wider_than_the_page(browser, pages, kind):
    with opened(browser, pages / f"{kind}.html", width=400) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        wide = page.evaluate("""() => [...document.querySelectorAll("table")].filter(
            (t) => t.parentElement.scrollWidth > t.parentElement.clientWidth + 1 || t.scrollWidth > t.clientWidth + 1
            ).map((t) => t.parentElement.getAttribute("aria-label") || t.className)""")
        beyond = page.evaluate("""() => [...document.querySelectorAll("td, th")].filter(
            (c) => c.checkVisibility() && !c.closest("thead") && c.getBoundingClientRect().right > innerWidth
            ).length""")
    assert (wide, beyond) == ([], 0)


def test_headlines_say_the_rate_of_the_board_and_whose_energy():
    report = sample()
    said = "".join(text for _, text in summary.verdict(report))
    assert "frames/s of the circuit, " in said
    assert "frames/s of the board (its link sets that)" in said
    assert "its core at the circuit's rate, estimate" in said
    report["energy"]["device"] = None
    said = "".join(text for _, text in summary.verdict(report))
    assert "J" not in said  # arithmetic alone is no headline
    energy = next(tile for tile in tiles(report) if tile.label == "Energy")
    assert (energy.value, energy.note) == (words.DASH, "not known: s2nn-hw activity counts what toggles")


def test_a_band_that_reaches_over_the_device_is_said_and_compared():
    report = sample()
    used = report["resources"]["brams"]
    used["used"] = {"value": 200, "unit": "DP16KD", "source": "estimate", "by": "x", "band": [180, 220]}
    assert report["fits"] is True
    said = "".join(text for _, text in summary.verdict(report))
    assert "May not fit the ULX3S (85F): 200 DP16KD of 208 is an estimate, and its band reaches 220. " in said
    used["used"]["band"] = [180, 208]
    assert "Fits the ULX3S" in "".join(text for _, text in summary.verdict(report))


def test_only_the_same_task_stands_beside_and_a_sample_not_in_plots():
    report = sample()
    rows = literature_table(report, LITERATURE).rows
    assert [row.task for row in rows] == ["MNIST", "mnist"]
    assert "images only" not in rows[0].said
    assert point(report).accuracy == 99.03
    report["images"]["count"] = 300
    row = literature_table(report, LITERATURE).rows[0]
    assert "accuracy of 300 images only, not of the test set that others use" in row.said
    assert point(report).accuracy is None


def test_no_field_name_stands_in_a_caption_or_headline():
    for how in KINDS.values():
        report = sample(**how)
        texts = [text for _, text in summary.verdict(report)]
        texts += [text for tile in tiles(report) for text in (tile.label, tile.note)]
        for figure in figures(report).values():
            texts += [figure.title, figure.caption, *figure.columns]
        assert not [text for text in texts if re.search(r"[a-z]_[a-z]", text.replace("s2nn_hw/", ""))]
