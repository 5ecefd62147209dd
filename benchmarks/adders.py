"""Sums of constant weights as logic: the mapping against adders, tables and da4ml, synthesised alike."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks import adder_designs as designs
from benchmarks.frame import Row, Setting
from s2nn_hw.circuit.unroll.cost import cost, predict_luts
from s2nn_hw.circuit.unroll.logic import Logic
from s2nn_hw.circuit.unroll.mapping import map_layer
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import component_command
from s2nn_hw.hw.flow.toolchain import ToolFiles, find_tool, run_tool
from s2nn_hw.hw.flow.toolreports import nextpnr_report, yosys_cells
from s2nn_hw.network.store import load
from s2nn_hw.verilog.convert import to_verilog

TITLE = "sums of constant weights, one frame a cycle: LUTs a non-zero synapse; reference is the best other design"
TARGETS = {("64x16", "xc7"): 1.0, ("256x32", "xc7"): 1.2, ("64x16", "ecp5"): 2.5, ("256x32", "ecp5"): 2.5}
TRAINED = ("mnist-tiny", "mnist-nano")
LARGEST = 2000  # synapses of a trained layer: larger ones take many minutes
ROUTED = 2500  # LUTs of a design that is routed for its clock
GROWN = 100_000  # synapses whose time is measured
FAST_MHZ = 250


def random_layer(inputs: int, neurons: int) -> np.ndarray:
    """Return the weights of the random layers: normal, sigma 2.8, rounded, clipped to 7."""
    rng = np.random.default_rng(0)
    return np.clip(np.rint(rng.normal(0, 2.8, (neurons, inputs))), -7, 7).astype(np.int64)


def layers() -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``(name, weights)``: random dense ones, popcounts, and those of the trained reference networks."""
    yield "64x16", random_layer(64, 16)
    yield "popcount 100", np.ones((1, 100), np.int64)
    for name in TRAINED:
        path = Path(f"models/{name}.s2nn")
        if not path.is_file():
            continue
        for layer in load(path).layers:
            synapses = layer.synapses[0] if isinstance(layer.synapses, tuple) else layer.synapses
            if synapses.flattens and 0 < np.count_nonzero(synapses.weights) <= LARGEST:
                yield f"{name} {layer.name}", synapses.weights.astype(np.int64)
    yield "256x32", random_layer(256, 32)


def logics(weights: np.ndarray, mapping: str) -> Iterator[tuple[str, Logic, bool]]:
    """Yield ``(design, logic, equal to numpy)`` for the LUTs of ``mapping``."""
    above = -np.minimum(weights, 0).sum(axis=1)
    size = 6 if mapping == "lut6" else 4
    others = {
        "gated adders": designs.gated,
        f"tables of {size}": lambda b, row: designs.tables(b, row, size),
        "tables in adders": designs.embedded,
    }
    for name, method in others.items():
        if name != "tables in adders" or mapping == "lut6":
            logic = designs.by_rows(weights, method)
            yield name, logic, designs.equals_numpy(logic, weights, above)
    offsets = np.zeros(len(weights), np.int64)
    for name, options in (("ours, one move", {"moves": 1}), ("ours", {})):
        mapped = map_layer(weights, offsets, fire=False, family=mapping, seconds=60, **options)
        yield name, mapped.logic, designs.equals_numpy(mapped.logic, weights, mapped.constant)
    middle = weights.sum(axis=1) // 4  # as many spikes as a quarter of the inputs: thresholds that are reached at times
    mapped = map_layer(weights, -middle, fire=True, family=mapping, seconds=60)
    x = np.random.default_rng(0).random((500, weights.shape[1])) < np.random.default_rng(1).random((500, 1))
    yield "ours, firing", mapped.logic, np.array_equal(mapped.logic.evaluate(x), x @ weights.T >= middle)


class Synthesis:
    """Yosys and nextpnr on Verilog; what lies in the folder of the same sources and tools is not made again."""

    def __init__(self, output: Path) -> None:
        self.output, self.yosys = output, find_tool("yosys")

    def _folder(self, files: Mapping[str, str], family: str, script: str) -> Path:
        sources = "\0".join([self.yosys.version, script, *files.values()])
        folder = self.output / f"adders-{family}-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def cells(self, files: Mapping[str, str], family: str, top: str = designs.TOP) -> tuple[dict[str, int], Path]:
        """Return ``(cells by type, folder)`` of the Verilog ``files``, ``{name: text}``."""
        script = "; ".join(
            (
                f"read_verilog {' '.join(files)}",
                component_command(family, top) + ("" if family == "xc7" else " -json net.json"),
                "delete t:$scopeinfo",
                "tee -q -o stat.json stat -json",
            )
        )
        folder = self._folder(files, family, script)
        if not (folder / "stat.json").is_file():
            run_tool(self.yosys, ["-q", "-p", script], ToolFiles(folder, "yosys.log"), tick=lambda _="": None)
        return yosys_cells(folder / "stat.json"), folder

    def clock_mhz(self, files: Mapping[str, str], inputs: int, outputs: int, ports: designs.ShiftedPorts) -> float:
        """Return the clock that an ECP5 85F, speed grade 6, reaches after routing, between shift registers."""
        wrapper = to_verilog(designs.Shifted(inputs, outputs, ports), "top")
        _, folder = self.cells(dict(files) | {"top.v": wrapper}, "ecp5", "top")
        if not (folder / "report.json").is_file():
            run_tool(
                find_tool("nextpnr-ecp5"),
                [
                    "--85k",
                    "--json",
                    "net.json",
                    "--freq",
                    str(FAST_MHZ),
                    "--report",
                    "report.json",
                    "--seed",
                    "1",
                    "--lpf-allow-unconstrained",
                    "--timing-allow-fail",
                    "-q",
                ],
                ToolFiles(folder, "nextpnr.log"),
                tick=lambda _="": None,
            )
        return min(rate.reached_mhz for rate in nextpnr_report(folder / "report.json")[1].clocks.values())


