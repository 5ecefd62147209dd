"""The second reader's ranges of what lasts for a sequence, from docs/format.md, in Python's integers."""

import numpy as np

from tests.support.outsider_container import need


def check(net):
    """Refuse states that have more than one position, or could leave 32 bits."""
    for entry in net["header"]["layers"]:
        for name, low, high in ranges(net, entry):
            need(len(net["shapes"][entry["name"]]) == 1, "one position")
            need(min(low) >= -(2**31) and max(high) < 2**31, f"{entry['name']}: {name} of 32 bits")


def ranges(net, entry):
    """Yield the name of each state, or accumulator, and its least and largest values by neuron."""
    if "neuron" not in entry:
        return
    kind, cell = entry["neuron"]["kind"], entry["neuron"]
    tables = {key: net["tables"][name].tolist() for key, name in cell.items() if name in net["tables"]}
    if kind == "sigma_delta_encoder":
        yield "v", [0], [2 * max(tables["thresholds"]) - 1]
    if kind not in ("sigma_delta_encoder", "sigma_delta", "adaptive", "lif", "low_pass") and kind[:-8] not in (
        "integrator",
        "max",
        "last_half",
    ):
        return
    least, most = (sum_ends(net, entry, side) << cell["fraction"] for side in (0, 1))
    bias = np.array(tables.get("biases", tables.get("bias")), object)
    down, up = least + np.minimum(bias, 0), most + np.maximum(bias, 0)
    leak = cell.get("leak", 0)
    ticks = min(net["ticks"], 2**leak) if leak else net["ticks"]
    theta = cell["gain"] << cell["fraction"] if "gain" in cell else 0
    if kind in ("sigma_delta_encoder", "low_pass"):
        yield "a", down, up
    if kind in ("sigma_delta", "adaptive"):
        low, high = ticks * least, ticks * most
        yield "u", low, high
        low, high = low >> leak, high >> leak
        if kind == "sigma_delta":
            yield "v", np.minimum(0, np.minimum(low, low + bias)), theta - 1 + np.maximum(high, high + bias)
            return
        low, high = np.minimum(low, np.minimum(low + bias, 0)), np.maximum(high, np.maximum(high + bias, 0))
        yield "p", low, ticks * high
        yield "f", [0], [ticks * theta]
        yield "v", [-ticks * ticks * theta], ticks * high
    if kind in ("integrator_readout", "max_readout"):
        yield "m", ticks * down, ticks * up
    if kind == "last_half_readout":
        yield "y", (net["ticks"] // 2 + 1) * down, (net["ticks"] // 2 + 1) * up
    if kind == "lif":
        yield "m", *lif_range(tables, cell, down, up, ticks)


def lif_range(tables, cell, down, up, ticks):
    lows, highs, leak = [], [], cell["leak"]
    for theta, reset, low, high in zip(tables["thresholds"], tables["resets"], down, up, strict=True):
        soft = cell["reset"] == "soft"
        bottom = min(theta - reset if soft else reset, 0) + ticks * low
        top = ticks * high if soft else max(reset, 0) + ticks * high
        settles = high <= reset if soft else reset < theta
        rests = min(top, max(theta - 1, 0)) if settles else top
        lows.append(bottom)
        highs.append(max(rests, min(top, rests - (rests >> leak if leak else 0) + high)))
    return lows, highs


def sum_ends(net, entry, side):
    """Return the least (``side`` 0) or largest sums of a layer, Python's integers, 0 among what comes."""
    many = [entry["synapse"]] if "synapse" in entry else entry["synapses"]
    count, code = net["planes"][entry["sources"][0]]
    low, high = 0, 2**count - 1 if code == "radix" else count
    if entry["sources"] == ["input"] and "signed" in net["header"]["input"]:
        low, high = -(2 ** (count - 1)), 2 ** (count - 1) - 1
    total = 0
    for synapse in many:
        rows = net["tables"][synapse["weights"]].astype(object)
        ends = np.array([rows * low, rows * high])
        total = total + (ends.max(axis=0) if side else ends.min(axis=0)).reshape(len(rows), -1).sum(axis=1)
    return total
