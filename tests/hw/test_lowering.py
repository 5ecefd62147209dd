"""A missed clock: lowered to what was reached unless it was asked for, before routing where placement is far off."""

import json
from dataclasses import replace
from io import StringIO

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.board.clocking import highest_clock, pll_settings
from s2nn_hw.hw.flow.lowering import lowered_text
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.network.store import save
from tests.support.flow_tools import Count, build_count, fake_openxc7, run_cli
from tests.support.standin import tiny_network

# prints what nextpnr-xilinx would for the clock that it is asked for: an estimate after placement, a routed clock
PLACE = """
case "$1" in --version) echo "nextpnr-xilinx 0.8"; exit 0;; --help) echo "--freq arg"; exit 0;; esac
while [ "$1" != --freq ]; do shift; done
echo "nextpnr-xilinx $2" >> "$RECORD"
clock() { echo "Info: Max frequency for clock 'clk': $1 MHz (FAIL at $2 MHz)"; }
{ clock %(placed)s "$2"; echo; } > top.tim
%(wait)s
echo "nextpnr-xilinx routes $2" >> "$RECORD"
{ echo "Info: Routing.."
  echo "Info: Critical path report for clock 'clk' (posedge -> posedge):"
  echo "Info: curr total"
  echo "Info:  0.5  0.5  Source a.Q"
  echo "Info: 11.4 11.9    Net n budget 1.0 ns (1,2) -> (3,4)"
  echo "Info:                Sink b.D"
  echo "Info: 0.5 ns logic, 11.4 ns routing"
  clock %(routed)s "$2"; } >> top.tim
echo fasm > top.fasm
"""


def place(*, placed, routed):
    """Return a nextpnr-xilinx with these clocks; one that estimates too little waits to be ended before it routes."""
    wait = "sleep 2" if placed < 95 else ":"
    return PLACE % {"placed": f"{placed:.2f}", "routed": routed, "wait": wait}


def stages(tools):
    return [line for line in tools.record() if line.startswith("nextpnr")]


def test_placement_that_is_far_off_is_not_routed(tools, databases, tmp_path):
    clocks, said = [], StringIO()

    def design(clock_hz, baud):
        clocks.append((clock_hz, baud))
        return Count(8)

    fake_openxc7(tools, place=place(placed=80.8, routed=83.82))
    built = build_count("arty_a7", tmp_path / "build", native=True, design=design, said=said, **databases)
    assert built.status == 0
    assert built.bitstream.read_text() == "bits\n"
    # 80.8 less 5 % is 76.76 MHz; one routing
    runs = built.record.to_json()["clock"]["clock_mhz"]
    assert 76.4 < runs <= 76.76
    assert stages(tools) == ["nextpnr-xilinx 100", f"nextpnr-xilinx {runs:g}", f"nextpnr-xilinx routes {runs:g}"]
    assert clocks == [(100_000_000, 1_000_000), (round(runs * 1e6), 1_000_000)]
    assert clocks_per_bit(clocks[1][0], 1_000_000) == 77
    assert built.record.to_json()["clock"] == {
        "wanted_mhz": 100.0,
        "reached_mhz": 83.82,
        "clock_mhz": runs,
        "lowered": [
            {"from_mhz": 100.0, "to_mhz": runs, "after": "placement", "reached_mhz": 80.8, "critical_path": None}
        ],
    }
    assert built.record.to_json()["timing"]["critical_path"]["delay_ns"] == 11.9
    assert lowered_text(built.record) == (
        f"clock: {runs:g} MHz, not the 100 MHz wanted: 80.8 MHz were estimated after placement; this design reaches "
        "83.82 MHz; its critical path: a.Q to b.D, 11.90 ns (0.50 logic, 11.40 routing)"
    )
    assert f"80.80 MHz after placement where 100 MHz is wanted; built again for {runs:g} MHz" in said.getvalue()
    # the circuit of the lower clock: a PLL where the crystal was the clock
    assert "PLLE2_ADV" in (built.folder / "top.v").read_text()
    aside = built.folder / "at-100-mhz"
    assert {path.name for path in aside.iterdir()} == {"top.tim", "synthesis.log", "place.log"}
    assert set(built.record.to_json()["seconds"]) == {"generate", "synthesis", "place", "pack"}
    assert build_count("arty_a7", tmp_path / "build", native=True, design=design, **databases).reused


@pytest.mark.parametrize(("placed", "routed"), [(99, 98.5), (120, 96)])
def test_routed_design_that_misses_is_built_again_for_less(placed, routed, tools, databases, tmp_path):
    fake_openxc7(tools, place=place(placed=placed, routed=routed))
    built = build_count("arty_a7", tmp_path / "build", native=True, **databases)
    clock = built.record.to_json()["clock"]
    assert 0.91 * routed < clock["clock_mhz"] <= 0.92 * routed
    assert [row["after"] for row in clock["lowered"]] == ["routing"]
    assert "a.Q to b.D, 11.90 ns" in clock["lowered"][0]["critical_path"]
    assert len(stages(tools)) == 4


