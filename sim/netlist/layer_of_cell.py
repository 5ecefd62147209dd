"""Which layer of the network each cell of a synthesised netlist belongs to.

Synthesis flattens the circuit, but registers and memories keep names such as ``engine_hidden1.scan0.queue``.
"""

from collections import Counter
from typing import Any

from s2nn_hw.circuit.names import engine_of, fork_of, ladder_of, merge_of, neurons_of, or_of, window_of
from s2nn_hw.design import Design
from s2nn_hw.network.layer import INPUT
from s2nn_hw.sim.netlist.netlist import CONSTANTS, HIERARCHICAL, TOP, KnownCell, Netlist
from s2nn_hw.verilog.netlist import Bit, Module, module_of

OTHER = "other"


def submodules(design: Design) -> dict[str, str]:
    """Return the layer of each submodule of the accelerator, by name; what serves no layer is left out."""
    layers: dict[str, str] = {}
    for stage in design.stages:
        parts = [name(stage.name) for name in (engine_of, ladder_of, neurons_of, merge_of, or_of)]
        parts += [window_of(stage.name, k) for k in range(len(stage.readers))]
        layers |= dict.fromkeys(parts, stage.name)
        if stage.output != INPUT:
            layers[fork_of(stage.output)] = stage.name
    return layers


def rows(design: Design) -> list[str]:
    """Return the names of the rows of all tables: the layers in the order of the circuit, then ``other``."""
    return [*(stage.name for stage in design.stages), OTHER]


class Homes:
    """The layer of every cell of ``netlist``; ``hierarchy``: yosys's JSON of the top module before it was flattened.

    A memory belongs to the submodule in its name, a cell that drives a net of the circuit as it was written to the
    submodule that drives that net; any other cell to the layer of most of the cells that read it (the earlier layer
    if there is a tie), and what nothing of a layer reads to ``other``.
    """

    def __init__(self, netlist: Netlist, hierarchy: dict[str, Any], design: Design) -> None:
        self.netlist, self.order = netlist, rows(design)
        self.layers = submodules(design)
        self.before = module_of(hierarchy, TOP)
        self.nets = self._named(self.before)
        self.cells: dict[str, str] = {}
        for cell in netlist.cells:
            layer = self._own(cell)
            if layer:
                self.cells[cell.name] = layer
        for cell in netlist.cells:
            self._by_readers(cell)

    def of(self, cell: KnownCell) -> str:
        """Return the layer of ``cell``, one of :func:`rows`."""
        return self.cells[cell.name]

    def _named(self, top: Module) -> dict[Bit, str]:
        """Return ``{net: layer}`` of the nets that were named before synthesis."""
        inputs: set[tuple[str, str]] = set()
        driver: dict[Bit, str] = {}
        for name, cell in top.cells.items():
            for port, direction in cell.directions.items():
                if direction == "input":
                    inputs.add((name, port))
                elif name in self.layers:
                    driver |= dict.fromkeys(cell.pins[port], name)
        drives: dict[Bit, set[str]] = {}
        reads: dict[Bit, set[str]] = {}
        for name, entry in self.netlist.module.names.items():
            words = entry.attributes.get(HIERARCHICAL, name).split(" ")
            bits = top.names[name].bits if name in top.names else []
            for k, net in enumerate(entry.bits):
                if net in CONSTANTS:
                    continue
                if len(words) == 1:  # a net between submodules
                    part = driver.get(bits[k]) if k < len(bits) else None
                else:
                    part = words[0]
                    if len(words) == 2 and (part, words[1]) in inputs:
                        reads.setdefault(net, set()).add(part)
                if part in self.layers:
                    drives.setdefault(net, set()).add(part)
        named = {}
        for net, parts in drives.items():
            layers = {self.layers[part] for part in parts - reads.get(net, set())}
            if layers:
                named[net] = min(layers, key=self.order.index)
        return named

    def _own(self, cell: KnownCell) -> str | None:
        if cell.kind.resource in ("brams", "lutrams"):
            layer = self.layers.get(cell.name.partition(".")[0])
            if layer:
                return layer
        layers = [self.nets[net] for net, _ in cell.outputs() if net in self.nets]
        return min(layers, key=self.order.index) if layers else None

    def _by_readers(self, start: KnownCell) -> None:
        # depth first; a cell that is still open when it is met again has no vote
        stack, opened = [start], set[str]()
        while stack:
            cell = stack[-1]
            if cell.name in self.cells:
                stack.pop()
                continue
            readers = {
                reader.name: reader
                for net, _ in cell.outputs()
                for reader in self.netlist.readers.get(net, ())
                if reader is not None
            }
            if cell.name not in opened:
                opened.add(cell.name)
                waiting = [reader for name, reader in readers.items() if name not in self.cells and name not in opened]
                if waiting:
                    stack += waiting
                    continue
            votes = Counter(self.cells[name] for name in readers if name in self.cells)
            votes.pop(OTHER, None)
            most = max(votes.values(), default=0)
            self.cells[cell.name] = next((name for name in self.order if votes[name] == most and most), OTHER)
            stack.pop()
