"""Steps of a traced network with a state: calls of the whole, or a loop in its ``forward``; and its values in each.

Tracing unrolls a loop, so modules are called once a step. The first call of each is the first step, which all others
repeat; what is read of them is how often.
"""

import operator
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers import torch_neurons

BATCH = 100
GATHERS = (  # how the scores of all steps are put together
    *(torch.stack, torch.sum, torch.mean, torch.add, torch.div, torch.mul, "sum", "mean", "add", "div", "mul"),
    *(operator.add, operator.iadd, operator.truediv, operator.mul, operator.getitem),
)


@dataclass(frozen=True)
class Steps:
    """``count`` steps of a sample, ``calls`` of the graph; ``later``: nodes of other steps than the first, ``again``:
    for each call of a module in the first step those in all steps, in order."""

    count: int
    calls: int
    later: frozenset[fx.Node] = frozenset()
    again: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, node: fx.Node, named: Container[fx.Node]) -> fx.Node | None:
        """Return the one value of the first step, of those ``named``, of which ``node`` gathers all steps."""
        found: set[fx.Node] = set()
        waiting, seen = [node], set[fx.Node]()
        while waiting:
            now = waiting.pop()
            if now in seen:
                continue
            seen.add(now)
            if now.target in GATHERS:
                waiting += now.all_input_nodes
            elif now in named and now not in self.later:
                found.add(now)
        return found.pop() if len(found) == 1 else None


def steps_of(graph: fx.GraphModule, calls: int) -> Steps:
    """Return the steps of ``graph``, which is called ``calls`` times a sample."""
    if type(calls) is not int or not 1 <= calls <= 31:
        raise UserError(f"steps must be an integer from 1 to 31, not {calls!r}")
    by_module: dict[str, list[fx.Node]] = {}
    for node in graph.graph.nodes:
        if node.op == "call_module":
            by_module.setdefault(str(node.target), []).append(node)
    counts = {
        len(nodes): name for name, nodes in by_module.items() if torch_neurons.stateful(graph.get_submodule(name))
    }
    if not counts or set(counts) == {1}:
        return Steps(calls, calls)
    if len(counts) > 1 or calls > 1:
        raise UserError(
            "neurons with a state must be called equally often, once a step: "
            + ", ".join(f"{name} {count} times" for count, name in sorted(counts.items()))
            + (f", and the module {calls} times" if calls > 1 else "")
        )
    (count,) = counts
    later = {node for nodes in by_module.values() if len(nodes) == count for node in nodes[1:]}
    for node in graph.graph.nodes:  # in order, so that what later nodes feed follows them
        if any(source in later for source in node.all_input_nodes) and node.op != "output":
            later.add(node)
    again = {nodes[0].name: tuple(n.name for n in nodes) for nodes in by_module.values() if len(nodes) == count}
    return Steps(count, 1, frozenset(later), again)


class _Values(fx.Interpreter):
    """Runs a graph, and keeps the tensors of its nodes; of a module that returns several the first."""

    def values(self, entering: Tensor) -> dict[str, Tensor]:
        self.kept: dict[str, Tensor] = {}
        self.run(entering)
        return self.kept

    def run_node(self, n: fx.Node) -> Any:
        """Run ``n``, keep what it gives."""
        found = super().run_node(n)
        first = found[0] if isinstance(found, tuple) and found else found
        if isinstance(first, Tensor):
            self.kept[n.name] = first.clone()  # a later node may change it in place
        return found


def run(
    graph: fx.GraphModule, steps: Steps, inputs: np.ndarray, output: str, names: set[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the scores ``(count, classes)``, value ``output`` summed over steps, and values ``names``, of ``inputs``.

    Values: ``(count, *shape)``, or ``(count, steps, *shape)`` with more steps than one, float64.
    """
    kind = next((p.dtype for p in graph.parameters() if p.is_floating_point()), torch.float32)
    scores: list[Tensor] = []
    kept: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for part in torch.tensor(inputs).to(kind).split(BATCH):
            torch_neurons.reset(graph)
            seen = [_Values(graph).values(part.clone()) for _ in range(steps.calls)]
            scores.append(_of(output, steps, seen).sum(dim=0))
            for name in names & set(seen[0]):
                found = _of(name, steps, seen)
                if len(found) == steps.count:
                    kept.setdefault(name, []).append(found[0] if steps.count == 1 else found.transpose(0, 1))
    torch_neurons.reset(graph)
    return _array(torch.cat(scores)), {name: _array(torch.cat(parts)) for name, parts in kept.items()}


def _of(name: str, steps: Steps, seen: list[dict[str, Tensor]]) -> Tensor:
    """Return the value ``name`` in each step, ``(steps, count, *shape)``."""
    return torch.stack([values[n] for values in seen for n in steps.again.get(name, (name,))])


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
