"""The best of what was tried: which trials nothing beats, a spread of them synthesised, files and figures of each."""

from pathlib import Path

from s2nn_hw import __version__
from s2nn_hw.explore.objectives import FIGURES, RESOURCES, dominates
from s2nn_hw.files import write_json, write_text

FORMAT, VERSION = "s2nn-exploration", 1
COMPARED = ("luts", "brams")  # those whose error is told
WIDE = 110  # columns of a terminal that has room for what synthesis counts


def rows_of(study):
    """Return every told trial as a JSON-able row: number, state, parameters, variant, figures, limits exceeded."""
    rows = []
    for trial in study.trials():
        notes = trial.user_attrs
        row = {"trial": trial.number, "parameters": study.space.complete(trial.params)}
        if "figures" not in notes:
            rows.append(row | {"state": "refused", "reason": notes.get("refused", "")})
            continue
        over = sorted(name for name, share in trial.constraints.items() if share > 0)
        rows.append(
            row
            | {
                "state": "over budget" if over else "fits",
                "over": over,
                "variant": notes["variant"],
                "figures": notes["figures"],
                "plan": notes["plan"],
            }
        )
    return rows


def pareto(rows, objectives):
    """Return the rows that fit and that no other fitting row beats, each set of figures once, in order of trials."""
    fitting, seen, front = [row for row in rows if row["state"] == "fits"], set(), []
    for row in fitting:
        key = tuple(row["figures"][name] for name in objectives)
        if key in seen or any(dominates(other["figures"], row["figures"], objectives) for other in fitting):
            continue
        seen.add(key)
        front.append(row)
    return front


def spread(front, objectives, count):
    """Return at most ``count`` rows of ``front``: the best of each objective, then always the one farthest from all.

    Distance is the largest difference of any objective, in shares of its range on the front.
    """
    if len(front) <= count:
        return front
    span = {name: [row["figures"][name] for row in front] for name in objectives}

    def place(row):
        return [
            (row["figures"][name] - min(values)) / ((max(values) - min(values)) or 1) for name, values in span.items()
        ]

    chosen = []
    for name in objectives:
        best = (max if FIGURES[name].most else min)(front, key=lambda row, name=name: row["figures"][name])
        if best not in chosen and len(chosen) < count:
            chosen.append(best)
    while len(chosen) < count:
        places = [place(row) for row in chosen]
        rest = [row for row in front if row not in chosen]
        chosen.append(
            max(
                rest,
                key=lambda row: min(
                    max(abs(a - b) for a, b in zip(place(row), other, strict=True)) for other in places
                ),
            )
        )
    return sorted(chosen, key=lambda row: row["trial"])


def save_files(row, folder, network_file, network_name, board):
    """Write network and plan of ``row`` into ``folder``; return ``{"network", "plan"}``, their names there."""
    stem = f"trial-{row['trial']:04d}"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = Path(network_file).read_bytes()
    target = folder / f"{stem}.s2nn"
    if not target.is_file() or target.read_bytes() != content:
        from s2nn_hw.files import atomic_path

        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
    figures = {name: row["figures"][name] for name in row["figures"] if name != "accuracy"}
    write_json(
        folder / f"{stem}.plan.json",
        row["plan"]
        | {
            "network": network_name,
            "board": board.name,
            "clock_mhz": row["parameters"]["clock_mhz"],
            "estimate": figures,
        },
    )
    return {"network": f"{folder.name}/{stem}.s2nn", "plan": f"{folder.name}/{stem}.plan.json"}


def errors(figures, used):
    """Return ``{resource: estimate / synthesis - 1}`` of the estimated ``figures`` against the counts ``used``.

    None where synthesis found none and the estimate some; nothing against nothing is no error.
    """
    found = {}
    for name in ("luts", "ffs", "brams"):
        guess, real = figures[name], used[name]
        found[name] = round(guess / real - 1, 4) if real else None if guess else 0.0
    return found


