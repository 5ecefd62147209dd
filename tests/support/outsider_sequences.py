"""The second reader's sequences: tick by tick, one sequence after the other, in the words of docs/format.md."""

from itertools import pairwise

import numpy as np

from tests.support.outsider_scores import bits_of, entered, joined, left, own, sums

LASTING = ("sigma_delta_encoder", "sigma_delta", "adaptive", "lif", "low_pass")


def run(net, frames, offsets):
    """Return ``(scores, values, states)``: scores int64 ``(count, classes)``; by layer and tick, all sequences behind
    each other, what left (numbers and their bits as ``.s2nn`` counts them) and the states by name."""
    scores, values, states = [], {}, {}
    for first, end in pairwise(offsets):
        scores.append(alone(net, frames[first:end], values, states))
    stacked = {layer: {n: np.array(rows) for n, rows in found.items()} for layer, found in states.items()}
    return np.array(scores), {name: np.array(rows) for name, rows in values.items()}, stacked


def alone(net, frames, values, states):
    header, memory, before, seen = net["header"], {}, {}, []
    for frame in frames:
        for _ in range(header["input"]["ticks"]):
            now = {"input": entered(net, frame[None])}
            for entry in header["layers"]:
                name, delays = entry["name"], entry.get("delays", [0] * len(entry["sources"]))
                sources = [
                    before.get(source, silence(net, source)) if delay else now[source]
                    for source, delay in zip(entry["sources"], delays, strict=True)
                ]
                if "neuron" not in entry:
                    now[name] = joined(net, entry, sources)
                    continue
                totals, kind = sums(net, entry, sources), entry["neuron"]["kind"]
                if entry is header["layers"][-1]:
                    seen.append(totals)
                elif kind in LASTING:
                    now[name] = tick(entry["neuron"], own(net, entry), totals[0][0], memory.setdefault(name, {}))
                    for state, value in memory[name].items():
                        states.setdefault(name, {}).setdefault(state, []).append(value)
                else:
                    now[name] = left(entry["neuron"], own(net, entry), totals)
            for name, planes in now.items():
                whole = sum(plane << (len(planes) - 1 - p) for p, plane in enumerate(planes))
                values.setdefault(name, []).append(whole.reshape(-1))
            before = now
    last = header["layers"][-1]
    return read_out(last["neuron"], own(net, last), seen)


def silence(net, source):
    return [np.zeros((1, *net["shapes"][source]), np.int64)] * net["planes"][source][0]


def tick(cell, tables, a, s):
    """One tick of neurons with sums ``a`` and states ``s`` by name, which are brought up to date; what leaves."""
    kind, k, f = cell["kind"], cell.get("leak", 0), cell["fraction"]
    zero = 0 * a
    if kind == "sigma_delta_encoder":
        theta = tables["thresholds"]
        d0 = np.clip((a << f) + tables["biases"], 0, theta)
        v = s.get("v", zero) + d0
        spikes = v >= theta
        s.update(d=d0, v=v - theta * spikes)
    elif kind == "sigma_delta":
        u, v, g = s.get("u", zero), s.get("v", zero), cell["gain"] << f
        u = u - (u >> k) + (a << f)
        v = np.clip(v + (u >> k) + tables["biases"], 0, 2 * g - 1)
        spikes = v >= g
        s.update(u=u, v=v - spikes * g)
    elif kind == "adaptive":
        u, p, v, back = (s.get(name, zero) for name in "upvf")
        u = u - (u >> k)
        u = u + (a << f)
        p = np.maximum(p - (p >> k) + (u >> k) + tables["biases"], 0)
        v = v - (v >> k) + p - back
        spikes = v > 0
        v = np.where(spikes, 0, v)
        back = back - (back >> k) + (cell["gain"] << f) * spikes
        s.update(u=u, p=p, v=v, f=back)
    elif kind == "lif":
        m = s.get("m", zero)
        m = (m - (m >> k) if k else m) + (a << f) + tables["biases"]
        spikes = m >= tables["thresholds"]
        s.update(m=np.where(spikes, m - tables["resets"] if cell["reset"] == "soft" else tables["resets"], m))
    else:
        h = s.get("h", zero)
        y = np.clip(((a << f) + tables["biases"]) >> cell["shift"], 0, 255)
        s.update(h=h + ((y - h) >> k))
        return bits_of((s["h"] >> (8 - cell["bits"]))[None], cell["bits"])
    return [spikes.astype(np.int64)[None]]


def read_out(cell, tables, totals):
    """The scores of a sequence whose last layer had ``totals`` in its ticks."""
    kind, k = cell["kind"], cell.get("leak", 0)
    if kind in ("readout", "leaky_readout"):
        return left(cell, tables, totals[-1])[0]
    z = [(now[0][0] << cell["fraction"]) + tables["bias"] for now in totals]
    if kind == "last_half_readout":
        return np.sum(z[len(z) // 2 :], axis=0)
    m, seen = 0 * z[0], []
    for now in z:
        m = (m - (m >> k) if k else m) + now
        seen.append(m)
    return np.max(seen, axis=0) if kind == "max_readout" else m
