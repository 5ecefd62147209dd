"""What a traced network changes in place: equal to a new tensor, unless the old one is read afterwards.

Which nodes do so, and which tensors share their numbers, the tensors themselves say as the graph runs once.
"""

from typing import Any

import torch
from torch import Tensor, fx

from s2nn_hw.errors import UserError


class _Watched(fx.Interpreter):
    """Runs a graph and notes of each node the memory of the tensor that it gives, and which ones it writes to."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)  # so that no memory is given out twice
        self.problems: list[str] = []
        self.memory: dict[fx.Node, int] = {}
        self.written: dict[int, fx.Node] = {}  # by memory the last node that wrote to it

    def run_node(self, n: fx.Node) -> Any:
        """Run ``n``; note where it reads what another node has changed since."""
        for source in n.all_input_nodes:
            writer = self.written.get(self.memory.get(source, 0))
            if writer is not None and writer is not source and writer < n and source < writer:
                self.problems.append(
                    f"{n.name} reads {source.name}, which {writer.name} has changed in place: leave inplace, or the _ "
                    "of its name, out"
                )
        before = {source: self._version(source) for source in n.all_input_nodes}
        found = super().run_node(n)
        for source, version in before.items():
            if self._version(source) != version:
                self.written[self.memory[source]] = n
        if isinstance(found, Tensor):
            self.memory[n] = found.untyped_storage().data_ptr()
        return found

    def _version(self, node: fx.Node) -> int:
        value = self.env.get(node)
        return value._version if isinstance(value, Tensor) else 0


def check_in_place(graph: fx.GraphModule, example: Tensor) -> None:
    """Raise :class:`UserError` where a node of ``graph`` reads a tensor that was changed in place after it was made."""
    watched = _Watched(graph)
    with torch.no_grad():
        watched.run(example.clone())
    if watched.problems:
        raise UserError(watched.problems[0])