def report(study, rows, front, synthesised, *, created):
    """Return the JSON-able ``s2nn-exploration``; ``synthesised``: results by trial number (docs/explore.md)."""
    settings, numbers = study.settings, {row["trial"] for row in front}
    entries = []
    for row in front:
        entry = {key: row[key] for key in ("trial", "variant", "parameters", "figures", "files")}
        result = synthesised.get(row["trial"])
        if result and "used" in result:
            budget = settings["budget"]
            entry["synthesis"] = result | {"fits": all(result["used"][n] <= budget[n] for n in RESOURCES)}
            entry["error"] = errors(row["figures"], result["used"])
        elif result:
            entry["synthesis"] = result
        entries.append(entry)
    told = {
        name: [abs(e["error"][name]) for e in entries if e.get("error") and e["error"][name] is not None]
        for name in COMPARED
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "tool": f"s2nn-hw {__version__}",
        "created": created,
        "settings": settings,
        "objectives": [
            {"figure": name, "unit": FIGURES[name].unit, "better": "more" if FIGURES[name].most else "less"}
            for name in study.objectives
        ],
        "sources": {
            "accuracy": "golden model",
            "cycles": "formula",
            "resources": "estimate",
            "energy": "estimate",
            "synthesis": "tool report",
        },
        "counts": {state: sum(row["state"] == state for row in rows) for state in ("fits", "over budget", "refused")},
        "estimate_error": {
            name: {"candidates": len(values), "mean": round(sum(values) / len(values), 4), "largest": max(values)}
            if values
            else None
            for name, values in told.items()
        },
        "front": entries,
        "chart": {
            "axes": study.objectives,
            "points": [
                {
                    "trial": row["trial"],
                    "front": row["trial"] in numbers,
                    "state": row["state"],
                    **{name: row["figures"][name] for name in study.objectives},
                }
                for row in rows
                if "figures" in row
            ],
        },
        "trials": [{key: value for key, value in row.items() if key not in ("plan", "files")} for row in rows],
    }


def csv(data):
    """Return the chart of a :func:`report` as CSV, a line per trial with figures."""
    axes = data["chart"]["axes"]
    lines = [",".join(("trial", "front", "state", *axes))]
    lines += [
        ",".join(str(point[name]) for name in ("trial", "front", "state", *axes)) for point in data["chart"]["points"]
    ]
    return "\n".join(lines) + "\n"


def write(folder, data):
    """Write ``front.json`` and ``pareto.csv`` into ``folder``."""
    write_json(Path(folder) / "front.json", data)
    write_text(Path(folder) / "pareto.csv", csv(data))


def show(data, board, console):
    """Print the front of a :func:`report` as a table, and what its estimates are worth."""
    from s2nn_hw.report.show.tables import make_table

    axes = [axis["figure"] for axis in data["objectives"]]
    wide = console.width >= WIDE
    others = [name for name in ("accuracy", "latency_us", "frames_per_second", "energy_nj") if name not in axes]
    names = [name for name in axes + (others if wide else []) if name not in COMPARED]
    lut, block = (board.budget[name].kind for name in COMPARED)
    columns = ["trial", "bits", "plan", "MHz", *(FIGURES[name].title for name in names)]
    for kind in (lut, block):
        columns += [kind, "yosys", "error"] if wide else [kind, "error"]
    rows = []
    for entry in data["front"]:
        values, figures = entry["parameters"], entry["figures"]
        used, error = entry.get("synthesis", {}).get("used"), entry.get("error")
        row = [
            str(entry["trial"]),
            f"{values['input_bits']}/{values['weight_bits']}",
            _plan(values),
            f"{values['clock_mhz']:g}",
            *(_text(name, figures.get(name)) for name in names),
        ]
        for name in COMPARED:
            row += [
                _text(name, figures[name]),
                *([_text(name, used and used[name])] if wide else []),
                _signed(error and error[name]),
            ]
        rows.append(row)
    name, counts = data["settings"]["source"]["name"], data["counts"]
    console.print(make_table(f"{name} on {board.title}: the front (bits: of pixels / weights)", columns, rows))
    total = sum(counts.values())
    console.print(
        f"{total} trials: {counts['fits']} within the budget, {counts['over budget']} beyond it, "
        f"{counts['refused']} that stand for no circuit; {len(data['front'])} on the front"
    )
    for name, kind in zip(COMPARED, (lut, block), strict=True):
        found = data["estimate_error"][name]
        if found:
            console.print(
                f"estimate against yosys, {kind}: {100 * found['mean']:.1f} % off on average, "
                f"{100 * found['largest']:.1f} % at most ({found['candidates']} synthesised)"
            )
    for entry in data["front"]:
        if "failed" in entry.get("synthesis", {}):
            console.print(f"trial {entry['trial']} was not synthesised: {entry['synthesis']['failed']}")


def _plan(values):
    return f"pace {values['pace']}" if values["plan"] == "planner" else values["plan"]


def _text(name, value):
    return "-" if value is None else f"{value:,.{FIGURES[name].digits}f}"


def _signed(share):
    return "-" if share is None else f"{100 * share:+.1f} %"
