"""Reports (``s2nn-report``, version 2) for tests, made by hand: a dense network and a residual one.

Figures are like those of ``mnist-mlp`` and ``cifar10-resnet`` on an ULX3S, but they are no results.
"""

import hashlib

from tests.support.report_energy import arithmetic_part, device_part
from tests.support.report_rows import DENSE, RESIDUAL
from tests.support.report_tables import bounds_part, layers_part, logic_part, timeline_part
from tests.support.report_values import q, stats, table

CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


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
        "timeline": timeline_part(rows),
        "layers": layers_part(rows),
        "bounds": bounds_part(rows),
        "logic": logic_part(luts, clock) if board else None,
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
            "arithmetic": arithmetic_part(rows),
            "device": device_part(rows, rate, link) if board and activity else None,
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
