"""Tables of the reports made by hand: layers, bounds, logic, timeline."""

from math import prod

from tests.support.report_values import BAND, q, table


def layers_part(rows):
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


def bounds_part(rows):
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


def logic_part(luts, clock):
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


def timeline_part(rows, frames=5):
    made, ends = [], [0.0] * len(rows)
    for frame in range(frames):
        begin = 0.0
        for k, row in enumerate(rows):
            begin = max(begin + 8, ends[k])
            ends[k] = round(max(begin + row[13] * (0.8 + 0.1 * frame), ends[k - 1] + 4 if k else 0), 1)
            made.append({"layer": row[0], "frame": frame, "begin": begin, "end": ends[k]})
    return {"unit": "cycles", "source": "formula", "frames": frames, "rows": made}
