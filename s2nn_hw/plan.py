"""How much parallelism each layer gets: a small record that people may read, edit and pass back."""

import json
from dataclasses import asdict, dataclass

from .engines.event import EventParams
from .errors import UserError
from .files import read_bytes


@dataclass(frozen=True)
class LayerPlan:
    """One layer: ``engine``, ``banks`` (active inputs a cycle), ``width`` (inputs a word), ``depth`` (queue, words)."""

    name: str
    banks: int
    width: int
    depth: int
    engine: str = "event"


@dataclass(frozen=True)
class Plan:
    """One :class:`LayerPlan` per layer, in the network's order."""

    layers: tuple

    def to_json(self):
        return {"format": "s2nn-plan", "version": 1, "layers": [asdict(layer) for layer in self.layers]}


def _power_of_two_at_least(n):
    return 1 << max(0, n - 1).bit_length()


def default_plan(network, *, input_banks=2):
    """Return the plan used when none is given: ``input_banks`` banks for the first layer, one for the others.

    The first layer sees the most spikes, so it sets the frame rate; a second bank there halves its cycles for
    the same weight bits. Words of 16 inputs a bank keep the priority encoder short.
    """
    layers = []
    for layer in network.layers:
        first = layer is network.layers[0]
        banks = input_banks if first and layer.synapses[0].inputs >= 16 * input_banks else 1
        width = min(16 * banks, max(banks, _power_of_two_at_least(layer.synapses[0].inputs)))
        layers.append(LayerPlan(layer.name, banks, width, 8))
    return Plan(tuple(layers))


def load_plan(path, network):
    """Return the plan in the JSON file ``path``; :class:`UserError` names what does not fit ``network``."""
    try:
        content = json.loads(read_bytes(path, what="plan", limit=1 << 20))
    except ValueError as error:
        raise UserError(f"plan {path} is not JSON ({error})") from None
    return parse_plan(content, network, f"plan {path}")


def parse_plan(content, network, what):
    """Return the plan in ``content`` (:meth:`Plan.to_json`), checked for ``network``; errors begin with ``what``."""
    if not isinstance(content, dict) or content.get("format") != "s2nn-plan" or content.get("version") != 1:
        raise UserError(f"{what} must have format 's2nn-plan', version 1")
    names = [layer.name for layer in network.layers]
    entries = content.get("layers")
    if not isinstance(entries, list) or [e.get("name") if isinstance(e, dict) else None for e in entries] != names:
        raise UserError(f"{what}: 'layers' must list the network's layers {names} in order")
    layers = []
    for entry in entries:
        if set(entry) != {"name", "engine", "banks", "width", "depth"} or entry["engine"] != "event":
            raise UserError(
                f"{what}: layer {entry['name']} needs engine 'event', banks, width and depth, nothing else"
            )
        layers.append(LayerPlan(**entry))
    plan = Plan(tuple(layers))
    layer_params(network, plan)
    return plan


def layer_params(network, plan):
    """Return one validated :class:`EventParams` per layer of ``network`` under ``plan``."""
    params = []
    for layer, choice in zip(network.layers, plan.layers, strict=True):
        low, high = layer.synapses[0].bounds(network.peak(layer))
        params.append(
            EventParams(
                weights=layer.synapses[0].weights,
                bits=layer.synapses[0].bits,
                offsets=layer.neuron.offsets(low, high),
                planes=network.peak(layer).bit_length(),
                banks=choice.banks,
                width=choice.width,
                depth=choice.depth,
            )
        )
    return params
