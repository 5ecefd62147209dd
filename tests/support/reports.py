"""Reports (``s2nn-report``, version 2) for tests, made by hand: a dense network and a residual one.

Figures are like those of ``mnist-mlp`` and ``cifar10-resnet`` on an ULX3S, but they are no results.
"""

import hashlib
from math import exp, prod

# name, sources, engine, shape, synapses, connections, bits, banks, ones in, share, taps, operations, out, alone,
# LUTs, block RAMs
DENSE = (
    ("hidden1", "input", "event", "256", 200_704, 200_704, 3, 2, 208.6, 0.133, 208.6, 53_404.1, 35.6, 107.9, 6_480, 44),
    ("hidden2", "hidden1", "event", "256", 65_536, 65_536, 3, 1, 35.6, 0.139, 35.6, 9_119.4, 29.4, 35.61, 4_510, 22),
    ("readout", "hidden2", "event", "10", 2_560, 2_560, 4, 1, 29.4, 0.115, 29.4, 294.3, None, 29.43, 760, 2),
)
RESIDUAL = (
    (
        "stem",
        "input",
        "parallel",
        "32x32x32",
        864,
        884_736,
        4,
        36,
        6_051.4,
        0.492,
        52_142.5,
        1_668_560.3,
        6_147.0,
        4_096.0,
        5_100,
        0,
    ),
    (
        "block1a",
        "stem",
        "event",
        "16x16x64",
        18_432,
        4_718_592,
        4,
        1,
        6_147.0,
        0.188,
        12_885.8,
        824_694.1,
        2_484.4,
        12_858.9,
        3_050,
        9,
    ),
    (
        "block1b",
        "block1a, stem",
        "event",
        "16x16x64",
        38_912,
        9_961_472,
        6,
        1,
        8_631.4,
        0.176,
        22_204.9,
        1_421_116.7,
        2_802.5,
        20_712.8,
        3_900,
        18,
    ),
    (
        "block2a",
        "block1b",
        "event",
        "8x8x128",
        73_728,
        4_718_592,
        3,
        1,
        2_802.5,
        0.171,
        5_781.0,
        739_964.0,
        1_423.3,
        5_781.4,
        4_200,
        27,
    ),
    (
        "block2b",
        "block2a, block1b",
        "event",
        "8x8x128",
        155_648,
        9_961_472,
        6,
        1,
        4_225.8,
        0.172,
        11_653.6,
        1_491_656.6,
        1_133.3,
        10_984.7,
        5_050,
        54,
    ),
    (
        "readout",
        "block2b",
        "event",
        "10",
        81_920,
        81_920,
        4,
        1,
        1_133.3,
        0.138,
        1_133.3,
        11_333.0,
        None,
        1_140.0,
        760,
        20,
    ),
)
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BAND = [0.85, 1.15]


def q(value, unit, source, by=None, band=None):
    return (
        {"value": value, "unit": unit, "source": source} | ({"by": by} if by else {}) | ({"band": band} if band else {})
    )


def estimate(value, unit, by, low=0.6, high=1.6):
    return q(value, unit, "estimate", by, [round(low * value, 3), round(high * value, 3)])


def table(columns, rows):
    """``columns``: name -> (unit, source) or (unit, source, by) or (unit, "estimate", by, band)."""
    keys = ("unit", "source", "by", "band")
    return {
        "columns": {name: dict(zip(keys, said, strict=False)) for name, said in columns.items()},
        "rows": [dict(zip(("name", *columns), row, strict=True)) for row in rows],
    }


def stats(low, mean, high, unit, source="formula", bins=32):
    """A bell with a tail between ``low`` and ``high`` as a ``Stats`` with a histogram."""
    edges = [round(low + (high - low) * k / bins, 4) for k in range(bins + 1)]
    counts = [round(900 * exp(-(((edges[k] - mean) / (0.17 * (high - low))) ** 2))) for k in range(bins)]
    counts[0], counts[-1] = counts[0] + 1, counts[-1] + 1
    return {
        "unit": unit,
        "source": source,
        "min": low,
        "mean": mean,
        "median": mean - 0.01 * (high - low),
        "p99": round(low + 0.82 * (high - low), 3),
        "max": high,
        "histogram": {"edges": edges, "counts": counts},
    }


