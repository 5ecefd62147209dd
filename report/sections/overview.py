"""What a network is, before anything is built: the figures of ``s2nn-hw inspect``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.stage import Reader, Stage
from s2nn_hw.circuit.windows import WindowParams
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES, GENERAL
from s2nn_hw.network.network import Network
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapse import Pair, alike
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.sections.work import connections, slots_given, slots_read

SLOTS = "slots"  # a value is a spike in one of them: no code of a network, a way to carry its numbers


@dataclass(frozen=True)
class WindowOverview:
    """What the window in front of a stage keeps of ``source``: words, bits of one, and how many are read at once.

    kernel, stride, padding   of the window
    words, least_words        that it holds, and that it must
    word_bits                 bits of a word
    taps, groups              read at once, and passes for all
    """

    source: str
    kernel: tuple[int, ...]
    stride: Pair
    padding: Pair
    words: int
    least_words: int
    word_bits: int
    taps: int
    groups: int

    @classmethod
    def of(cls, reader: Reader, window: WindowParams) -> "WindowOverview":
        """Return that of the ``window`` of ``reader``."""
        return cls(
            source=reader.source,
            kernel=tuple(window.kernel),
            stride=alike(window.stride),
            padding=alike(window.padding),
            words=window.depth,
            least_words=window.least_depth,
            word_bits=window.width * window.value_bits,
            taps=window.taps,
            groups=window.groups,
        )

    def to_json(self) -> Json:
        """Return the fields, JSON-able."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class WeightsOverview:
    """The weights of a stage and the engine that adds them.

    synapses                  weights, those of the layers computed inside it among them
    bits, weight_range        of a weight: widest, and (smallest, largest)
    sparsity                  share of zeros
    table, table_range        the neurons' constants: name, and (smallest, largest)
    accumulator_bits          (narrowest, widest)
    memory_bits               of the weights; 0 where they are logic
    lanes, groups, banks      accumulators, passes for all neurons, weights that each adds a cycle
    words, bit_planes         of the input a frame, and passes of each, one a plane
    """

    synapses: int
    bits: int
    weight_range: tuple[int, int]
    sparsity: float
    table: str
    table_range: tuple[int, int]
    accumulator_bits: tuple[int, int]
    memory_bits: int
    lanes: int
    groups: int
    banks: int
    words: int
    bit_planes: int

    @classmethod
    def of(cls, stage: Stage) -> "WeightsOverview | None":
        """Return those of ``stage``, None for a join."""
        engine = stage.engine
        if engine is None:
            return None
        synapses = [s for one in stage.layers for s in one.synapses]
        weights, table, widths = [s.weights for s in synapses], stage.neuron.table, engine.accumulator_widths()
        count, zeros = sum(w.size for w in weights), sum(int((w == 0).sum()) for w in weights)
        return cls(
            synapses=count,
            bits=max(s.bits for s in synapses),
            weight_range=(min(int(w.min()) for w in weights), max(int(w.max()) for w in weights)),
            sparsity=round(zeros / count, 5),
            table=stage.neuron.table_name,
            table_range=(int(table.min()), int(table.max())),
            accumulator_bits=(int(widths.min()), int(widths.max())),
            memory_bits=0 if engine.constant else sum(s.weights.size * s.bits for s in synapses),
            lanes=engine.lanes,
            groups=engine.groups,
            banks=engine.ways,
            words=engine.words,
            bit_planes=engine.planes,
        )

    def to_json(self) -> Json:
        """Return the fields, JSON-able."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class TimeOverview:
    """Planes of what a stage reads and gives, and its neurons' actions, a cycle and an addition a neuron each.

    reads, gives              planes; None for scores
    settings                  of the neurons: steps, leak, fraction, ..., empty where the file has none
    between, after            actions between two planes, and after the last
    slots_read, slots_given   slots in which values come and leave as spikes, 0 where as numbers
    ramped                    additions of a neuron that take no cycle: slopes to potentials, steps of the ramp
    """

    reads: Planes
    gives: Planes | None
    settings: Mapping[str, int | str]
    between: int
    after: int
    slots_read: int = 0
    slots_given: int = 0
    ramped: int = 0

    @classmethod
    def of(cls, network: Network, stage: Stage) -> "TimeOverview":
        """Return that of ``stage``."""
        layer = stage.layer
        reads, gives = network.read(stage.layers[0]), None if stage.is_readout else network.planes[stage.output]
        if layer.neuron is None:
            return cls(reads, gives, {}, 0, 0)
        settings = {name: getattr(layer.neuron, name) for name in layer.neuron.settings}
        if slots := slots_read(stage):
            ramp = stage.engine.ramp
            ramped = slots + (ramp.slots if ramp else 0)
            return cls(reads, gives, settings, 0, 0, slots, slots_given(stage), ramped)
        program = layer.neuron.program(network.read(layer), *network.bounds(layer))
        return cls(reads, gives, settings, len(program.between), len(program.after))

    @property
    def actions(self) -> int:
        """Actions of a neuron in a frame."""
        return self.between * (self.reads.count - 1) + self.after + self.ramped

    @property
    def planes(self) -> int:
        """Planes of a value that is read, or its slots."""
        return self.slots_read or self.reads.count

    @property
    def code(self) -> str:
        """What those are."""
        return SLOTS if self.slots_read else self.reads.code

    @property
    def planes_out(self) -> int | None:
        """Planes of a value that leaves, or its slots, None for scores."""
        return self.slots_given or (self.gives.count if self.gives else None)

    def to_json(self) -> Json:
        """Return planes, codes, settings and actions, JSON-able."""
        return {
            "planes": self.planes,
            "code": self.code,
            "planes_out": self.planes_out,
            "code_out": SLOTS if self.slots_given else self.gives and self.gives.code,
            "settings": dict(self.settings),
            "actions_between_planes": self.between,
            "actions_after_planes": self.after,
        }


@dataclass(frozen=True)
class StageOverview:
    """What a stage is; a fused max pooling is the ``pool`` (rows, columns) of the layer before it.

    sources                   tensors that it reads
    synapse, neuron, engine   their kinds; a join has no neuron, and the engine ``or``
    shape, output             of the layer, and the name of the tensor that leaves
    inputs, neurons           values read, and channels of the output
    connections               weights, each counted once for every position at which it is used
    fused                     layers in front that are computed inside it
    windows                   in front of it, one a source at most
    weights                   None for a join
    time                      planes of its tensors, and what its neurons do with them
    """

    name: str
    sources: tuple[str, ...]
    synapse: str
    neuron: str | None
    engine: str
    shape: tuple[int, ...]
    pool: tuple[int, int] | None
    output: str
    inputs: int
    neurons: int
    connections: int
    fused: tuple[str, ...]
    windows: tuple[WindowOverview, ...]
    weights: WeightsOverview | None
    time: "TimeOverview"

    @property
    def synapses(self) -> int:
        """How many weights there are."""
        return self.weights.synapses if self.weights else 0

    @property
    def memory_bits(self) -> int:
        """Bits of weights in memory."""
        return self.weights.memory_bits if self.weights else 0

    def to_json(self) -> Json:
        """Return the row of ``s2nn-hw inspect``: these fields, then those of the weights."""
        return {
            "name": self.name,
            "sources": list(self.sources),
            "source": self.sources[0],
            "synapse": self.synapse,
            "neuron": self.neuron,
            "engine": self.engine,
            "shape": list(self.shape),
            "pool": list(self.pool) if self.pool else None,
            "output": self.output,
            "inputs": self.inputs,
            "neurons": self.neurons,
            "connections": self.connections,
            "fused": list(self.fused),
            "synapses": self.synapses,
            "memory_bits": self.memory_bits,
            "windows": [window.to_json() for window in self.windows],
            "time": self.time.to_json(),
        } | (self.weights.to_json() if self.weights else {})


def stage_overview(network: Network, stage: Stage) -> StageOverview:
    """Return one stage's figures: shapes, weights, ranges, accumulator width, engine, windows."""
    layer, engine, sources = stage.layer, stage.engine, stage.layers[0].sources
    wired = engine is not None and engine.constant
    return StageOverview(
        name=stage.name,
        sources=tuple(sources),
        synapse="+".join(s.kind for s in layer.synapses),
        neuron=layer.neuron.kind if layer.neuron else None,
        engine="or" if engine is None else engine.kind,
        shape=tuple(network.shapes[layer.name]),
        pool=next(r.window.pool for r in stage.readers if r.window) if stage.repeats > 1 else None,
        output=stage.output,
        inputs=sum(prod(network.shapes[source]) for source in sources),
        neurons=stage.neurons,
        connections=sum(connections(network, one, wired=wired) for one in stage.layers),
        fused=tuple(one.name for one in stage.fused),
        windows=tuple(WindowOverview.of(reader, reader.window) for reader in stage.readers if reader.window),
        weights=WeightsOverview.of(stage),
        time=TimeOverview.of(network, stage),
    )


