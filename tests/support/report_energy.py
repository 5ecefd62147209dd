"""Energy of the reports made by hand: of arithmetic and of a device."""

from tests.support.report_values import estimate, q, table


def arithmetic_part(rows):
    operations, connections = sum(row[11] for row in rows), sum(row[5] for row in rows)
    names = (
        ("this network", "additions of spikes", operations, 0, 1.0),
        ("float32 ANN", "multiply and add", connections, connections, 16.0),
        ("int8 ANN", "multiply and add", connections, connections, 4.0),
        ("BNN", "XNOR and popcount", connections, 0, 0.4),
        ("SNN, T = 2", "additions of spikes", 2 * operations, 0, 1.9),
        ("SNN, T = 4", "additions of spikes", 4 * operations, 0, 3.8),
        ("SNN, T = 8", "additions of spikes", 8 * operations, 0, 7.6),
    )
    cost = ("nJ/frame", "estimate", "Horowitz, ISSCC 2014, 45 nm", [0.5, 2.0])
    models = []
    for name, what, additions, multiplications, scale in names:
        arithmetic = (0.1 * additions + 3.7 * multiplications * (scale > 5) + 0.2 * multiplications) / 1000
        memory = 0.0009 * connections * scale
        models.append(
            (
                name,
                what,
                additions,
                multiplications,
                32 * scale * operations,
                scale * operations,
                round(arithmetic, 3),
                round(memory, 3),
                round(arithmetic + memory, 3),
                0,
            )
        )
    ours = models[0][8]
    models = [(*row[:9], round(row[8] / ours, 2)) for row in models]
    return {
        "constants": {
            "source": "Horowitz, ISSCC 2014, 45 nm",
            "picojoules": {"int32_add": 0.1, "fp32_multiply": 3.7},
            "sram": [{"bytes": 8192, "picojoules": 10.0}],
        },
        "left_out": "clock, leakage, wires, comparisons with thresholds, argmax, input and output",
        "models": table(
            {
                "operations": ("", "formula"),
                "additions": ("1/frame", "golden model"),
                "multiplications": ("1/frame", "formula"),
                "memory_reads": ("bit/frame", "golden model"),
                "memory_writes": ("bit/frame", "golden model"),
                "arithmetic_nj": cost,
                "memory_nj": cost,
                "total_nj": cost,
                "to_network": ("ratio", *cost[1:]),
            },
            models,
        ),
        "layers": table(
            {"synaptic_operations": ("operations/frame", "golden model"), "arithmetic_nj": cost, "memory_nj": cost},
            [(row[0], row[11], round(row[11] / 1e4, 3), round(row[11] / 3e3, 3)) for row in rows],
        ),
    }


def device_part(rows, rate, link):
    names = [row[0] for row in rows] + ["other"]
    weights = [row[14] for row in rows] + [900]
    classes, shares = ("lut", "ff", "bram", "clock", "io"), (0.31, 0.09, 0.38, 0.2, 0.02)
    dynamic, band = sum(weights) / 40, [0.5, 2.0]
    by = "toggles of the netlist times published coefficients"
    cost = ("nJ", "estimate", by, band)
    layers = []
    for name, weight in zip(names, weights, strict=True):
        parts = [round(dynamic * weight / sum(weights) * share, 3) for share in shares]
        layers.append((name, *parts, round(sum(parts), 3), round(weight / sum(weights), 4)))

    def at(frames):
        work = {"dynamic": dynamic, "static": 1e9 * 0.12 / frames}
        work["total"] = sum(work.values())
        return {
            "rate": q(frames, "frames/s", "formula"),
            "frame": {f"{key}_nj": estimate(round(nj, 2), "nJ", by) for key, nj in work.items()},
            "power": {f"{key}_mw": estimate(round(nj * frames / 1e6, 2), "mW", by) for key, nj in work.items()},
        }

    return at(rate) | {
        "netlist": "the accelerator without its link, after synthesis",
        "frames": 20,
        "simulator": "Verilator 5.048",
        "device": "LFE5U-85F",
        "coefficients": [
            {"name": "lut", "value": 0.35, "unit": "pJ", "low": 0.2, "high": 0.6, "basis": "none", "source": "made up"}
        ],
        "at_link": at(link),
        "classes": table(
            {"events": ("events/frame", "simulation")}
            | dict.fromkeys(("nj", "low_nj", "high_nj"), cost)
            | {"share": ("share", *cost[1:])},
            [
                (name, round(4e4 * share), *(round(dynamic * share * part, 2) for part in (1, 0.6, 1.7)), share)
                for name, share in zip(classes, shares, strict=True)
            ],
        ),
        "layers": table(dict.fromkeys(classes, cost) | {"nj": cost, "share": ("share", *cost[1:])}, layers),
        "saif": "activity.saif",
        "vivado": None,
    }