def _layers(rows):
    text, model, plan = ("", "setting"), ("golden model",), ("", "setting", "the plan")
    cost = ("estimate", "counted part by part", BAND)
    columns = {
        "engine": plan,
        "shape": text,
        "sources": text,
        "synapses": ("", "formula"),
        "neurons": ("", "formula"),
        "connections": ("", "formula"),
        "bits": ("bit", "setting"),
        "accumulator_bits": ("bit", "formula"),
        "lanes": plan,
        "groups": plan,
        "banks": plan,
        "active_inputs": ("ones/frame", *model),
        "active_share": ("share", *model),
        "active_taps": ("ones/frame", *model),
        "synaptic_operations": ("operations/frame", *model),
        "spikes_out": ("spikes/frame", *model),
        "neurons_out": ("", "formula"),
        "spike_rate": ("share", *model),
        "luts": ("LUT4", *cost),
        "ffs": ("FF", *cost),
        "brams": ("DP16KD", *cost),
        "packing": ("share", *cost),
        "alone_interval": ("cycles", "formula"),
        "bound": ("cycles", "formula"),
        "alone_to_bound": ("ratio", "formula"),
    }
    made = []
    for (
        name,
        sources,
        engine,
        shape,
        synapses,
        connections,
        bits,
        banks,
        ones,
        share,
        taps,
        operations,
        out,
        alone,
        luts,
        brams,
    ) in rows:
        outputs = prod(map(int, shape.split("x")))
        made.append(
            (
                name,
                engine,
                shape,
                sources,
                synapses,
                int(shape.split("x")[-1]),
                connections,
                bits,
                bits + 7,
                int(shape.split("x")[-1]),
                1,
                banks,
                ones,
                share,
                taps,
                operations,
                out,
                outputs,
                None if out is None else round(out / outputs, 5),
                luts,
                round(0.85 * luts),
                brams,
                0.86,
                alone,
                round(0.97 * alone, 2),
                1.031,
            )
        )
    return table(columns, made)


def _bounds(rows):
    columns = dict.fromkeys(("words_bound", "adders_bound", "memory_bound", "bound"), ("cycles", "formula"))
    columns |= {
        "interval": ("cycles", "formula"),
        "ratio": ("ratio", "formula"),
        "additions_per_cycle": ("additions/cycle", "formula"),
        "weight_bits_per_cycle": ("bit/cycle", "formula"),
    }
    made = []
    for name, _, engine, _, _, _, bits, *_, operations, _, alone, _, _ in rows:
        rate = round(operations / alone, 2)
        made.append(
            (
                name,
                round(alone / 7, 2),
                round(alone / 3.3, 2),
                round(0.97 * alone, 2),
                round(0.97 * alone, 2),
                alone,
                1.031,
                rate,
                0 if engine == "parallel" else round(rate * bits, 2),
            )
        )
    return {
        "device": {
            "adders_per_cycle": q(10_455, "additions/cycle", "formula", "one 8-bit adder per 8 LUTs"),
            "bram_bits_per_cycle": q(7_488, "bit/cycle", "formula", "208 DP16KD of 36 bits"),
            "additions": q(sum(row[11] for row in rows), "additions/frame", "golden model"),
            "weight_bits": q(sum(row[11] * row[6] for row in rows), "bits/frame", "golden model"),
            "bound": q(25.2, "cycles", "formula"),
            "bound_by": "memory",
            "interval": q(107.9, "cycles", "formula"),
            "ratio": q(4.28, "ratio", "formula"),
        },
        "layers": table(columns, made),
    }


def _arithmetic(rows):
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


def _device(rows, rate, link):
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