def input_overview(network: Network) -> Json:
    """Return what enters: shape, bits of a pixel, or steps of events, the code that says which, whether pixels are
    signed, and of raw values that become pixels by a record how many offsets it has."""
    found = {"shape": list(network.input.shape), "bits": network.input.bits, "code": network.input.code}
    found |= {"signed": True} if network.input.signed else {}
    scaling = network.input.scaling
    return found if scaling is None else found | {"offsets": len(scaling.offset)}


def overview(network: Network, plan: Plan | None = None) -> Json:
    """Return the JSON-able description of ``network``: input, layers, classes, provenance, plan, estimates."""
    design = Design(network, plan or default_plan(network, GENERAL))
    rows = [stage_overview(network, stage) for stage in design.stages]
    return {
        "format": "s2nn-overview",
        "version": 1,
        "name": network.name,
        "digest": network.digest,
        "input": input_overview(network) | {"pixels": network.input.size},
        "layers": [row.to_json() for row in rows],
        "synapses": sum(row.synapses for row in rows),
        "connections": sum(row.connections for row in rows),
        "memory_bits": sum(row.memory_bits for row in rows),
        "classes": list(network.classes),
        "provenance": network.provenance,
        "plan": [asdict(choice) | {"buffers": list(choice.buffers)} for choice in design.plan.layers],
        "estimates": {family: estimate(design, family).to_json() for family in FAMILIES},
    }
