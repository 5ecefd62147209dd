"""What may vary, and the plan that a choice of values stands for.

    input_bits, weight_bits   which variant of the network
    clock_mhz                 the circuit's clock
    plan                      ``default``: the plan used without ``--plan``; ``planner``: the cheapest plan for a speed;
                              ``layers``: each layer as its own values say
    pace                      planner: 0 the slowest plan .. :data:`PACES` the fastest that any layer can follow
    LAYER.engine, .banks,     layers: engine; rows a cycle (parallel engine: words of inputs a cycle); spikes of a
    .word, .groups,           bank's word; passes, each for its share of the neurons, at most so many; where weights
    .memory, .taps            lie; of a convolution, whether its taps come one by one, by rows or all at once

Values that a candidate does not use (a pace under ``layers``) stay in it and do nothing. What fits no circuit is found
when the plan is lowered, and the candidate is refused with that reason.
"""

from dataclasses import asdict, dataclass, replace
from math import prod

from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.buffers import safe_buffers
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, INPUT_BITS
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import Plan

PACES = 20
PLANS = ("default", "planner", "layers")
MOST_LAYERS = 8  # with weights: of deeper networks only the planner's plans are tried
CHOICES = {
    "engine": ("event", "parallel"),
    "banks": (1, 2, 4, 8),
    "word": (8, 16, 32),
    "groups": (1, 2, 4, 8),
    "memory": ("auto", "block", "distributed"),
}


@dataclass(frozen=True)
class Space:
    """``input_bits``, ``weight_bits``, ``clocks_mhz``: values to choose from, the first being where the search begins.

    ``layers``: ``(name, rows of the kernel, columns)`` of each layer with weights, 0 and 0 if it has no kernel.
    """

    input_bits: tuple
    weight_bits: tuple
    clocks_mhz: tuple
    layers: tuple

    def to_json(self):
        return {
            name: list(map(list, value)) if name == "layers" else list(value) for name, value in asdict(self).items()
        }

    def parameters(self):
        """Return ``{name: tuple of values}``, of ``pace`` a range; what has one value only is left out."""
        names = {"input_bits": self.input_bits, "weight_bits": self.weight_bits, "clock_mhz": self.clocks_mhz}
        free = len(self.layers) <= MOST_LAYERS
        names |= {"plan": PLANS if free else PLANS[:2], "pace": range(PACES + 1)}
        for layer, rows, columns in self.layers if free else ():
            names |= {f"{layer}.{key}": values for key, values in CHOICES.items()}
            if rows * columns > 1:
                names[f"{layer}.taps"] = tuple(sorted({1, columns, rows * columns}))
        return {name: values for name, values in names.items() if len(values) > 1}

    def complete(self, values):
        """Return ``values`` of :meth:`parameters` with those that can't vary."""
        fixed = {"input_bits": self.input_bits[0], "weight_bits": self.weight_bits[0], "clock_mhz": self.clocks_mhz[0]}
        return fixed | values

    def starts(self):
        """Return values to begin with: the network as it is under the default plan and the planner's, the smallest."""
        own = {"input_bits": self.input_bits[0], "weight_bits": self.weight_bits[0], "clock_mhz": self.clocks_mhz[0]}
        small = own | {"input_bits": min(self.input_bits), "weight_bits": min(self.weight_bits)}
        known = self.parameters()
        starts = [
            own | {"plan": "default"},
            own | {"plan": "planner", "pace": PACES // 2},
            small | {"plan": "planner", "pace": 0},
            small | {"plan": "planner", "pace": PACES},
        ]
        return [{name: value for name, value in start.items() if name in known} for start in starts]


def network_layers(network):
    """Return the ``layers`` of :class:`Space` for ``network``."""
    rows = []
    for layer in network.layers:
        if layer.accumulates:
            synapse = layer.synapses[0]
            rows.append((layer.name, *(synapse.kernel if synapse.slides else (0, 0))))
    return tuple(rows)


def parse_numbers(text, option, default, allowed=None):
    """Return the different numbers of ``"2,3,4"`` in their order, ``default`` for None; errors name ``option``."""
    if text is None:
        return tuple(default)
    kind, found = (int if allowed else float), []
    for part in text.split(","):
        try:
            value = kind(part)
        except ValueError:
            value = None
        if value is None or not (value in allowed if allowed else 0 < value < 1e5):
            wanted = f"of {', '.join(map(str, allowed))}" if allowed else "above 0"
            raise UserError(f"{option} must be numbers {wanted} with commas, not {text!r}")
        found.append(value)
    return tuple(dict.fromkeys(found))


def bits_options(wanted_input, wanted_weights, own):
    """Return ``(input bits, weight bits)`` to choose from, for the options given and the network's ``own`` bits.

    Without options: the network's own and fewer, down to 1 and 2.
    """
    most_input, most_weights = own
    inputs = parse_numbers(
        wanted_input, "--input-bits", sorted((b for b in INPUT_BITS if b <= most_input), reverse=True), INPUT_BITS
    )
    weights = parse_numbers(
        wanted_weights, "--weight-bits", range(most_weights, min(2, most_weights) - 1, -1), range(1, 9)
    )
    for option, values, most in (("--input-bits", inputs, most_input), ("--weight-bits", weights, most_weights)):
        if max(values) > most:
            raise UserError(
                f"{option}: the network has {most}, so {max(values)} can't be had without training; "
                "explore its recipe instead"
            )
    return inputs, weights


def layers_plan(network, values, family):
    """Return the :class:`~s2nn_hw.plan.plan.Plan` that the ``LAYER.*`` of ``values`` say for ``family``;
    :class:`UserError` if none."""
    choices = []
    for choice in default_plan(network, family).layers:
        layer = network.layer(choice.name)
        if not layer.accumulates:
            choices.append(choice)
            continue
        get = {key: values[f"{layer.name}.{key}"] for key in CHOICES}
        synapse, groups = layer.synapses[0], _groups(layer.neuron.size, get["groups"])
        convolves = synapse.slides
        taps = min(values.get(f"{layer.name}.taps", 1), prod(synapse.kernel)) if convolves else 1
        width = choice.width
        if not convolves and _alone(network, layer):
            width = get["banks"] * get["word"]
        banks = taps * get["banks"] if ENGINES[get["engine"]].counts_spikes else 1
        choices.append(
            replace(
                choice, engine=get["engine"], taps=taps, width=width, banks=banks, groups=groups, memory=get["memory"]
            )
        )
    plan = Plan(tuple(choices))
    return with_buffers(plan, safe_buffers(network, plan))


def _groups(neurons, most):
    """Return the most groups, at most ``most``, none of which is left without neurons."""
    return max(g for g in range(1, most + 1) if -(-neurons // g) * (g - 1) < neurons)


def _alone(network, layer):
    """Whether the words that ``layer`` reads are its own affair: one source, which gives them to nobody else."""
    if len(layer.sources) > 1 or len(network.readers(layer.sources[0])) > 1:
        return False
    source = layer.sources[0]
    return source == INPUT or network.layer(source).accumulates
