"""Energy of the arithmetic and its memory, coefficients and literature files, sanity: by hand on tiny examples."""

import math
from dataclasses import replace

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.report.energy.arithmetic import BINARY, SRAM, Part, access_band, access_pj, add_pj, arithmetic
from s2nn_hw.report.energy.coefficients import NAMES, PATH, find_coefficients, load_coefficients
from s2nn_hw.report.energy.sanity import ANCHORS, sanity
from s2nn_hw.report.literature import NUMBERS, load_literature
from s2nn_hw.report.literature import PATH as LITERATURE
from s2nn_hw.report.quantities import quantity

# a dense layer of 8 one-bit pixels and 4 neurons, 2-bit weights, 5 of the pixels set
ROW = Part(
    name="fc",
    connections=32,
    operations=20.0,
    active_taps=5.0,
    neurons=4,
    channels=4,
    inputs=8,
    bits=2,
    weights=32,
    accumulator=5,
)
JOIN = Part(name="join", connections=0, operations=0.0, active_taps=0.0, neurons=4, channels=4, inputs=8)
BIT = 10 / 64  # pJ per bit of the smallest memory


def models(*rows):
    return {row["name"]: row for row in arithmetic(list(rows))["models"]["rows"]}


def test_prices_between_the_published_points():
    assert [add_pj(bits) for bits in (4, 8, 20, 32, 40)] == pytest.approx([0.03, 0.03, 0.065, 0.1, 0.1])
    for bits, pj in SRAM:
        assert access_pj(bits) == pytest.approx(pj)
    assert access_pj(100) == 10
    assert access_pj(16 * 8192) == pytest.approx(15)  # one of the two octaves from 8 to 32 KB
    assert access_pj(2048 * 8192) == pytest.approx(116)  # 16 pJ per octave go on
    assert access_band(8 * 8192, 32 * 8192) == (10, 10, 20)
    assert access_band(2 * 8192, 0)[0] == pytest.approx(5)
    assert access_band(1, 0) == (1.25, 10, 10)
    assert access_band(32 * 8192, 32 * 8192) == (10, 20, 20)


def test_this_network_adds_what_spikes_ask_for():
    row = models(ROW)["this network"]
    assert (row["additions"], row["multiplications"], row["bit_operations"]) == (24, 0, 0)
    assert row["memory_reads"] == 20 * 2 + 8  # weights of 20 operations; 32 / (20 / 5) taps of a bit
    assert row["memory_writes"] == 4
    assert row["arithmetic_nj"] == pytest.approx(24 * 0.03 / 1000)
    assert row["memory_nj"] == pytest.approx(52 * BIT / 1000)
    assert row["total_nj"] == pytest.approx((24 * 0.03 + 52 * BIT) / 1000, rel=1e-5)
    assert row["low_nj"] == pytest.approx((24 * 0.03 + 52 * BIT / 8) / 1000, rel=1e-5)
    assert row["high_nj"] == pytest.approx((24 * 0.1 + 52 * BIT) / 1000, rel=1e-5)
    assert row["to_network"] == row["arithmetic_to_network"] == 1


def test_rivals_of_the_same_topology():
    rows = models(ROW)
    real, whole = rows["float32 ANN"], rows["int8 ANN"]
    assert (real["multiplications"], real["additions"]) == (32, 36)
    assert real["arithmetic_nj"] == pytest.approx((32 * 3.7 + 36 * 0.9) / 1000)
    assert (real["memory_reads"], real["memory_writes"]) == ((32 + 8) * 32, 4 * 32)
    assert real["memory_nj"] == pytest.approx((40 + 4) * 32 * BIT / 1000)
    assert whole["arithmetic_nj"] == pytest.approx((32 * 0.2 + 36 * add_pj(19)) / 1000)
    assert whole["memory_nj"] == pytest.approx((40 + 4) * 8 * BIT / 1000)
    binary = rows["binary network"]
    assert (binary["bit_operations"], binary["additions"]) == (32, 4)
    assert binary["arithmetic_nj"] == pytest.approx((32 * BINARY[1] + 4 * 0.03) / 1000)
    assert binary["memory_reads"] == 32 + 8
    assert pytest.approx(0.1 / 32) == BINARY[0]
    assert BINARY[0] < BINARY[1] < BINARY[2]


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_steps_keep_membranes_in_memory(steps):
    rows = models(ROW)
    one, row = rows["this network"], rows[f"SNN, {steps} steps"]
    state = steps * 4 * (5 + math.log2(steps))
    assert row["additions"] == steps * one["additions"]
    assert row["multiplications"] == 0
    assert row["memory_reads"] == steps * one["memory_reads"] + state
    assert row["memory_writes"] == steps * one["memory_writes"] + state
    assert row["total_nj"] > steps * one["total_nj"]