def _logic(luts, clock):
    """Return the section of a circuit with weights in logic."""
    parts = dict(
        zip(("encoder", "tables", "trees", "readout", "argmax", "rest"), (0.1, 0.4, 0.2, 0.2, 0.06, 0.04), strict=True)
    )

    def guess(value, unit):
        return q(value, unit, "estimate", "counted part by part", [0.85 * value, 1.2 * value])

    counts = {"total": luts, "without_encoder": round(0.9 * luts), "encoder": round(0.1 * luts)}
    return {
        "streaming": True,
        "initiation_interval": q(1, "cycles", "formula"),
        "latency": {"cycles": q(6, "cycles", "formula"), "ns": q(6000 / clock, "ns", "formula")},
        "luts": {name: guess(count, "LUT4") for name, count in counts.items()},
        "lut_ns": {name: guess(counts[name] * 6000 / clock, "LUT4 ns") for name in ("total", "without_encoder")},
        "parts": table(
            {"luts": ("LUTs", "estimate", "counted", BAND), "share": ("share", "estimate", "counted", BAND)},
            [(name, round(luts * share), share) for name, share in parts.items()],
        ),
        "layers": None,
    }


def _timeline(rows, frames=5):
    made, ends = [], [0.0] * len(rows)
    for frame in range(frames):
        begin = 0.0
        for k, row in enumerate(rows):
            begin = max(begin + 8, ends[k])
            ends[k] = round(max(begin + row[13] * (0.8 + 0.1 * frame), ends[k - 1] + 4 if k else 0), 1)
            made.append({"layer": row[0], "frame": frame, "begin": begin, "end": ends[k]})
    return {"unit": "cycles", "source": "formula", "frames": frames, "rows": made}


