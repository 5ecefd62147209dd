"""What a NIR graph computes, step by step, in float64 from NIR's own equations: the owner's side of a comparison."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.quantize.importers.nir_file import NirGraph
from s2nn_hw.quantize.importers.nir_neurons import NirOptions, settled

BATCH = 200
AT_ONCE = 1 << 22  # values of all nodes and steps that are kept in float64


def run_graph(
    graph: NirGraph, options: NirOptions, shape: tuple[int, ...], inputs: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the output ``(count, *shape)``, summed over the steps, and all values ``(count, steps, *shape)`` by node.

    ``inputs`` ``(count, *shape)``, the same in every step, or, of events in several, ``(count, steps, *shape)``.
    Neurons start from 0; of CubaLIF the current is brought up to date before the membrane.
    """
    scores, kept = [], []
    for part in torch.as_tensor(np.asarray(inputs, np.float64)).split(BATCH):
        states: dict[str, Any] = {}
        over_time = options.events and options.count > 1
        steps = [part[:, step] if over_time else part for step in range(options.count)]
        seen = [_step(graph, options, shape, x, states) for x in steps]
        last = [name for name, node in graph.nodes.items() if type(node).__name__ == "Output"][-1]
        scores.append(sum((values[last] for values in seen), torch.zeros(())))
        kept.append({name: torch.stack([values[name] for values in seen], dim=1) for name in graph.nodes})
    return torch.cat(scores).numpy(), {n: torch.cat([part[n] for part in kept]).numpy() for n in graph.nodes}