def test_pixels_of_several_bits_are_read_plane_by_plane():
    row = models(replace(ROW, planes=2))
    assert row["this network"]["memory_reads"] == 20 * 2 + 2 * 8
    assert row["binary network"]["bit_operations"] == 64
    assert row["float32 ANN"]["memory_reads"] == 40 * 32


def test_planes_and_actions_of_this_network():
    four = replace(ROW, planes=4, pixels=False, entering=False, planes_out=4, actions=3)
    rows = models(four)
    mine, same = rows["this network"], rows["SNN, 4 steps"]
    assert mine["additions"] == 20 + 4 * (1 + 3)
    assert mine["memory_reads"] == 20 * 2 + 4 * 8
    assert mine["memory_writes"] == 4 * 4
    state = 4 * 4 * 5  # four steps of membranes that are no wider
    assert same["additions"] == 20 + 4 * 4  # the same spikes, once
    assert same["memory_reads"] == mine["memory_reads"] + state
    assert same["memory_writes"] == mine["memory_writes"] + state
    assert rows["SNN, 2 steps"]["memory_reads"] == (mine["memory_reads"] + state) / 2
    assert rows["SNN, 8 steps"]["additions"] == 2 * same["additions"]
    assert rows["binary network"]["bit_operations"] == 32  # an activation is a bit, however many planes ours has
    assert models(replace(four, entering=True))["binary network"]["bit_operations"] == 4 * 32
    assert rows["float32 ANN"]["additions"] == 36


def test_layers_add_up_and_joins_cost_nothing():
    made = arithmetic([ROW, JOIN, replace(ROW, name="again")])
    rows = {row["name"]: row for row in made["layers"]["rows"]}
    assert rows["join"]["total_nj"] == 0
    total = made["models"]["rows"][0]["total_nj"]
    assert rows["fc"]["total_nj"] + rows["again"]["total_nj"] == pytest.approx(total, rel=1e-5)
    low, high = made["models"]["columns"]["total_nj"]["band"]
    for row in made["models"]["rows"]:
        assert low * row["total_nj"] <= row["low_nj"] * 1.001
        assert high * row["total_nj"] >= row["high_nj"] * 0.999


def test_no_spikes_cost_only_thresholds_and_reading():
    row = models(replace(ROW, operations=0.0, active_taps=0.0))
    assert row["this network"]["additions"] == 4
    assert row["this network"]["memory_reads"] == 8
    assert arithmetic([JOIN])["models"]["rows"][0]["to_network"] is None


def test_every_coefficient_has_source_and_spread():
    families = load_coefficients()
    assert {family.family for family in families} == {"xc7", "ecp5", "ice40"}
    for family in families:
        assert tuple(row.name for row in family.events.rows) == NAMES
        for row in (*family.events.rows, *family.static.values()):
            assert row.low <= row.value <= row.high
            assert len(row.source) > 5


@pytest.mark.parametrize(
    ("device", "luts", "title", "milliwatts"),
    [
        ("XC7A35T", None, "Artix-7", 72),
        ("LFE5U-85F", 1, "ECP5", 311),
        ("iCE40UP5K", None, "iCE40 UltraPlus", 0.146),
        ("iCE40HX8K", None, "iCE40 HX", 1.37),
        ("XC7A50T", 32_600, "Artix-7", 71.72),
        ("xc7a100t", 1, "Artix-7", 100),
    ],
)
def test_devices_find_their_row(device, luts, title, milliwatts):
    found = find_coefficients(device, luts)
    assert found.title.startswith(title)
    assert found.static.value == pytest.approx(milliwatts)
    assert found.static.unit == "mW"
    assert [row["name"] for row in found.to_json()] == [*NAMES, "static"]


