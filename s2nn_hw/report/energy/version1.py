"""Arithmetic energy per image, an estimate: operations counted on real images times the cost of one in 45 nm.

    E = sum over layers of (synaptic operations) * e_add              ours: a spike adds one weight per connection
    E = sum over layers of (connections) * (e_multiply + e_add)       the same topology as a float network

Constants: M. Horowitz, "Computing's energy problem", ISSCC 2014, 45 nm, in pJ. An addition here is charged as a
32-bit integer addition, although accumulators are 6 to 16 bits wide: the table has 8 and 32 bits, and the dearer is
taken. The 8-bit price is given beside it as the other end.
"""

PJ = {
    "fp32_multiply": 3.7, "fp32_add": 0.9, "int32_multiply": 3.1, "int32_add": 0.1, "int8_multiply": 0.2,
    "int8_add": 0.03,
}
SOURCE = "Horowitz, ISSCC 2014, 45 nm"
LEFT_OUT = "memory reads, clock, leakage, wires, neurons and input/output"


def energy(layers):
    """Return the JSON-able estimate from rows with ``connections`` and ``synaptic_operations`` (per image)."""
    additions = sum(row["synaptic_operations"] for row in layers)
    synapses = sum(row["connections"] for row in layers)
    ours = additions * PJ["int32_add"] / 1000
    ann = synapses * (PJ["fp32_multiply"] + PJ["fp32_add"]) / 1000
    small = synapses * (PJ["int8_multiply"] + PJ["int32_add"]) / 1000
    return {
        "kind": "estimate",
        "what": "arithmetic per image",
        "left_out": LEFT_OUT,
        "source": SOURCE,
        "picojoules": PJ,
        "additions": round(additions, 1),
        "addition_charged_as": "int32_add",
        "network_nj": round(ours, 3),
        "network_nj_at_int8_add": round(additions * PJ["int8_add"] / 1000, 3),
        "ann_synapses": synapses,
        "ann_float32_nj": round(ann, 3),
        "ann_int8_nj": round(small, 3),
        "ann_float32_to_network": round(ann / ours, 2) if ours else None,
        "ann_int8_to_network": round(small / ours, 2) if ours else None,
    }