def run_sequences(
    graph: NirGraph,
    options: NirOptions,
    frames: np.ndarray,
    offsets: np.ndarray,
    sizes: dict[str, int],
    *,
    summed: bool,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the output ``(count, classes)``, of each sequence's last step or ``summed`` over its steps, and the spikes
    ``(total, neurons)``, uint8, of the nodes in ``sizes``, by name, whose neurons these are.

    ``frames`` ``(total, channels)``, one step each; sequence k has those from ``offsets[k]`` to ``offsets[k + 1]``.
    All begin at rest, late edges bring zeros. They run side by side, zeros behind the shorter ones.
    """
    lengths = np.diff(offsets)
    spikes = {name: np.zeros((len(frames), size), np.uint8) for name, size in sizes.items()}
    scores: dict[int, np.ndarray] = {}
    late = {source: sizes[graph.spikes_of(source)] for source, _ in graph.late}
    order = np.argsort(-lengths, kind="stable")
    widest = sum(sizes.values()) + frames.shape[1]
    last = [name for name, node in graph.nodes.items() if type(node).__name__ == "Output"][-1]
    while len(order):
        most = int(lengths[order[0]])
        now, order = np.split(order, [max(1, AT_ONCE // (most * widest))])
        states: dict[str, Any] = {}
        before = {source: torch.zeros(len(now), many, dtype=torch.float64) for source, many in late.items()}
        total = torch.zeros(())
        for step in range(most):
            going = int((lengths[now] > step).sum())
            places = offsets[now[:going]] + step
            x = torch.zeros(len(now), frames.shape[1], dtype=torch.float64)
            x[:going] = torch.as_tensor(np.asarray(frames[places], np.float64))
            before = _step(graph, options, (frames.shape[1],), x, states, before)
            total = total + before[last] if summed else before[last]
            for name, kept in spikes.items():
                kept[places] = before[name][:going].numpy()
            for place in range(going):
                if lengths[now[place]] == step + 1:
                    scores[int(now[place])] = total[place].numpy()
    return np.stack([scores[k] for k in range(len(lengths))]), spikes


def _step(
    graph: NirGraph,
    options: NirOptions,
    shape: tuple[int, ...],
    entering: Tensor,
    states: dict[str, Any],
    before: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return the values of all nodes in a step; ``before``: those of the step before, which late edges bring."""
    values: dict[str, Tensor] = {}
    for name, node in graph.nodes.items():
        sources = [
            before[source] if before is not None and (source, name) in graph.late else values[source]
            for source in graph.before(name)
        ]
        x = sum(sources[1:], sources[0]) if sources else entering.reshape(len(entering), *shape)
        values[name] = _value(name, node, x, options, states)
    return values


def _value(name: str, node: Any, x: Tensor, options: NirOptions, states: dict[str, Any]) -> Tensor:
    kind = type(node).__name__
    if kind in ("Input", "Output"):
        return x
    if kind in ("Linear", "Affine"):
        weights = torch.as_tensor(np.asarray(node.weight, np.float64))
        return functional.linear(x, weights.reshape(weights.shape[-2:]), _bias(node))
    if kind in ("Conv1d", "Conv2d"):
        signal = kind == "Conv1d"
        weights = torch.as_tensor(np.asarray(node.weight, np.float64))
        how = {n: _setting(getattr(node, n)) for n in ("stride", "padding", "dilation")}
        run: Any = functional.conv1d if signal else functional.conv2d
        found = run(x[:, :, 0] if signal else x, weights, _bias(node), groups=int(node.groups), **how)
        return found[:, :, None] if signal else found
    if kind in ("SumPool2d", "AvgPool2d"):
        size, stride, padding = (_setting(getattr(node, n)) for n in ("kernel_size", "stride", "padding"))
        return functional.avg_pool2d(x, size, stride, padding, divisor_override=1 if kind == "SumPool2d" else None)
    if kind == "Flatten":
        return x.flatten(1)
    if kind == "Scale":
        return x * _lined(node.scale, x)
    if kind == "Threshold":
        return (x > _lined(node.threshold, x)).double()
    return _neurons(name, node, x, options, states)


def _neurons(name: str, node: Any, x: Tensor, options: NirOptions, states: dict[str, Any]) -> Tensor:
    """Return the spikes of a step of ``dt`` of forward Euler, see :mod:`.nir_neurons`; of I and LI the membranes."""
    v, current = states.get(name, (torch.zeros_like(x), torch.zeros_like(x)))
    dt = 1.0 if options.dt is None else options.dt
    if type(node).__name__ in ("IF", "I"):
        v = v + _lined(settled(dt * _numbers(node.r)), x) * x
    else:
        tau = node.tau if hasattr(node, "tau") else node.tau_mem
        if hasattr(node, "tau_syn"):
            current = current + _lined(settled(dt / _numbers(node.tau_syn)), x) * (
                _lined(settled(_numbers(node.w_in)), x) * x - current
            )
            x = current
        v = v + _lined(settled(dt / _numbers(tau)), x) * (
            _lined(node.v_leak, x) - v + _lined(settled(_numbers(node.r)), x) * x
        )
    if not hasattr(node, "v_threshold"):
        states[name] = (v, current)
        return v
    threshold = _lined(node.v_threshold, x)
    fired = v >= threshold if options.at else v > threshold
    after = _lined(node.v_reset, x) if options.reset == "hard" else v - threshold
    states[name] = (torch.where(fired, after, v), current)
    return fired.double()


def _numbers(given: Any) -> np.ndarray:
    return np.asarray(given, np.float64)


def _bias(node: Any) -> Tensor | None:
    bias = getattr(node, "bias", None)
    return None if bias is None else torch.as_tensor(np.asarray(bias, np.float64).ravel())


def _setting(given: Any) -> Any:
    if isinstance(given, str):
        return given
    numbers = [int(n) for n in np.atleast_1d(np.asarray(given)).ravel()]
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _lined(given: Any, x: Tensor) -> Tensor:
    """Return the numbers ``given`` so that they broadcast over ``x`` ``(batch, *shape)``."""
    numbers = torch.as_tensor(np.asarray(given, np.float64))
    if numbers.numel() == 1:
        return numbers.reshape(())
    if numbers.numel() == x[0].numel():
        return numbers.reshape(x.shape[1:])
    return numbers.reshape(-1, *[1] * (x.ndim - 2))