def sample(*, residual=False, board=True, activity=True, measured=False, accuracy=None):
    """Return a whole report. ``board``: on one, and built; ``activity``, ``measured``: has energy of the device."""
    rows = RESIDUAL if residual else DENSE
    name, classes = ("cifar10-resnet", CIFAR) if residual else ("mnist-mlp", [str(k) for k in range(10)])
    slowest = max(row[13] for row in rows)
    low, mean, high = (0.45 * slowest, slowest, 1.55 * slowest) if residual else (17.0, 107.868, 261.0)
    clock, link = 80.0, 48.5 if residual else 485.4
    rate = round(clock * 1e6 / mean, 1)
    luts, ffs = sum(row[14] for row in rows) + 1_100, round(0.85 * sum(row[14] for row in rows)) + 600
    brams = sum(row[15] for row in rows)
    used = {
        "luts": ("LUT4", luts, 83_640),
        "ffs": ("FF", ffs, 83_640),
        "brams": ("DP16KD", brams, 208),
        "dsps": ("MULT18X18D", 0, 156),
    }
    accuracy = accuracy or (0.7547 if residual else 0.9903)
    latency = stats(round(1.1 * low + 100), round(1.3 * mean + 63), round(1.25 * high + 12), "cycles")
    seconds = stats(*(round(latency[key] / clock, 4) for key in ("min", "mean", "max")), "us")
    interval = stats(round(low), mean, round(high), "cycles")
    share = {row[0]: 0.0 for row in rows} | (
        {"block1b": 0.94, "block1a": 0.06} if residual else {"hidden1": 0.968, "hidden2": 0.021, "readout": 0.011}
    )
    reading = {
        "file": "board.csv",
        "instrument": "USB meter, 10 mW steps",
        "board_w": q(1.92, "W", "measured"),
        "idle_w": q(1.71, "W", "measured"),
        "frames_per_second": q(link, "frames/s", "measured"),
        "nj_per_frame": q(432_600.0, "nJ/frame", "measured"),
        "to_estimate": 1.3,
    }
    return {
        "format": "s2nn-report",
        "version": 2,
        "tool": "s2nn-hw 0.3.0",
        "created": "2026-01-02T03:04:05Z",
        "network": {
            "name": name,
            "digest": hashlib.sha256(name.encode()).hexdigest(),
            "input": {"shape": [32, 32, 3] if residual else [28, 28, 1], "bits": 4 if residual else 2},
            "classes": classes,
            "data_set": "CIFAR-10" if residual else "MNIST",
            "synapses": q(sum(row[4] for row in rows), "", "formula"),
            "memory_bits": q(sum(row[4] * row[6] for row in rows), "bit", "formula"),
        },
        "images": {"count": 10_000, "source": f"{'cifar10' if residual else 'mnist'} test set"},
        "accuracy": q(accuracy, "share", "golden model", "on the images"),
        "plan": {"format": "s2nn-plan", "version": 1, "layers": [{"name": row[0], "banks": row[7]} for row in rows]},
        "board": {"name": "ulx3s", "title": "ULX3S (85F)", "device": "LFE5U-85F", "family": "ecp5", "synthesised": True}
        if board
        else None,
        "clock": {
            "wanted": q(clock, "MHz", "setting"),
            "reached": q(88.4, "MHz", "tool report", "nextpnr-ecp5"),
            "used": q(clock, "MHz", "setting"),
        }
        if board
        else None,
        "resources": {
            key: {
                "kind": kind,
                "used": q(count, kind, "tool report", "nextpnr-ecp5"),
                "budget": q(budget, kind, "setting", "LFE5U-85F"),
                "estimated": q(
                    round(0.96 * count),
                    kind,
                    "estimate",
                    "counted part by part",
                    [round(0.82 * count), round(1.1 * count)],
                ),
            }
            for key, (kind, count, budget) in used.items()
        }
        if board
        else None,
        "fits": (brams <= 208) if board else None,
        "latency": {"frames": 10_000, "sequence": 100, "cycles": latency, "us": seconds if board else None},
        "interval": {
            "cycles": interval,
            "us": stats(*(round(interval[key] / clock, 4) for key in ("min", "mean", "max")), "us") if board else None,
        },
        "rate": {
            "circuit": q(rate, "frames/s", "formula", "clock over the mean interval"),
            "link": q(link, "frames/s", "formula", "UART, 1,000,000 baud"),
            "total": q(link, "frames/s", "formula"),
            "limited_by": "link",
        }
        if board
        else None,
        "verified": {
            "simulator": "Verilator 5.048",
            "images": 1_000,
            "simulated_frames": 1_000,
            "compared": ["classes", "scores", "cycles"],
            "differences": 0,
        },
        "limiting": table(
            {"frames": ("frames", "formula"), "share": ("share", "formula")},
            [(layer, round(10_000 * part), part) for layer, part in share.items()],
        ),
        "timeline": _timeline(rows),
        "layers": _layers(rows),
        "bounds": _bounds(rows),
        "logic": _logic(luts, clock) if board else None,
        "link": {
            "kind": "UART, 8N1",
            "baud": q(1_000_000, "baud", "setting"),
            "request_bytes": q(206, "byte/frame", "formula"),
            "reply_bytes": q(32, "byte/frame", "formula"),
            "rate": q(link, "frames/s", "formula"),
        }
        if board
        else None,
        "energy": {
            "arithmetic": _arithmetic(rows),
            "device": _device(rows, rate, link) if board and activity else None,
            "sanity": [
                {
                    "what": "a whole board with a network of about this size",
                    "device": "Arty A7-100T",
                    "of": "board",
                    "value": q(1.6, "W", "measured"),
                    "to_estimate": 4.5,
                    "plausible": True,
                    "source": "a paper",
                    "verdict": "the core's estimate is below the whole board, as it must be",
                }
            ],
            "measured": reading if measured else None,
        },
        "build": {
            "folder": "mnist-mlp-ulx3s",
            "flow": "open",
            "digest": "0" * 16,
            "bitstream": "top.bit",
            "missing": [],
            "critical_path": "11.3 ns through hidden1's priority encoder",
            "tools": {"yosys": "0.70"},
        }
        if board
        else None,
        "reproduce": [
            f"s2nn-hw bitstream models/{name}.s2nn --board ulx3s",
            f"s2nn-hw report models/{name}.s2nn --board ulx3s -o report.json",
        ],
    }
