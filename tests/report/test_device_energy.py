"""Energy of a frame in the device: by hand on a tiny activity record; bad records are refused in one line."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from s2nn_hw.activity_record import ActivityRecord, load_activity
from s2nn_hw.cli.activity import show
from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts, Budget
from s2nn_hw.hw.facts import LinkFacts
from s2nn_hw.report.energy.arithmetic import Part
from s2nn_hw.report.energy.coefficients import NAMES, Coefficient, Coefficients, Events
from s2nn_hw.report.energy.device import Pace, device_energy
from s2nn_hw.report.energy.readings import Readings
from s2nn_hw.report.energy.section import energy_section
from s2nn_hw.report.known import Known
from s2nn_hw.report.show.energy_tables import print_energy
from tests.support.mutations import mutations, tried

COUNTS = (
    "lut",
    "carry",
    "ff",
    "bram",
    "bram_reads",
    "bram_writes",
    "clock_ff",
    "clock_ff_enabled",
    "clock_bram",
    "clock_lutram",
    "io",
)
PJ = dict(zip(NAMES, (0.2, 0.1, 0.01, 3.0, 20.0, 30.0, 80.0, 1.5), strict=True))
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
READINGS = Readings(run_w=2.0, idle_w=1.9, frames_per_second=1000.0, file="r.toml")


def row(name, **counts):
    return {"name": name} | dict.fromkeys(COUNTS, 0.0) | counts


def record(**changes):
    """Return activity of 10 frames of 50 cycles: a layer, and the rest."""
    busy = [
        row("fc", lut=100.0, ff=40.0, bram=12.0, bram_reads=6.0, bram_writes=1.0, clock_ff=1000.0, clock_bram=100.0),
        row("other", lut=20.0, ff=10.0, clock_ff=500.0, clock_lutram=50.0),
    ]
    idle = [row("fc", clock_ff=20.0, clock_bram=2.0), row("other", lut=0.5, ff=1.0, clock_ff=10.0, clock_lutram=1.0)]
    return {
        "format": "s2nn-activity",
        "version": 1,
        "tool": "s2nn-hw 1",
        "digest": "0" * 64,
        "network": {"name": "n", "digest": "1" * 64},
        "board": {"name": "b", "device": "D1", "family": "xc7"},
        "plan": {"layers": []},
        "clock_mhz": 100.0,
        "images": {"count": 10, "source": "made up"},
        "frames": 10,
        "cycles": {"busy": 500, "per_frame": 50.0, "idle": 64},
        "netlist": {
            "what": "netlist",
            "tool": "yosys",
            "file": "n.v",
            "nets": 40,
            "flip_flops": 30,
            "cells": {"RAMB18E1": 2, "RAMB36E1": 2, "LUT4": 9},
        },
        "simulator": "S 1",
        "equal": True,
        "compared": ["class"],
        "link": {"flip_flops": 100, "by": "build"},
        "saif": "activity.saif",
        "saif_registers": {"named": 30, "of": 30},
        "frame": {"columns": {}, "rows": busy},
        "idle": {"columns": {}, "rows": idle},
        "cells": {"columns": {}, "rows": []},
        "vivado": None,
    } | changes


def prices(spread=1.0, static=100.0):
    def made(name, value, unit="pJ"):
        return Coefficient(name, unit, value / spread, value, value * spread, "measured", "here")

    return Coefficients(
        "D1",
        "family",
        "RAMB36",
        Events(**{name: made(name, value) for name, value in PJ.items()}),
        made("static", static, "mW"),
    )


def energy(**given):
    coefficients = prices(given.pop("spread", 1.0))
    return device_energy(ActivityRecord.of(record()), coefficients, Pace(100, 40, reply_bytes=10, **given))


def test_frame_is_counts_times_prices():
    made = energy()
    rows = {r["name"]: r for r in made["classes"]["rows"]}
    assert rows["lut"]["nj"] == pytest.approx(1.5 * 0.2 * 120 / 1000)
    assert rows["ff"]["nj"] == pytest.approx(0.1 * 50 / 1000)
    # half of the blocks are halves of the priced one: 0.75 of an access each
    assert rows["bram"]["nj"] == pytest.approx((0.75 * (6 * 20 + 1 * 30) + 12 * 0.1) / 1000)
    # 30 flip-flops, 2 block RAM ports, one LUT memory and the link's 100 for 40 cycles, and the trunk
    assert rows["clock"]["events"] == pytest.approx(40 * (33 + 100))
    assert rows["clock"]["nj"] == pytest.approx(40 * (133 * 0.01 + 3) / 1000)
    assert rows["io"]["nj"] == pytest.approx(50 * 80 / 1000)  # ten bytes, every second of 100 bits
    dynamic = sum(r["nj"] for r in rows.values())
    assert made["frame"]["dynamic_nj"]["value"] == pytest.approx(dynamic, rel=1e-5)
    assert sum(r["share"] for r in rows.values()) == pytest.approx(1, abs=1e-3)
    assert made["rate"]["value"] == pytest.approx(2.5e6)
    assert made["frame"]["static_nj"]["value"] == pytest.approx(100 * 1e6 / 2.5e6)
    assert made["power"]["static_mw"]["value"] == 100
    assert made["power"]["dynamic_mw"]["value"] == pytest.approx(dynamic * 2.5, rel=1e-5)
    assert made["at_link"] is None


def test_layers_add_up_to_the_frame():
    made = energy()
    rows = {r["name"]: r for r in made["layers"]["rows"]}
    assert list(rows) == ["fc", "other", "link"]
    assert sum(r["nj"] for r in rows.values()) == pytest.approx(made["frame"]["dynamic_nj"]["value"], rel=1e-4)
    assert rows["fc"]["lut"] == pytest.approx(1.5 * 0.2 * 100 / 1000)
    assert rows["fc"]["clock"] == pytest.approx(40 * 22 * 0.01 / 1000)
    assert rows["other"]["clock"] == pytest.approx(40 * (11 * 0.01 + 3) / 1000)
    assert rows["link"]["io"] == pytest.approx(4)
    for r in rows.values():
        assert sum(r[name] for name in ("lut", "ff", "bram", "clock", "io")) == pytest.approx(r["nj"], rel=1e-4)


def test_a_slow_link_clocks_on():
    made = energy(link_fps=1e6)["at_link"]  # 100 cycles a frame, 60 of them idle
    rows = {r["name"]: r for r in made["classes"]["rows"]}
    assert rows["lut"]["nj"] == pytest.approx(1.5 * 0.2 * (120 + 60 * 0.5) / 1000)
    assert rows["ff"]["nj"] == pytest.approx(0.1 * (50 + 60) / 1000)
    assert rows["clock"]["nj"] == pytest.approx(100 * (133 * 0.01 + 3) / 1000)
    assert made["cycles"]["value"] == 100
    assert made["frame"]["static_nj"]["value"] == pytest.approx(100)
    assert energy(link_fps=1e9)["at_link"] is None


def test_every_estimate_has_a_band():
    made = energy(spread=2.0, link_fps=1e6)
    for part in (made, made["at_link"]):
        for name, value in {**part["frame"], **part["power"]}.items():
            low, high = value["band"]
            assert value["source"] == "estimate"
            assert low < value["value"] < high, name
    low, high = made["frame"]["static_nj"]["band"]
    assert (low, high) == (pytest.approx(20), pytest.approx(80))
    lut = made["classes"]["rows"][0]  # the price and the glitches have a spread each
    assert (lut["nj"] / lut["low_nj"], lut["high_nj"] / lut["nj"]) == (pytest.approx(4, rel=1e-4),) * 2
    assert [row["name"] for row in made["coefficients"]] == [*NAMES, "static"]
    json.dumps(made, allow_nan=False)


def test_record_round_trip(tmp_path):
    path = tmp_path / "activity.json"
    path.write_text(json.dumps(record()))
    assert json.dumps(load_activity(path).to_json()) == json.dumps(record())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "x"}, "must have format"),
        ({"version": 2}, "version 1"),
        ({"version": True}, "version 1"),
        ({"frames": 0}, "field frames: expected int >= 1"),
        ({"cycles": {}}, "field cycles.busy is missing"),
        ({"cycles": None}, "field cycles: expected object"),
        ({"cycles": {"busy": 900, "per_frame": 50.0, "idle": 64}}, "cycles.per_frame must be"),
        ({"link": None}, "field link: expected object"),
        ({"link": {"flip_flops": -1, "by": ""}}, "field link.flip_flops"),
        ({"link": {"flip_flops": None, "by": 3}}, "field link.by: expected str"),
        ({"idle": {"columns": {}, "rows": [row("fc")]}}, "the same rows"),
        ({"idle": {"columns": {}, "rows": []}, "frame": {"columns": {}, "rows": []}}, "frame.rows must be there"),
        ({"frame": {"columns": {}, "rows": [row("fc", lut=-1.0), row("other")]}}, r"frame.rows\[0\].lut: .* >= 0"),
        ({"frame": {"columns": {}, "rows": [{"name": "fc"}, row("other")]}}, r"frame.rows\[0\].lut is missing"),
        ({"netlist": {"what": "x"}}, "field netlist.tool is missing"),
        ({"netlist": record()["netlist"] | {"cells": {"RAMB18E1": -2, "RAMB36E1": 2}}}, "netlist.cells.RAMB18E1"),
        ({"network": []}, "field network: expected object"),
        ({"equal": False}, "equal must be true"),
        ({"saif_registers": {"named": 31, "of": 30}}, "saif_registers.named must be 30 at most"),
        ({"vivado": {"total_w": -1, "dynamic_w": 0.1, "static_w": 0.1}}, "field vivado.total_w"),
    ],
)
def test_bad_records_are_refused(tmp_path, change, said):
    path = tmp_path / "activity.json"
    path.write_text(json.dumps(record(**change)))
    with pytest.raises(UserError, match=said) as caught:
        load_activity(path)
    assert "\n" not in str(caught.value)


def test_every_field_of_a_record_is_checked(tmp_path):
    power = {"total_w": 0.3, "dynamic_w": 0.2, "static_w": 0.1}
    cells = {"columns": {"luts": {"unit": "cells"}}, "rows": [{"name": "fc", "luts": 1}]}
    base, path = record(vivado=power, cells=cells), tmp_path / "activity.json"
    free = {("plan", "layers"), ("vivado",), ("link", "flip_flops")}  # of a plan all is compared; None where unknown
    accepted = []
    for place, value, text in mutations(base):
        path.write_text(text)
        made, said = tried(lambda: load_activity(path))
        if made is None:
            assert "activity.json" in said
            continue
        assert device_energy(made, prices(), Pace(100, 40, reply_bytes=10))
        show(made, tmp_path)
        assert not made.is_of("2" * 64, {})
        if place not in free:
            accepted.append((place, value))
    assert not [each for each in accepted if each[1] not in ("x", "missing", [], {})]


def test_records_that_are_no_json(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_activity(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        load_activity(tmp_path / "a.json")


def board_of(device):
    return BoardFacts("x", "X", device, "xc7", 100.0, 10**6, {"luts": Budget("LUT6", 20_800)})


def test_section_of_a_report():
    activity, pace = ActivityRecord.of(record()), {"clock_mhz": 100, "interval_cycles": 40}
    link = LinkFacts("UART, 8N1", 10**6, 10, 30, 20, 1000.0)
    known = Known(board=board_of("XC7A35T"), activity=activity, link=link, readings=READINGS)
    made = energy_section([ROW], known, **pace)
    assert made["device"]["family"].startswith("Artix-7")
    total = made["device"]["at_link"]["frame"]["total_nj"]["value"]
    assert made["measured"]["to_estimate"] == pytest.approx(2e6 / total, rel=1e-3)
    assert all(row["plausible"] for row in made["sanity"] if row["of"] == "board")
    alone = energy_section([ROW])
    assert (alone["device"], alone["measured"]) == (None, None)
    assert alone["arithmetic"]["models"]["rows"][0]["additions"] == 24
    other = energy_section([ROW], Known(board=board_of("GW2A-18"), activity=activity), **pace)
    assert other["device"] is None


def printed(energy):
    console = Console(file=io.StringIO(), width=160, highlight=False, soft_wrap=True)
    print_energy(energy, console)
    return console.file.getvalue()


def test_tables_say_what_is_there():
    known = Known(
        board=board_of("XC7A35T"),
        activity=ActivityRecord.of(record()),
        link=LinkFacts("UART, 8N1", 10**6, 10, 30, 20, 1000.0),
        readings=replace(READINGS, idle_w=None, frames_per_second=None),
    )
    text = printed(energy_section([ROW], known, clock_mhz=100, interval_cycles=40))
    for said in (
        "float32 ANN",
        "XC7A35T per frame",
        "1,000 frames/s (the link's)",
        "board 2 W",
        "Arty A7-100T",
        "plausible",
    ):
        assert said in text
    text = printed(energy_section([ROW]))
    assert "float32 ANN" in text
    assert "per frame, estimate from the activity" not in text
