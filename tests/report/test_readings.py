"""Readings of a board: by hand and from a meter, and every fault in one line."""

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.report.energy.readings import load_readings, measured

HAND = """format = "s2nn-readings"
version = 1
instrument = "bench supply"
date = 2026-03-01
volts = 5.0
amps = 0.42
idle_amps = 0.40
frames_per_second = 1000
"""
METER = """# instrument: meter X
# frames_per_second: 500
# something else: ignored
time_s,volts,amps,state
0,5,0.40,idle
1,5,0.40,idle
2,5,0.44,run
3,5,0.42,run
5,5,0.42,run
"""


def save(folder, text, name="r.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_by_hand(tmp_path):
    found = load_readings(save(tmp_path, HAND))
    assert found.file == "r.toml"
    assert (found.instrument, found.date) == ("bench supply", "2026-03-01")
    assert (found.run_w, found.idle_w) == (pytest.approx(2.1), pytest.approx(2.0))
    made = measured(found, total_nj=1e5)
    assert made["board_w"]["value"] == pytest.approx(2.1)
    assert made["board_w"]["source"] == "measured"
    assert "bench supply" in made["board_w"]["by"]
    assert made["nj_per_frame"]["value"] == pytest.approx(2.1e6)
    assert made["added_nj_per_frame"]["value"] == pytest.approx(1e5)
    assert (made["to_estimate"], made["added_to_estimate"]) == (pytest.approx(21), pytest.approx(1))


def test_only_watts(tmp_path):
    text = 'format = "s2nn-readings"\nversion = 1\nwatts = 2.5\n'
    found = load_readings(save(tmp_path, text))
    assert (found.run_w, found.idle_w, found.frames_per_second) == (2.5, None, None)
    made = measured(found)
    assert made["nj_per_frame"] is None
    assert made["to_estimate"] is None
    assert load_readings(save(tmp_path, text), 100).frames_per_second == 100


def test_from_a_meter(tmp_path):
    found = load_readings(save(tmp_path, METER, "r.csv"), 7)
    assert found.idle_w == pytest.approx(2.0)  # two seconds; the reading at 1 counts until 2
    assert found.run_w == pytest.approx((2.2 * 1 + 2.1 * 2) / 3)
    assert (found.samples, found.seconds, found.frames_per_second) == (5, 5, 500)
    assert found.instrument == "meter X"


def test_meter_of_watts_and_of_amps_alone(tmp_path):
    found = load_readings(save(tmp_path, "time_s,watts\n0,1\n1,3\n2,9\n", "w.csv"))
    assert (found.run_w, found.idle_w) == (pytest.approx(2), None)
    found = load_readings(save(tmp_path, "# volts: 5\namps,time_s\n0.1,0\n0.2,2\n", "a.csv"))
    assert found.run_w == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "version = 1"),
        ("volts = 5.0", "", "amps needs volts"),
        ("amps = 0.42", "amps = 0", "amps must be positive"),
        ("amps = 0.42", "amps = nan", "finite"),
        ("amps = 0.42", "amps = true", "number"),
        ("amps = 0.42", 'amps = "0.42"', "without quotes"),
        ("amps = 0.42", "amps = 420", "at most 100"),
        ("amps = 0.42\nidle", "watts = 3\namps = 0.42\nidle", "not both"),
        ("amps = 0.42\nidle_amps = 0.40", "", "needs volts and amps"),
        ("amps = 0.42", "amps = 0.042", "wrong way round"),
        ("instrument", "meter", "'meter' is unknown"),
        ('"bench supply"', "4", "instrument must be text"),
        ("date = 2026-03-01", "date = 3", "date must be a date"),
        ("= 1000", "= -1", "frames_per_second must be positive"),
        ("version", "version version", "not TOML"),
    ],
)
def test_bad_notes_are_named(tmp_path, old, new, said):
    assert old in HAND
    with pytest.raises(UserError, match=said) as caught:
        load_readings(save(tmp_path, HAND.replace(old, new)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name the columns"),
        ("volts,amps\n1,2\n3,4\n", "must name the columns"),
        ("time_s,volts\n0,5\n1,5\n", "needs a column watts"),
        ("time_s,watts,watts\n0,5,5\n1,5,5\n", "once"),
        ("time_s,watts\n0,5\n", "at least two"),
        ("time_s,watts\n0,5\n1\n", "line 3: 2 columns"),
        ("time_s,watts\n0,5\n1,x\n", "line 3: watts must be a number"),
        ("time_s,watts\n0,5\n1,inf\n", "line 3: watts must be a finite"),
        ("time_s,watts\n0,-5\n1,5\n", "line 2: -5 W"),
        ("time_s,watts\n# note: x\n0,5\n0,5\n", "line 4: time_s must grow"),
        ("time_s,watts,state\n0,5,run\n1,5,off\n", "state must be run or idle"),
        ("time_s,watts,state\n0,5,idle\n1,5,idle\n", "no energy while the board runs"),
        ("time_s,watts\n0,0\n1,0\n", "no energy"),
        ("# volts: x\ntime_s,amps\n0,1\n1,1\n", "volts must be a number"),
        ("# frames_per_second: 0\ntime_s,watts\n0,1\n1,1\n", "must be positive"),
        ('time_s,watts\n0,"5\n1,5\n', "not CSV"),
    ],
)
def test_bad_meter_files_are_named(tmp_path, text, said):
    with pytest.raises(UserError, match=said) as caught:
        load_readings(save(tmp_path, text, "r.csv"))
    assert "\n" not in str(caught.value)


def test_other_files(tmp_path):
    with pytest.raises(UserError, match="must end in"):
        load_readings(save(tmp_path, "", "r.txt"))
    with pytest.raises(UserError, match="does not exist"):
        load_readings(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="UTF-8"):
        load_readings(tmp_path / "b.csv")
    with pytest.raises(UserError, match="frames_per_second"):
        load_readings(save(tmp_path, HAND.replace("frames_per_second = 1000", "")), -1)
