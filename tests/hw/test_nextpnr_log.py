"""nextpnr's log: clocks, counts and critical path of old and new prints; progress, and a router that stays put."""

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow import progress
from s2nn_hw.hw.flow.nextpnr_log import log_clocks, log_critical_path, log_utilization
from s2nn_hw.hw.flow.progress import Watch
from s2nn_hw.hw.flow.toolreports import ClockRate
from tests.support.flow_tools import LOGS

XILINX = (LOGS / "nextpnr-xilinx.tim").read_text()
NEW = """Info: Critical path report for clock '$glbnet$clk' (posedge -> posedge):
Info:       type curr  total name
Info:   clk-to-q  0.52  0.52 Source a_FF_Q.Q
Info:    routing  0.96  1.49 Net a[1] (2,12) -> (2,13)
Info:                          Sink b_LUT4_Z.D
Info:                          Defined in:
Info:                               /share/cells_map.v:108.23-108.24
Info:      logic  0.24  1.72 Source b_LUT4_Z.F
Info:    routing  0.04  1.77 Net b (2,13) -> (2,13)
Info:                          Sink c_FF_Q.M
Info:      setup  0.00  1.77 Source c_FF_Q.M
Info: 0.76 ns logic, 1.00 ns routing
"""


def test_path_as_nextpnr_xilinx_prints_it():
    path = log_critical_path(XILINX)
    assert str(path) == (
        "design.accelerator.hidden1.first_FDRE_Q.Q to design.accelerator.hidden1.sum_FDRE_Q_4.D, "
        "11.90 ns (1.40 logic, 10.50 routing)"
    )
    assert len(path.steps) == 9
    assert path.steps[0] == "0.50 ns logic design.accelerator.hidden1.first_FDRE_Q.Q"
    assert path.steps[1] == (
        "3.20 ns routing design.accelerator.hidden1.first_FDRE_Q.Q -> design.accelerator.hidden1."
        "begins_LUT2_O.A2, net design.accelerator.hidden1.first"
    )
    assert path.steps[-1] == "0.10 ns setup design.accelerator.hidden1.sum_FDRE_Q_4.D"


def test_path_as_later_nextpnr_prints_it():
    path = log_critical_path(NEW)
    assert (path.start, path.end) == ("a_FF_Q.Q", "c_FF_Q.M")
    assert (path.delay_ns, path.logic_ns, path.routing_ns) == (1.77, 0.76, 1)
    assert path.steps == (
        "0.52 ns clk-to-q a_FF_Q.Q",
        "0.96 ns routing a_FF_Q.Q -> b_LUT4_Z.D, net a[1]",
        "0.24 ns logic b_LUT4_Z.F",
        "0.04 ns routing b_LUT4_Z.F -> c_FF_Q.M, net b",
        "0.00 ns setup c_FF_Q.M",
    )


def test_the_slowest_clock_counts_and_the_last_report_of_each():
    slow = NEW.replace("$glbnet$clk", "other").replace("1.77 Source", "9.99 Source")
    assert log_critical_path(NEW + "\n" + slow).delay_ns == 9.99
    assert log_critical_path(NEW.replace("1.77 Source", "9.99 Source") + "\n" + NEW).delay_ns == 1.77


@pytest.mark.parametrize("numbers", [("1.2.3", "100"), ("100", "0.00"), ("", "1"), ("x", "1")])
def test_clocks_that_are_none(numbers):
    line = "Info: Max frequency for clock 'c': {} MHz (FAIL at {} MHz)\n".format(*numbers)
    assert log_clocks(line) == {}


HEAD = "Info: Critical path report for clock 'a' (posedge -> posedge):\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Info: nothing\n",
        NEW[:300],
        NEW.replace("clock '", "cross-domain path '"),
        HEAD + "rubbish\n" + NEW[300:],
        HEAD + "Info: Sink b.A3\nInfo: 0.6 ns logic, 1.6 ns routing\n",
    ],
)
def test_log_without_a_whole_path(text):
    assert log_critical_path(text) is None


def test_clocks_and_counts():
    assert log_clocks(XILINX) == {"clocking.clk": ClockRate(83.82, 100.0)}
    assert log_utilization(XILINX)["SLICE_LUTX"] == (21720, 65200)
    assert log_utilization(XILINX)["SLICE_FFX"] == (10155, 65200)