def test_devices_without_coefficients():
    assert find_coefficients("GW2A-18", 20_000) is None
    assert find_coefficients("XC7A200T") is None  # its LUTs are not told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('format = "s2nn-coefficients"', 'format = "x"', "must have format"),
        ("version = 1", "version = 2", "version 1"),
        ('source = "as lut"', 'source = " "', "'ff' has no source"),
        ('source = "as lut"', "", "'ff' has no source"),
        ("value = 0.22", "value = 22", "low <= value <= high"),
        ("value = 0.22", "value = nan", "low <= value <= high"),
        ("value = 0.22", 'value = "0.22"', "needs the numbers"),
        ('basis = "tool"', 'basis = "guess"', "basis must be one of"),
        ('name = "lut"\nunit = "pJ"', 'name = "lut"\nunit = "nJ"', "unit must be 'pJ'"),
        ('name = "glitch"', 'name = "lut"', "twice"),
        ('name = "glitch"', 'name = "glitches"', "must have exactly"),
        ('device = "XC7A35T"\nunit = "mW"', 'device = "XC7A35T"\nunit = "W"', "unit must be 'mW'"),
        ("[[families]]", "[families", "not TOML"),
        ('devices = ["XC7A", "XC7S", "XC7Z0"]', "devices = []", "'devices'"),
    ],
)
def test_bad_coefficients_are_named(tmp_path, old, new, said):
    text = PATH.read_text(encoding="utf-8")
    assert old in text
    bad = tmp_path / "coefficients.toml"
    bad.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load_coefficients(bad)
    assert "\n" not in str(caught.value)


def test_literature_rows_have_source_and_convention():
    rows = load_literature()
    assert len(rows) >= 16
    assert all(row.source and row.convention and any(map(row.figure, NUMBERS)) for row in rows)
    arty = next(row for row in rows if row.system.startswith("FINN CNV-W1A1"))
    assert arty.power_of == "board"
    assert arty.energy_uj == pytest.approx(1e6 * arty.power_w / arty.frames_per_second, rel=0.01)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source = ", "sources = ", r"row 1 \(DWN study, 2 x \[1000, 500\]\) has no source"),
        ("convention = ", 'convention = ""\nnote = ', "has no convention"),
        ("luts = 3464", "lutz = 3464", "'lutz' is unknown"),
        ("luts = 3464", "luts = -1", "luts must be a number"),
        ("luts = 3464", "luts = inf", "luts must be a number"),
        ("accuracy = 97.76", "accuracy = 9776", "percent"),
        ('read = "repository"', 'read = "hearsay"', "'read' must be one of"),
        ('power_of = "board"', "", "go together"),
        ('system = "DWN study, 1 x 500"', 'system = "DWN, large"', "twice"),
        ("version = 1", "version = 3", "version 1"),
        ("[[systems]]", "[[system]]", "must be a list"),
    ],
)
def test_bad_literature_is_named(tmp_path, old, new, said):
    text = LITERATURE.read_text(encoding="utf-8")
    assert old in text
    bad = tmp_path / "literature.toml"
    bad.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load_literature(bad)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", [load_coefficients, load_literature])
def test_files_that_are_not_there_or_not_text(tmp_path, reader):
    with pytest.raises(UserError, match="does not exist"):
        reader(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        reader(tmp_path / "bytes.toml")


def power(total, band, static=72.0):
    return {
        "power": {
            "total_mw": quantity(total, "mW", "estimate", band=band),
            "static_mw": quantity(static, "mW", "estimate", band=(static / 2, static * 2)),
        }
    }


def test_sanity_says_core_and_board():
    rows = load_literature()
    found = {row["what"]: row for row in sanity(rows, power(180.0, (120, 320)))}
    assert tuple(found) == ANCHORS
    board = found["FINN CNV-W1A1 (MLPerf Tiny)"]
    assert (board["of"], board["plausible"], board["value"]["source"]) == ("board", True, "measured")
    assert board["to_estimate"] == pytest.approx(2.243 / 0.18, rel=1e-3)
    assert "DDR" in board["verdict"]
    assert found["Spiker+"]["plausible"] is True


def test_sanity_doubts_and_declines():
    rows = load_literature()
    hot = {row["what"]: row for row in sanity(rows, power(9000.0, (4000, 20000)))}
    assert hot["FINN CNV-W1A1 (MLPerf Tiny)"]["plausible"] is False
    assert hot["Flexi-NeurA"]["verdict"].startswith("far off")
    frugal = {row["what"]: row for row in sanity(rows, power(6.0, (3, 14), static=0.15))}
    assert frugal["FINN CNV-W1A1 (MLPerf Tiny)"]["plausible"] is True
    assert frugal["Spiker+"]["plausible"] is None
    assert "milliwatts" in frugal["Spiker+"]["verdict"]
    assert {row["plausible"] for row in sanity(rows)} == {None}
