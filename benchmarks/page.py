"""The report's page: bytes, seconds to write it, and how soon a browser shows it."""

import shutil
import time
from pathlib import Path

from benchmarks.frame import Row, Setting
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts, link_facts
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.literature import load_literature
from s2nn_hw.report.show.page import write_page

TITLE = "report page"
BOARD = "ulx3s"
IMAGES = 300
REPEATS = 3
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
TIMES = """() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  performance.getEntriesByName("figure")[0].startTime, performance.getEntriesByName("figure").at(-1).startTime]"""


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    network, plan, board = setting.network, default_plan(setting.network, "xc7"), board_facts(find_board(BOARD))
    link = link_facts(network, plan, clock_hz=board.clock_mhz * 1e6, baud=board.baud)
    report = build_report(network, plan, setting.images[:IMAGES], None, Known(board=board, link=link))
    path, start = setting.output / "page.html", time.perf_counter()
    write_page(report, path, literature=load_literature())
    seconds = time.perf_counter() - start
    rows = [
        Row("the file", path.stat().st_size / 1e6, "MB", 5, "one self-contained file", binding=True),
        Row("writing it", seconds, "s"),
    ]
    painted = browse(path)
    if painted is None:
        return [*rows, Row("browsers found", 0, "", source="no Chromium on the PATH, or no playwright")]
    first, figure, last = painted
    return [
        *rows,
        Row("first paint", first, "ms"),
        Row("first figure", figure, "ms", 2_000, "headless Chromium, the fastest of three", binding=True),
        Row("last figure", last, "ms"),
    ]


def browse(path: Path) -> list[float] | None:
    """Return ms to first paint, first and last figure in headless Chromium, the fastest of some; None without one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    browser_path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser_path is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        times = []
        for _ in range(REPEATS):
            page = browser.new_page()
            page.goto(path.resolve().as_uri())
            page.wait_for_function("document.documentElement.dataset.drawn !== undefined")
            times.append(page.evaluate(TIMES))
            page.close()
        browser.close()
    return min(times, key=lambda row: row[1])
