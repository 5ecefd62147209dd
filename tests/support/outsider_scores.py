"""The second reader's meaning: ``scores(net, images)`` of what :func:`.outsider.read` returned, in plain loops."""

import numpy as np

from tests.support.outsider import NEURONS


def scores(net, images):
    """Return the scores, int64 ``(count, classes)``, of integer ``images`` ``(count, *shape)``, and the classes.

    A tensor is a list of its planes, the first first. Events are ``(count, steps, *shape)``.
    """
    values = {"input": entered(net, images)}
    for entry in net["header"]["layers"]:
        sources = [values[name] for name in entry["sources"]]
        if "neuron" not in entry:
            values[entry["name"]] = joined(net, entry, sources)
            continue
        result = values[entry["name"]] = left(entry["neuron"], own(net, entry), sums(net, entry, sources))
    return result, np.array([row.index(max(row)) for row in result.tolist()])


def entered(net, images):
    """The planes of the input."""
    count, tables, signs = net["planes"]["input"][0], net["tables"], "signed" in net["header"]["input"]
    if "code" in net["header"]["input"]:
        return [images[:, t].astype(np.int64) for t in range(count)]
    if "input.step" in tables:
        raw, most = images.astype(np.float64), 2**count - 1
        raw = np.where(np.isnan(raw), tables.get("input.missing", 0), raw)
        places = np.rint((raw - tables["input.offset"]) / tables["input.step"])
        low = -(most + 1) // 2 if signs else 0
        return bits_of(np.clip(places, low, low + most).astype(np.int64), count)
    whole_ones = signs or count > 8
    return bits_of(images.astype(np.int64) >> (0 if whole_ones else 8 - count), count)


def joined(net, entry, sources):
    """The planes of a pooling or OR."""
    synapse, shape, code = entry["synapse"], net["shapes"][entry["name"]], net["planes"][entry["sources"][0]][1]
    if synapse["kind"] == "maxpool":
        return bits_of(pool(synapse, [numbers(x, code) for x in sources], shape), len(sources[0]))
    return [pool(synapse, list(now), shape) for now in zip(*sources, strict=True)]


def sums(net, entry, sources):
    """The accumulators of a layer with weights: of all planes, or a list of each step's."""
    many = [entry["synapse"]] if "synapse" in entry else entry["synapses"]
    code = net["planes"][entry["sources"][0]][1]
    stepwise = entry["neuron"]["kind"] in ("integrate", "leaky_readout") and code == "steps"
    minus = "signed" in net["header"]["input"] and entry["sources"] == ["input"]
    seen = [x if stepwise else [numbers(x, code) - (x[0] << len(x) if minus else 0)] for x in sources]
    return [
        sum(
            accumulated(s, net["tables"][s["weights"]].astype(np.int64), x, net["shapes"][entry["name"]])
            for s, x in zip(many, now, strict=True)
        )
        for now in zip(*seen, strict=True)
    ]


def own(net, entry):
    """The tables of a layer's neurons."""
    tables = NEURONS[entry["neuron"]["kind"]][1]
    return {key: net["tables"][f"{entry['name']}.{key}"].astype(np.int64) for key in tables}


def twice(value):
    return value if isinstance(value, list) else (value, value)


def numbers(x, code):
    return sum(plane << (len(x) - 1 - p) if code == "radix" else plane for p, plane in enumerate(x))


def bits_of(number, count):
    return [number >> (count - 1 - p) & 1 for p in range(count)]


def left(entry, tables, totals):
    """What leaves neurons: planes, or the scores."""
    kind, steps, fraction = entry["kind"], entry.get("steps", 1), entry.get("fraction", 0)
    if kind == "fire":
        return [(totals[0] >= tables["thresholds"]).astype(np.int64)]
    if kind == "readout":
        return totals[0] + tables["bias"]
    if kind == "ttfs":
        level = (((totals[0] << fraction) + tables["starts"]) // tables["thresholds"]).clip(0, entry["slots"])
        return bits_of(level, {3: 2, 7: 3, 15: 4, 31: 5}[entry["slots"]])
    if kind == "quantized":
        most = 2**steps - 1 if entry["code"] == "radix" else steps
        level = (((totals[0] << fraction) + tables["starts"]) // tables["thresholds"]).clip(0, most)
        return (
            bits_of(level, steps) if entry["code"] == "radix" else [(level > t).astype(np.int64) for t in range(steps)]
        )
    membrane, spikes, leak = 0 * totals[0] + tables.get("starts", 0), [], entry["leak"]
    for t in range(steps):
        bias = tables["bias" if kind == "leaky_readout" else "biases"]
        membrane = (
            membrane - (membrane >> leak if leak else 0) + (totals[t if len(totals) > 1 else 0] << fraction) + bias
        )
        if kind == "leaky_readout":
            continue
        spike = membrane >= tables["thresholds"]
        after = tables["resets"] if entry["reset"] == "hard" else membrane - tables["resets"]
        membrane = np.where(spike, after, membrane)
        spikes.append(spike.astype(np.int64))
    return membrane if kind == "leaky_readout" else spikes


def pool(synapse, sources, shape):
    if synapse["kind"] == "or":
        return (sum(sources) > 0).astype(np.int64)
    (high, wide), (down, across), padding = (twice(synapse[key]) for key in ("size", "stride", "padding"))
    around = np.pad(sources[0], ((0, 0), *((n, n) for n in padding), (0, 0)))
    result = np.zeros((len(around), *shape), np.int64)
    for row in range(shape[0]):
        for column in range(shape[1]):
            window = around[:, row * down : row * down + high, column * across : column * across + wide]
            result[:, row, column] = window.max(axis=(1, 2))
    return result


def accumulated(synapse, table, x, shape):
    if synapse["kind"] == "dense":
        return x.reshape(len(x), -1) @ table.T
    x = x if x.ndim == 4 else x[..., None]
    if synapse["kind"] == "pooled_dense":
        high, wide = synapse["pool"]
        rows, columns = x.shape[1] // high, x.shape[2] // wide
        cells = [
            x[:, r * high : (r + 1) * high, c * wide : (c + 1) * wide].sum(axis=(1, 2))
            for r in range(rows)
            for c in range(columns)
        ]
        return np.concatenate(cells, axis=1) @ table.T
    (down, across), padding, groups = twice(synapse["stride"]), twice(synapse["padding"]), synapse["groups"]
    around = np.pad(x, ((0, 0), *((n, n) for n in padding), (0, 0)))
    out, high, wide, inner = table.shape
    result = np.zeros((len(x), *shape), np.int64)
    for row in range(shape[0]):
        for column in range(shape[1]):
            window = around[:, row * down : row * down + high, column * across : column * across + wide]
            for group in range(groups):
                mine = slice(group * out // groups, (group + 1) * out // groups)
                seen = window[..., group * inner : (group + 1) * inner]
                result[:, row, column, mine] = np.einsum("bijn,mijn->bm", seen, table[mine])
    return result
