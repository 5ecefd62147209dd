"""How much parallelism each layer gets: a small record that people may read, edit and pass back."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from s2nn_hw.circuit.choices import FUSED, JOINED, MAX_WIDTH, LayerPlan, Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.engines.params import MEMORIES
from s2nn_hw.circuit.lower import lower
from s2nn_hw.circuit.recurrent.params import KIND
from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.texts import read_json

NOTES = {"network": "a text", "board": "a text", "clock_mhz": "a number", "estimate": "an object"}


def load_plan(path: Path | str, network: Network, *, board: str | None = None) -> Plan:
    """Return the plan in JSON file ``path``; :class:`UserError` names what does not fit ``network`` or ``board``."""
    return parse_plan(read_json(path, what="plan"), network, f"plan {path}", board=board)


def parse_plan(content: Any, network: Network, what: str, *, board: str | None = None) -> Plan:
    """Return the plan in ``content`` (:meth:`Plan.to_json`), checked for ``network``; errors begin with ``what``."""
    if not isinstance(content, dict) or content.get("format") != "s2nn-plan" or repr(content.get("version")) != "1":
        raise UserError(f"{what} must have format 's2nn-plan', version 1")
    for key, kind in (("network", str), ("board", str), ("clock_mhz", int | float), ("estimate", dict)):
        if key in content and (not isinstance(content[key], kind) or isinstance(content[key], bool)):
            raise UserError(f"{what}: field '{key}' must be {NOTES[key]}, not {quoted(content[key])}")
    spare = sorted(set(content) - {"format", "version", "layers", *NOTES})
    if spare:
        raise UserError(
            f"{what} has the unknown field {quoted(spare[0])}; known: format, version, layers, {', '.join(NOTES)}"
        )
    for key, wanted in (("network", network.name), ("board", board)):
        if key in content and wanted is not None and content[key] != wanted:
            raise UserError(f"{what} is for {key} {content[key][:64]}, not for {wanted}; make one with `s2nn-hw plan`")
    names = [layer.name for layer in network.layers]
    entries = content.get("layers")
    if not isinstance(entries, list) or [e.get("name") if isinstance(e, dict) else None for e in entries] != names:
        raise UserError(f"{what}: 'layers' must list the network's layers {listed(names)} in order")
    layers = tuple(
        _layer_plan(entry, layer, what, sequences=network.input.sequences)
        for entry, layer in zip(entries, network.layers, strict=True)
    )
    plan = Plan(layers, {k: v for k, v in content.items() if k not in ("format", "version", "layers")})
    try:
        if network.input.sequences:
            SequenceDesign(network, plan)
        else:
            lower(network, plan)
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
    return plan


def _layer_plan(entry: dict[str, Any], layer: Layer, what: str, *, sequences: bool) -> LayerPlan:
    known = {f.name: f for f in fields(LayerPlan)}
    spare = sorted(set(entry) - set(known))
    if spare:
        raise UserError(f"{what}: layer {layer.name} has the unknown key {quoted(spare[0])}; known: {', '.join(known)}")
    allowed: tuple[str, ...] = (JOINED, FUSED) if layer.synapses[0].slides else (JOINED,)
    if layer.accumulates:
        allowed = (KIND,) if sequences else (*ENGINES, FUSED)
    choice = dict(entry)
    if choice.setdefault("engine", allowed[0]) not in allowed:
        raise UserError(
            f"{what}: layer {layer.name} needs engine {' or '.join(map(repr, allowed))}, not {quoted(choice['engine'])}"
        )
    for key, low, high in (
        ("banks", 1, 64),
        ("width", 1, MAX_WIDTH),
        ("depth", 2, 1024),
        ("taps", 1, 49),
        ("groups", 1, 1 << 16),
        ("levels", 1, 64),
        ("lut", 4, 6),
    ):
        value = choice.get(key, known[key].default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UserError(f"{what}: layer {layer.name} needs {key} from {low} to {high}, not {quoted(value)}")
    if choice.get("memory", "auto") not in MEMORIES:
        raise UserError(
            f"{what}: layer {layer.name} needs memory {', '.join(MEMORIES)}, not {quoted(choice['memory'])}"
        )
    buffers = choice.get("buffers", [])
    if not isinstance(buffers, list) or not all(type(b) is int and 0 <= b <= 1 << 20 for b in buffers):
        raise UserError(
            f"{what}: layer {layer.name} needs buffers as a list of word counts of at most {1 << 20:,}, "
            f"not {quoted(buffers)}"
        )
    return LayerPlan(**choice | {"buffers": tuple(buffers)})
