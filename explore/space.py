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

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.buffers import safe_buffers
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import BYTE, INPUT, INPUT_BITS, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import default_plan

PACES = 20
PLANS = ("default", "planner", "layers")
MOST_LAYERS = 8  # with weights: of deeper networks only the planner's plans are tried
CHOICES: dict[str, tuple[Any, ...]] = {
    "engine": ("event", "parallel"),
    "banks": (1, 2, 4, 8),
    "word": (8, 16, 32),
    "groups": (1, 2, 4, 8),
    "memory": ("auto", "block", "distributed"),
}


Numbers = tuple[float, ...]
LayerKernel = tuple[str, int, int]


@dataclass(frozen=True)
class Choice:
    """One way to build the network: ``values`` by name, see the module; JSON-able."""

    values: dict[str, Any]

    @property
    def input_bits(self) -> int:
        """Bits of a pixel."""
        return self.values["input_bits"]

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of hidden layers."""
        return self.values["weight_bits"]

    @property
    def clock_mhz(self) -> float:
        """The circuit's clock."""
        return self.values["clock_mhz"]

    @property
    def plan(self) -> str:
        """One of :data:`PLANS`."""
        return self.values["plan"]

    @property
    def pace(self) -> int:
        """Of the planner's plan, 0 the slowest."""
        return self.values["pace"]

    def of_layer(self, layer: str, key: str) -> Any:
        """Return the value ``key`` of ``layer``, one of :data:`CHOICES`."""
        return self.values[f"{layer}.{key}"]

    def taps(self, layer: str) -> int:
        """Return how many taps of a convolution come at once."""
        return self.values.get(f"{layer}.taps", 1)


@dataclass(frozen=True)
class Space:
    """``input_bits``, ``weight_bits``, ``clocks_mhz``: values to choose from, the first being where the search begins.

    ``layers``: ``(name, rows of the kernel, columns)`` of each layer with weights, 0 and 0 if it has no kernel.
    """

    input_bits: Numbers
    weight_bits: Numbers
    clocks_mhz: Numbers
    layers: tuple[LayerKernel, ...]

    def to_json(self) -> dict[str, list[Any]]:
        """Return it JSON-able."""
        return {
            name: list(map(list, value)) if name == "layers" else list(value) for name, value in asdict(self).items()
        }

    def parameters(self) -> dict[str, Sequence[Any]]:
        """Return ``{name: tuple of values}``, of ``pace`` a range; what has one value only is left out."""
        names: dict[str, Sequence[Any]] = {
            "input_bits": self.input_bits,
            "weight_bits": self.weight_bits,
            "clock_mhz": self.clocks_mhz,
        }
        free = len(self.layers) <= MOST_LAYERS
        names |= {"plan": PLANS if free else PLANS[:2], "pace": range(PACES + 1)}
        for layer, rows, columns in self.layers if free else ():
            names |= {f"{layer}.{key}": values for key, values in CHOICES.items()}
            if rows * columns > 1:
                names[f"{layer}.taps"] = tuple(sorted({1, columns, rows * columns}))
        return {name: values for name, values in names.items() if len(values) > 1}

    @property
    def own(self) -> dict[str, Any]:
        """Where the search begins: bits and clock."""
        return {"input_bits": self.input_bits[0], "weight_bits": self.weight_bits[0], "clock_mhz": self.clocks_mhz[0]}

    def complete(self, values: Mapping[str, Any]) -> Choice:
        """Return ``values`` of :meth:`parameters` with those that can't vary."""
        return Choice(self.own | dict(values))

    def starts(self) -> list[dict[str, Any]]:
        """Return values to begin with: the network as it is under the default plan and the planner's, the smallest."""
        small = self.own | {"input_bits": min(self.input_bits), "weight_bits": min(self.weight_bits)}
        known = self.parameters()
        starts = [
            self.own | {"plan": "default"},
            self.own | {"plan": "planner", "pace": PACES // 2},
            small | {"plan": "planner", "pace": 0},
            small | {"plan": "planner", "pace": PACES},
        ]
        return [{name: value for name, value in start.items() if name in known} for start in starts]


def network_layers(network: Network) -> tuple[LayerKernel, ...]:
    """Return the ``layers`` of :class:`Space` for ``network``."""
    found = []
    for layer in network.layers:
        if layer.accumulates:
            synapse = layer.synapses[0]
            rows, columns = synapse.kernel if synapse.slides else (0, 0)
            found.append((layer.name, rows, columns))
    return tuple(found)


def parse_numbers(
    text: str | None, option: str, default: Iterable[float], allowed: Collection[int] | None = None
) -> Numbers:
    """Return the different numbers of ``"2,3,4"`` in their order, ``default`` for None; errors name ``option``."""
    if text is None:
        return tuple(default)
    kind: type[int] | type[float] = int if allowed else float
    found = []
    for part in text.split(","):
        value: float | None
        try:
            value = kind(part)
        except ValueError:
            value = None
        if value is None or not (value in allowed if allowed else 0 < value < 1e5):
            wanted = f"of {', '.join(map(str, allowed))}" if allowed else "above 0"
            raise UserError(f"{option} must be numbers {wanted} with commas, not {text!r}")
        found.append(value)
    return tuple(dict.fromkeys(found))


def bits_options(wanted_input: str | None, wanted_weights: str | None, own: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Return ``(input bits, weight bits)`` to choose from, for the options given and the network's ``own`` bits.

    Without options: the network's own and fewer, of the input its powers of two, down to 1 and 2.
    """
    most_input, most_weights = own
    fewer = [bits for bits in (8, 4, 2, 1) if bits < most_input <= BYTE]
    inputs = parse_numbers(wanted_input, "--input-bits", (most_input, *fewer), INPUT_BITS)
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


def layers_plan(network: Network, choice: Choice, family: str) -> Plan:
    """Return the :class:`~s2nn_hw.circuit.choices.Plan` that the ``LAYER.*`` of ``choice`` say for ``family``;
    :class:`UserError` if none."""
    plan = Plan(tuple(_layer_plan(network, choice, before) for before in default_plan(network, family).layers))
    return with_buffers(plan, safe_buffers(network, plan))


def _layer_plan(network: Network, choice: Choice, before: LayerPlan) -> LayerPlan:
    """Return the plan ``before`` of a layer with what ``choice`` says of it."""
    layer = network.layer(before.name)
    if not layer.accumulates:
        return before
    engine, banks, word, groups, memory = (choice.of_layer(layer.name, key) for key in CHOICES)
    synapse = layer.synapses[0]
    convolves = synapse.slides
    taps = min(choice.taps(layer.name), prod(synapse.kernel)) if convolves else 1
    return replace(
        before,
        engine=engine,
        taps=taps,
        width=banks * word if not convolves and _alone(network, layer) else before.width,
        banks=taps * banks if ENGINES[engine].counts_spikes else 1,
        groups=_groups(layer.own_neuron.size, groups),
        memory=memory,
    )


def _groups(neurons: int, most: int) -> int:
    """Return the most groups, at most ``most``, none of which is left without neurons."""
    return max(g for g in range(1, most + 1) if -(-neurons // g) * (g - 1) < neurons)


def _alone(network: Network, layer: Layer) -> bool:
    """Whether the words that ``layer`` reads are its own affair: one source, which gives them to nobody else."""
    if len(layer.sources) > 1 or len(network.readers(layer.sources[0])) > 1:
        return False
    source = layer.sources[0]
    return source == INPUT or network.layer(source).accumulates