def test_lowered_build_that_misses_again_gets_one_more_try(tools, databases, tmp_path):
    fake_openxc7(tools, place=place(placed=120, routed="$(echo $2 | cut -d. -f1 | awk '{print $1 - 10}')"))
    message = (
        r"^clock missed again after it was lowered 2 times, from 100 to [67]\d\.\d+ MHz: clock missed: \d\d\.00 "
        r"MHz reached after routing, [67]\S+ MHz wanted \(clk\); critical path: a\.Q to b\.D"
    )
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    assert len(stages(tools)) == 6
    (folder,) = (tmp_path / "build").iterdir()
    assert len(list(folder.rglob("top.tim"))) == 3  # the logs of every try
    assert not list(folder.rglob("top.bit*")) + list(folder.rglob("build.json"))


def test_clock_that_was_asked_for_is_not_lowered(tools, databases, tmp_path):
    fake_openxc7(tools, place=place(placed=95, routed=83.82))
    with pytest.raises(UserError, match=r"^clock missed: 83\.82 MHz reached after routing, 100 MHz wanted"):
        build_count("arty_a7", tmp_path / "build", native=True, freq_mhz=100, **databases)
    assert stages(tools) == ["nextpnr-xilinx 100", "nextpnr-xilinx routes 100"]


def test_clock_that_can_not_be_lowered(tools, databases, tmp_path):
    fake_openxc7(tools, place=place(placed=3.0, routed=3.1))
    message = (
        r"^clock missed: 3\.00 MHz reached after placement, 100 MHz wanted .* it can't be lowered: no clock of "
        r"at most 2\.85 MHz that also makes the baud rate can be made from the 100 MHz crystal of Arty A7-35T "
        r"\(1,000,000 baud\)$"
    )
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert (folder / "top.tim").is_file()


@pytest.mark.parametrize(("name", "mhz"), [("ulx3s_25", 387.5), ("icebreaker", 132), ("tang_nano_9k", 324)])
def test_real_tools_end_in_a_bitstream_at_a_lower_clock(name, mhz, tmp_path):
    """A counter of 60 bits on boards whose own clock it can't reach."""
    board = replace(find_board(name), clock_hz=round(mhz * 1e6))
    built = build_count(board, tmp_path, width=60)
    clock = built.record.to_json()["clock"]
    assert built.bitstream.stat().st_size > 1000
    assert clock["wanted_mhz"] == pytest.approx(mhz, rel=0.005)
    assert clock["clock_mhz"] <= clock["reached_mhz"]
    assert clock["clock_mhz"] < 0.95 * clock["wanted_mhz"]
    assert clock["lowered"][0]["from_mhz"] == clock["wanted_mhz"]
    assert clock["lowered"][-1]["to_mhz"] == clock["clock_mhz"]
    assert pll_settings(board.family, board.crystal_hz, clock["clock_mhz"] * 1e6).output_hz == pytest.approx(
        clock["clock_mhz"] * 1e6
    )
    assert built.record.to_json()["timing"]["critical_path"]["delay_ns"] > 1


@pytest.mark.parametrize("name", ["ulx3s", "arty_a7", "icebreaker", "tang_primer_20k", "tang_nano_9k"])
@pytest.mark.parametrize("limit_mhz", [12.3, 36.9, 58.7, 83.82])
def test_highest_clock_is_makeable_and_nothing_between_is(name, limit_mhz):
    board, limit = find_board(name), limit_mhz * 1e6
    found = highest_clock(board, limit)
    assert found <= limit
    if found != board.crystal_hz:
        assert round(pll_settings(board.family, board.crystal_hz, found).output_hz) == found
    for hz in range(found + 5_000, int(limit), max(5_000, int(limit - found) // 40)):
        try:
            nearest = pll_settings(board.family, board.crystal_hz, hz).output_hz
        except UserError:
            continue
        assert round(nearest) <= found or nearest > limit


def test_crystal_counts_and_the_baud_rate_must_be_made():
    board = find_board("icebreaker")
    assert highest_clock(board, 13e6) == 12_000_000  # its PLL makes no less than 16 MHz
    with pytest.raises(UserError, match=r"no clock of at most 11\.00 MHz"):
        highest_clock(board, 11e6)
    arty = find_board("arty_a7")
    assert highest_clock(arty, 100e6) == 100_000_000
    picked = highest_clock(arty, 9e6, lambda hz: hz % 1_000_000 == 0)
    assert picked == 9_000_000


def test_command_tells_that_the_clock_was_lowered(tools, databases, tmp_path, monkeypatch, capsys):
    fake_openxc7(tools, place=place(placed=96, routed=90))
    save(tiny_network(), tmp_path / "tiny.s2nn")
    command = (
        "bitstream",
        tmp_path / "tiny.s2nn",
        "--board",
        "arty_a7",
        "--native",
        "-o",
        tmp_path / "build",
        "--chipdb",
        databases["chipdb"],
        "--prjxray-db",
        databases["prjxray_db"],
    )
    for _ in range(2):  # built, and found
        assert run_cli(monkeypatch, *command) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "MHz, not the 100 MHz wanted: 90 MHz were reached after routing; this design reaches 90 MHz" in text
    (folder,) = (tmp_path / "build").iterdir()
    runs = json.loads((folder / "build.json").read_text())["clock"]["clock_mhz"]
    assert 82.4 < runs <= 82.8
    assert f"clock: {runs:g} MHz" in text
