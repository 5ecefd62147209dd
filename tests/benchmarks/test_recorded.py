"""Figures of the documents: builds recorded with their commit, tables written from them, differences named."""

import json
from pathlib import Path

import pytest

from tests.support.mutations import mutations, tried

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import recorded

    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / "README.md").write_text("before\n<!-- recorded:builds -->\nold\n<!-- /recorded:builds -->\nafter\n")
    monkeypatch.setattr(recorded, "DOCUMENTS", (Path("README.md"),))
    return recorded


def finished(place, generator, **changes):
    row = {"used": 12, "kind": "LUT4", "budget": 24}
    folder = place / "build" / f"b{len(list(place.glob('build/*')))}"
    folder.mkdir(parents=True)
    (folder / "build.json").write_text(
        json.dumps(
            {
                "format": "s2nn-build",
                "version": 1,
                "options": {"freq_mhz": 120.0, "seed": 6},
                "network": {"name": "net", "digest": "0" * 64},
                "self_test": None,
                "board": {"name": "ulx3s", "title": "ULX3S (85F)"},
                "generator": generator,
                "tools": {},
                "bitstream": "top.bit",
                "clock": {"wanted_mhz": 120.0, "reached_mhz": 124.25, "clock_mhz": 120.0},
                "seconds": {"place": 1.26},
                "resources": dict.fromkeys(("luts", "ffs", "brams", "dsps"), row),
                "resources_source": "nextpnr",
                "digest": "0" * 64,
                "flow": "yosys-nextpnr",
                "missing": [],
            }
            | changes
        )
    )


def test_builds_of_these_sources_are_recorded_and_told(recorded, tmp_path, capsys):
    finished(tmp_path, recorded.generator_digest()[:16])
    finished(tmp_path, "older", network={"name": "old", "digest": "1" * 64})
    recorded.main(["builds"])
    (entry,) = recorded.read_builds()
    assert entry.command == "make bitstream MODEL=net BOARD=ulx3s FREQ=120 SEED=6"
    assert (
        "| `ulx3s` | `net` | `make bitstream MODEL=net BOARD=ulx3s FREQ=120 SEED=6` | 12 LUT4 | 12 | 12 LUT4 | "
        "124.2 (120) |" in Path("README.md").read_text()
    )
    assert Path("README.md").read_text().startswith("before\n")
    assert recorded.main(["check"]) == 0
    Path("README.md").write_text(Path("README.md").read_text().replace("124.2", "125.2"))
    assert recorded.main(["check"]) == 1
    assert "README.md: the recorded tables are not those of docs/figures/builds.json" in capsys.readouterr().out


def test_every_field_of_recorded_builds_is_checked(recorded):
    whole = json.loads((ROOT / "docs" / "figures" / "builds.json").read_text())
    data = whole | {"builds": whole["builds"][:1]}
    free = {("builds", 0, "clock", "reached_mhz"), ("builds", 0, "clock", "clock_mhz"), ("builds", 0, "bitstream")}
    for place, value, text in mutations(data):
        recorded.BUILDS.write_text(text)
        made, said = tried(recorded.read_builds)
        if made is None:
            assert str(recorded.BUILDS) in said
            continue
        assert recorded.table(made).count("\n") == 2 + len(made)
        assert place in free or value in ("x", "missing", [], {}), (place, value)
    for text in ("[" * 100_000, "null", '{"builds": ""}', '{"builds": {}}', "NaN"):
        recorded.BUILDS.write_text(text)
        assert recorded.BUILDS.name in tried(recorded.read_builds)[1]
    for field, text in (("command", "a\nb"), ("network", "\x1b[2J"), ("commit", "x | y"), ("board", "a`b")):
        recorded.BUILDS.write_text(json.dumps(data | {"builds": [data["builds"][0] | {field: text}]}))
        assert field in tried(recorded.read_builds)[1]