def follow(tmp_path, text, *, placed=lambda timing: None, step=19):
    """Return every text that a watch shows while ``text`` is written in pieces of ``step`` bytes."""
    path, shown = tmp_path / "top.tim", []
    path.unlink(missing_ok=True)
    watch = Watch("nextpnr-x", path, placed)
    watch.look()  # there is no log yet
    with path.open("w") as log:
        for start in range(0, len(text), step):
            log.write(text[start : start + step])
            log.flush()
            watch.look()
            if watch.text and [watch.text] != shown[-1:]:
                shown.append(watch.text)
    return shown


def test_progress_of_placement_and_both_routers(tmp_path):
    estimates = []
    shown = follow(tmp_path, XILINX, placed=lambda timing: estimates.append(timing.clocks))
    assert estimates == [{"clocking.clk": ClockRate(80.8, 100.0)}]
    assert shown == [
        "placement, iteration 1, wire length 213,344",
        "placement, iteration 14, wire length 112,233",
        "placement, iteration 1, wire length 108,811",
        "placement, iteration 20, wire length 98,877",
        "routing, 80.8 MHz estimated of 100",
        "routing, iteration 1, 30,991 overused wires, 80.8 MHz estimated of 100",
        "routing, iteration 2, 9,120 overused wires, 80.8 MHz estimated of 100",
        "routing, iteration 19, 0 overused wires, 80.8 MHz estimated of 100",
        "routing, iteration 3, 0 arcs left, 80.8 MHz estimated of 100",
    ]


def test_progress_of_the_placer_by_density(tmp_path):
    log = "Info: iter=3 steplen=3.1\nInfo: overlap: COMB=99.6%, FF=99.5%\nInfo: coord_dist: 0.1\n"
    assert follow(tmp_path, log) == ["placement, overlap COMB=99.6%, FF=99.5%"]


TIMED = "Info: {:10d} | {:8d} {:10d} | {:4d} {:5d} | {:9d}|       0.84       0.84|\n"
OLD = "Info: {:10d} | {:8d} {:10d} | {:4d} {:5d} | {:9d}\n"


@pytest.mark.parametrize("row", [TIMED, OLD])
def test_progress_of_router1_of_any_age(row, tmp_path):
    shown = follow(tmp_path, "Info: Routing 33664 arcs.\n" + row.format(1000, 21, 978, 21, 978, 32693))
    assert shown == ["routing", "routing, iteration 1,000, 32,693 arcs left"]


def router2(levels):
    return "".join(
        f"Info:     iter={n} wires=1000 overused={level} overuse={level} archfail=NA\n"
        for n, level in enumerate(levels, 1)
    )


def test_router2_that_stays_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "STALL_SECONDS", 0)
    levels = [9000, 900, 205, *[195 + n % 9 for n in range(60)]]
    with pytest.raises(
        UserError,
        match=r"^nextpnr-x was ended: its router no longer improves, \d+ overused wires at "
        r"iteration 53 and 205 at 3, 0 minutes before; try another --seed, a lower "
        r"clock with --freq, or a larger board; its log is \S+top\.tim$",
    ):
        follow(tmp_path, router2(levels))


def test_router1_that_stays_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "STALL_SECONDS", 0)
    rows = "".join(OLD.format(1000 * n, n, n, 0, 0, max(50, 5000 - 100 * n)) for n in range(1, 300))
    with pytest.raises(UserError, match=r"50 arcs left at iteration 150,000 and 50 at 50,000, 0 minutes before"):
        follow(tmp_path, rows)


def test_router_that_gets_on_slowly_or_is_young_is_left_alone(tmp_path, monkeypatch):
    stays = router2([200] * 500)
    follow(tmp_path, stays)  # ten minutes are not over
    monkeypatch.setattr(progress, "STALL_SECONDS", 0)
    follow(tmp_path, router2([200] * 50))
    follow(tmp_path, router2([int(10_000 * 0.99**n) for n in range(800)]))
    follow(tmp_path, router2([5] * 30 + [4] * 30 + [3] * 40 + [1] * 40 + [0] * 300))