def counts(cells: Mapping[str, int], family: str) -> tuple[int, int]:
    """Return ``(LUTs, flip-flops)``; shift registers of LUTs are left out, in favour of designs without enables."""
    kinds = library_of(family).weights
    return (
        int(sum(n * cells.get(cell, 0) for cell, n in kinds["luts"].items() if not cell.startswith("SRL"))),
        int(sum(n * cells.get(cell, 0) for cell, n in kinds["ffs"].items())),
    )


def measure(
    tools: Synthesis, name: str, weights: np.ndarray, family: str, folder: Path
) -> Iterator[tuple[str, float, str, bool]]:
    """Yield ``(design, LUTs a synapse, text, equal to numpy)`` of all designs of one layer on one family."""
    synapses = np.count_nonzero(weights)
    for design, logic, same in logics(weights, FAMILIES[family].mapping):
        files = {"sums.v": to_verilog(designs.Registered(logic), designs.TOP)}
        cells, _ = tools.cells(files, family)
        luts, ffs = counts(cells, family)
        text = f"{luts:,} LUT, {ffs:,} FF, {logic.depth} levels, estimate {cost(logic, family).luts / luts:.3f}"
        if family == "ecp5" and luts <= ROUTED:
            outputs = sum(map(len, logic.outputs))
            text += f", {tools.clock_mhz(files, logic.inputs, outputs, ('i', 'o', 'clk', logic.depth)):.0f} MHz"
        yield design, luts / synapses, text + ("" if same else ", NOT EQUAL to numpy"), same
    made = designs.da4ml_design(weights, folder / f"da4ml-{name.replace(' ', '-')}")
    if made is None:
        return
    paths, outputs, depth, same = made
    files = {path.name: path.read_text() for path in paths if path.name != "lookup_table.v"}
    luts, ffs = counts(tools.cells(files, family)[0], family)
    text = f"{luts:,} LUT, {ffs:,} FF, {depth} registers"
    if family == "ecp5" and luts <= ROUTED:
        ports = ("model_inp", "model_out", "clk", 0)
        text += f", {tools.clock_mhz(files, weights.shape[1], outputs, ports):.0f} MHz"
    yield "da4ml 0.6.0", luts / synapses, text + ("" if same else ", NOT EQUAL to numpy"), same


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run(setting: Setting) -> list[Row]:
    """Return the rows: every design of every layer on both families, the targets, equality, prediction and time."""
    tools = Synthesis(setting.output)
    rows: list[Row] = []
    for name, weights in layers():
        for family in ("xc7", "ecp5"):
            found = list(measure(tools, name, weights, family, setting.output))
            best = min(value for design, value, _, _ in found if not design.startswith("ours"))
            rows += [Row(f"{name}, {family}: {design}", value, "LUT", best, text) for design, value, text, _ in found]
            ours = next(value for design, value, _, _ in found if design == "ours")
            if (name, family) in TARGETS:
                rows.append(
                    Row(
                        f"{name}, {family}: ours to the target",
                        ours,
                        "LUT",
                        TARGETS[name, family],
                        "the figure to reach",
                        binding=True,
                    )
                )
            rows.append(
                Row(
                    f"{name}, {family}: designs not equal to numpy",
                    sum(not same for *_, same in found),
                    "",
                    0,
                    "none",
                    binding=True,
                )
            )
            firing = next(value for design, value, _, _ in found if design == "ours, firing")
            guess = predict_luts(weights, FAMILIES[family].mapping).sum() / np.count_nonzero(weights)
            rows.append(
                Row(f"{name}, {family}: prediction", guess, "LUT", firing, "ours, firing, synthesised", "near", 0.15)
            )
    weights = random_layer(256, GROWN // 220)
    start = _cpu_seconds()
    mapped = map_layer(weights, np.zeros(len(weights), int), fire=True, seconds=60)
    searched = _cpu_seconds() - start
    to_verilog(designs.Registered(mapped.logic), designs.TOP)
    rows.append(
        Row(
            f"{np.count_nonzero(weights):,} synapses to Verilog, CPU time",
            _cpu_seconds() - start,
            "s",
            60,
            f"the figure to reach; {searched:.0f} s of it are the search",
            binding=True,
        )
    )
    return rows