def test_fan_outs_and_levels_are_recorded(recorded, tmp_path):
    from benchmarks.frame import Row

    Path("README.md").write_text("<!-- recorded:paths -->\n<!-- /recorded:paths -->\n<!-- recorded:builds -->\nold")
    rows = [
        Row(f"net, xc7: {figure}", 1000.0 + k, "").to_json()
        for k, figure in enumerate((*recorded.PATH_FIGURES, "with multiplexers"))
    ]
    with pytest.raises(recorded.UserError, match="make it with: python -m benchmarks paths"):
        recorded.main(["paths"])
    (tmp_path / "build" / "bench").mkdir(parents=True)
    (tmp_path / "build" / "bench" / "paths.json").write_text(json.dumps({"seconds": 1.5, "rows": rows}))
    recorded.main(["paths"])
    assert "| `net`, xc7 | 1,000 | 1,001 | 1,002 | 1,003 | 1,004 | 1,005 |" in Path("README.md").read_text()


def test_a_release_wants_builds_of_these_sources(recorded, tmp_path, monkeypatch, capsys):
    finished(tmp_path, recorded.generator_digest()[:16])
    recorded.main(["builds"])
    monkeypatch.setattr(recorded, "generator_digest", lambda: "0" * 64)
    assert recorded.main(["check"]) == 0
    assert "note: recorded with other sources than these: make bitstream MODEL=net" in capsys.readouterr().out
    assert recorded.main(["check", "--strict"]) == 1


def test_figures_of_readme_that_differ_are_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.worked_out import differences

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S2NN_DATA", str(tmp_path / "nothing"))
    (tmp_path / "models").symlink_to(ROOT / "models")
    row = "| `mnist-tiny` | MNIST | 784-48-10 | 1 bit | 2/4 | 96.20 % | 38 k |"
    cases = (
        (row, []),
        (row.replace("96.20", "96.30"), ["mnist-tiny, accuracy: 96.30 % written, 96.20 % now"]),
        (row.replace("1 bit", "2 bits").replace("38 k", "39 k"), ["pixel: 2 written, 1", "39 k written, 38 k"]),
    )
    for line, wrong in cases:
        Path("README.md").write_text(line + "\n")
        found, _ = differences(Path("README.md"), [])
        assert len(found) == len(wrong)
        assert all(text in said for text, said in zip(wrong, found, strict=True))


def test_the_fastest_plans_are_recorded(recorded, tmp_path):
    from benchmarks.frame import Row

    Path("README.md").write_text("<!-- recorded:plans -->\n<!-- /recorded:plans -->\n")
    with pytest.raises(recorded.UserError, match="make it with: python -m benchmarks plan"):
        recorded.main(["plans"])
    rows = [
        Row("one on Small: does not fit", 0.0, "frames/s"),
        Row("one on Large", 900.0, "frames/s", 1000.0, better="higher"),
        Row("one on Large", 900.0, "frames/s", 800.0, better="higher", binding=True),
        Row("two on Small", 1234.0, "frames/s", 1234.0, better="higher"),
        Row("two on Large", 5000.0, "frames/s"),
        Row("longest planning", 2.0, "s", 60.0, binding=True),
    ]
    source = tmp_path / "build" / "bench" / "plan.json"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps({"seconds": 1.5, "rows": [row.to_json() for row in rows]}))
    recorded.main(["plans"])
    assert Path("README.md").read_text() == (
        "<!-- recorded:plans -->\n| network | Small | Large |\n|---|---|---|\n| `one` | - | 900 (0.90) |\n"
        "| `two` | 1,234 | 5,000 |\n<!-- /recorded:plans -->\n"
    )
    source.write_text(json.dumps({"seconds": 1.5, "rows": [row.to_json() for row in rows[:4]]}))
    with pytest.raises(recorded.UserError, match="same boards"):
        recorded.main(["plans"])
    for text, words in [
        ("{", "figures build/bench/plan.json is not JSON"),
        ("null", "figures build/bench/plan.json"),
        ("[]", "figures build/bench/plan.json"),
        ('{"seconds": 1, "rows": [{"what": "one on Small"}]}', "measured"),
        ('{"seconds": 1, "rows": [{"what": "one on Small", "measured": "9", "unit": "s"}]}', "measured"),
    ]:
        source.write_text(text)
        with pytest.raises(recorded.UserError, match=words):
            recorded.main(["plans"])
    damaged = {"format": "s2nn-plans-table", "version": 1, "plans": {"one": {"Small": {"frames": -1}}}}
    recorded.PLANS.write_text(json.dumps(damaged))
    with pytest.raises(recorded.UserError, match="frames"):
        recorded.main(["check"])
