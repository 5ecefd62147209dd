"""The settings of a training run: frozen dataclasses, one a table of the recipe, with the limits of every key."""

import sys
from dataclasses import MISSING, Field, dataclass, field
from typing import Any

from s2nn_hw.network.layer import INPUT_BITS
from s2nn_hw.network.neurons.integrate import MAX_LEAK, RESETS
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.planes import MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.quantize.data.sequence_sets import SEQUENCES
from s2nn_hw.quantize.data.sets import SETS

KERNELS = (1, 2, 3, 4, 5, 6, 7)
NEURONS = ("fire", "quantized", "integrate")
LIMITS = "limits"  # key of a field's metadata
LARGEST = sys.float_info.max

# the surrogate gradients of quantize/neuron.py, which reads torch; recipes are read without
SURROGATES = ("s2nn", "sigmoid", "atan", "rectangular", "triangular", "straight_through")


@dataclass(frozen=True)
class Limits:
    """What a key takes, in the metadata of its field.

    low, high   range of a number, or of each of a list
    choices     the values that are taken, empty: any
    key         its name in the file where that is no name in Python
    """

    low: float | None = None
    high: float | None = None
    choices: tuple[str | int, ...] = ()
    key: str | None = None


def _within(
    default: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] = (),
    key: str | None = None,
) -> Any:
    return field(default=default, metadata={LIMITS: Limits(low, high, choices, key)})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file of the user's held when the recipe was read; written into checkpoints, so that those stand alone.

    kind        "npz", "folder" or "table"
    sha256      of the content
    shape       of an image, or (features,)
    classes     names, in order
    features    names of a table's columns
    low, high   raw values of the smallest and the largest pixel: one, or one a feature or channel; None: bytes, of
                which pixels are the top bits
    missing     what stands for missing values, as many
    """

    kind: str | None = _within(None, choices=("npz", "folder", "table"))
    sha256: str | None = _within(None)
    shape: tuple[int, ...] | None = _within(None, 1, 1 << 16)
    classes: tuple[str, ...] | None = _within(None)
    features: tuple[str, ...] | None = _within(None)
    low: tuple[float, ...] | None = _within(None, -LARGEST, LARGEST)
    high: tuple[float, ...] | None = _within(None, -LARGEST, LARGEST)
    missing: tuple[float, ...] | None = _within(None, -LARGEST, LARGEST)


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on: a known ``set``, or a file or folder of the user's, ``path`` (docs/data.md has the keys).

    ``pixel_bits``: bits of each pixel that the network sees, of bytes the top ones; ``signed``: whether pixels are in
    two's complement; ``validation``: training images held out; ``left_out``: of a set of sequences with speakers, the
    one who is the test.
    """

    set: str | None = _within(None, choices=(*SETS, *SEQUENCES))
    pixel_bits: int = _within(choices=INPUT_BITS)
    signed: bool = _within(False)
    validation: int = _within(0, 0, 30_000)
    path: str | None = _within(None)
    test: str | None = _within(None)
    test_share: float | None = _within(None, 0.001, 0.999)
    seed: int = _within(0, 0, 2**31)
    label: str | None = _within(None)
    columns: tuple[str, ...] | None = _within(None)
    split: str | None = _within(None)
    separator: str | None = _within(None)
    classes: tuple[str, ...] | None = _within(None)
    range: str | tuple[float, ...] | None = _within(None, -LARGEST, LARGEST)
    missing: str | float | None = _within(None, -LARGEST, LARGEST)
    size: tuple[int, ...] | None = _within(None, 1, 1 << 16)
    channels: int | None = _within(None, choices=(1, 3))
    alpha: str | None = _within(None, choices=("black", "white"))
    left_out: str | None = _within(None)
    found: Found = Found()

    @property
    def planes(self) -> Planes:
        """The planes of a pixel."""
        return Planes(self.pixel_bits, signed=self.signed)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of each training image, uniform in ``-value .. value``; ``scale`` and ``shear`` are fractions.

    ``crop_pixels`` shifts by whole pixels, up to so many each way; ``cutout_pixels`` blackens a square of that side.
    Of sequences ``shift_frames`` moves in time, and ``mask_channels`` blanks up to so many neighbouring channels.
    """

    shift_pixels: float = _within(0.0, 0, 8)
    rotate_degrees: float = _within(0.0, 0, 90)
    scale: float = _within(0.0, 0, 0.5)
    shear: float = _within(0.0, 0, 0.5)
    elastic_pixels: float = _within(0.0, 0, 8)
    flip: bool = _within(False)
    crop_pixels: int = _within(0, 0, 16)
    cutout_pixels: int = _within(0, 0, 32)
    shift_frames: int = _within(0, 0, 64)
    mask_channels: int = _within(0, 0, 64)
    clean: float = _within(0.0, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the graph; :mod:`s2nn_hw.quantize.graph` says what each kind wants and checks it.

    ``dense``: ``neurons``, ``bits``, ``fan_in`` (live inputs of each neuron, see :class:`Sparse`) and with it
    ``window`` (side of the square of the image that they are in). ``conv``: ``channels``, ``kernel``, ``stride``,
    ``padding`` (default half the kernel), ``groups`` (a number or "depthwise"), ``bits``, ``pool`` (a max pool of that
    size behind it). ``maxpool``: ``kernel``, ``stride`` (default the kernel), ``padding``. Each of these sizes is a
    number, or a list of that of rows and that of columns. ``or``: two or more sources
    in ``from``. ``shortcut`` on a ``conv`` names a layer whose spikes are added into the same accumulators by a 1 x 1
    convolution of ``shortcut_bits`` (default ``bits``): one weight per channel where the shapes agree (unless
    ``shortcut_kind`` is "conv"), else all to all with the stride that fits. ``neuron`` is the kind of this layer's
    neurons, and ``planes``, ``code``, ``steps``, ``leak``, ``reset`` are theirs, instead of :class:`Neuron`'s.
    """

    name: str | None = _within(None)
    kind: str = _within("dense", choices=("dense", "conv", "maxpool", "or"))
    source: str | tuple[str, ...] | None = _within(None, key="from")
    neurons: int | None = _within(None, 1, 1 << 16)
    channels: int | None = _within(None, 1, 1 << 16)
    kernel: int | tuple[int, int] | None = _within(None, choices=KERNELS)
    stride: int | tuple[int, int] | None = _within(None, choices=KERNELS)
    padding: int | tuple[int, int] | None = _within(None, 0, 6)
    groups: int | str | None = _within(None, 1, 1 << 16)
    pool: int | tuple[int, int] | None = _within(None, 1, 7)
    bits: int | None = _within(None, 1, 8)
    fan_in: int | None = _within(None, 1, 1 << 16)
    window: int | None = _within(None, 1, 1 << 8)
    shortcut: str | None = _within(None)
    shortcut_kind: str | None = _within(None, choices=("identity", "conv"))
    shortcut_bits: int | None = _within(None, 1, 8)
    neuron: str | None = _within(None, choices=NEURONS)
    planes: int | None = _within(None, 1, MAX_STEPS)
    code: str | None = _within(None, choices=(RADIX, STEPS))
    steps: int | None = _within(None, 1, MAX_STEPS)
    leak: int | None = _within(None, 0, MAX_LEAK)
    reset: str | None = _within(None, choices=RESETS)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """``average``: side of the squares of the last image that are averaged first (1: none), [rows, columns] of such
    cells, or "global".

    ``groups``: nothing is trained, each class counts the spikes of its own equal share of the last layer's neurons.
    ``fan_in``: live inputs of each class, as in :class:`Layer`. ``leak``: k of scores that leak by 2^-k in each step of
    neurons that integrate, so that late spikes count more.
    """

    bits: int = _within(low=1, high=8)
    average: int | tuple[int, int] | str = _within(1, 1, 1 << 8)
    groups: bool = _within(False)
    fan_in: int | None = _within(None, 1, 1 << 16)
    leak: int | None = _within(None, 1, MAX_LEAK)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Surrogate gradient and threshold; see :mod:`s2nn_hw.quantize.neuron`. ``alpha`` left out means the surrogate's
    own.

    ``kind`` and the keys behind it: see :mod:`s2nn_hw.quantize.spec`, which has the defaults. ``quantized``:
    ``planes`` of ``code``. ``integrate``: ``steps``, ``leak`` (k of 2^-k), ``reset``, ``start`` and ``level`` (shares
    of the threshold), ``gradient``. ``fraction``: bits of their integer tables below a weight. ``round_from``: the
    share of the epochs from which on training sees thresholds and biases as those tables have them.
    """

    surrogate: str = _within("s2nn", choices=SURROGATES)
    alpha: float | None = _within(None, 1e-3, 1e3)
    beta: float = _within(1.0, 1e-3, 1e3)
    threshold: float = _within(1.0, -1e3, 1e3)
    kind: str = _within("fire", choices=NEURONS)
    planes: int | None = _within(None, 1, MAX_STEPS)
    code: str | None = _within(None, choices=(RADIX, STEPS))
    steps: int | None = _within(None, 1, MAX_STEPS)
    leak: int | None = _within(None, 0, MAX_LEAK)
    reset: str | None = _within(None, choices=RESETS)
    fraction: int | None = _within(None, 0, MAX_FRACTION)
    start: float | None = _within(None, 0, 1)
    level: float | None = _within(None, 0.05, 1)
    gradient: str | None = _within(None, choices=("surrogate", "dsr"))
    round_from: float | None = _within(None, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Training:
    """``schedule`` runs from ``learning_rate`` to 0; ``fake_quantise = false`` trains float weights.

    ``precision`` of a step's products: "auto" is bfloat16 for convolutions where the processor is quick at it.
    ``check_images``: on how many images accuracy is measured after each epoch; the final figure is on all.
    """

    epochs: int = _within(low=1, high=100_000)
    batch: int = _within(256, 2, 1 << 16)
    optimiser: str = _within("adamw", choices=("adam", "adamw", "sgd"))
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    schedule: str = _within("cosine", choices=("cosine", "linear", "constant"))
    warmup_epochs: float = _within(0.0, 0, 1e5)
    weight_decay: float = _within(0.0, 0, 1e3)
    label_smoothing: float = _within(0.0, 0, 0.9)
    fake_quantise: bool = _within(True)
    precision: str = _within("auto", choices=("auto", "float32", "bfloat16"))
    check_images: int = _within(60_000, 1, 60_000)
    seed: int = _within(0, 0, 2**31)


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """``weight`` times the ``measure`` of activity per image, as a fraction of every neuron spiking every time.

    ``synaptic_operations`` counts each spike by its fan-out; ``spikes`` counts it once, as the event engine's
    cycles do.
    """

    measure: str = _within("synaptic_operations", choices=("synaptic_operations", "spikes"))
    weight: float = _within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A float ReLU network trained first in the same run; its soft labels take the share ``weight`` of the loss.

    For dense recipes it has ``layers`` layers of ``neurons``; else it is the recipe's own graph, ``width`` times
    as many channels.
    """

    neurons: int = _within(1024, 1, 1 << 16)
    layers: int = _within(2, 1, 8)
    epochs: int = _within(20, 1, 100_000)
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    weight: float = _within(0.0, 0, 1)
    temperature: float = _within(2.0, 0.1, 100)
    width: int = _within(1, 1, 16)


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """How layers with ``fan_in`` choose their connections; see :mod:`s2nn_hw.quantize.sparse`.

    All are live at first. From there to the share ``reach`` of the epochs the number falls to ``fan_in``; to the share
    ``fix`` the choice is made anew every ``every`` steps, then it stays.
    """

    reach: float = _within(0.35, 0, 1)
    fix: float = _within(0.5, 0, 1)
    every: int = _within(20, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class Area:
    """``weight`` times the estimated LUTs beyond ``lut_budget``, as a share of it, in the loss; 0 LUTs: no budget.

    It acts from the share ``reach`` of :class:`Sparse` on, when the neurons have no more inputs than they may keep.
    """

    lut_budget: int = _within(0, 0, 1 << 24)
    weight: float = _within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What weights trained elsewhere mean (``quantize --recipe``); training takes none of it.

    ``flatten``: order in which an image was flattened before a dense layer. The owner's model saw
    ``(q input_scale / (2^k - 1) - input_mean) / input_std`` for the pixel ``q``, so ``input_scale`` is what the
    brightest pixel was (None: ``2^k - 1``, the pixels as they are; of signed pixels ``2^(k-1)`` stands in its place);
    mean and std: one number, or one a channel.
    """

    flatten: str | None = _within(None, choices=("row-column-channel", "channel-row-column"))
    input_scale: float | None = _within(None, 1e-6, 1e6)
    input_mean: float | tuple[float, ...] = _within(0.0, -1e6, 1e6)
    input_std: float | tuple[float, ...] = _within(1.0, 1e-6, 1e6)

    @property
    def changes_input(self) -> bool:
        """Whether the owner's model saw other numbers than the pixels."""
        return (self.input_scale, self.input_mean, self.input_std) != (None, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How a trained ReLU network becomes a spiking one (``s2nn-hw convert``); training of spikes takes none of it.

    ``method``, ``form``: see :mod:`s2nn_hw.quantize.conversion.methods`; ``steps``: T, spikes of an activation at
    most; ``shift``: half a threshold is added, so that activations are rounded and not cut. The method has its own of
    these three where they are not said. ``leak``: of "t2", whether leaks are trained. ``percentile``: of a layer's
    activations on training images is its threshold, 100: the largest. ``epochs``, ``learning_rate``: of each training
    that the method has; 0 epochs: without.
    """

    method: str = _within("balance", choices=("balance", "clip-floor", "t2", "tandem"))
    form: str | None = _within(None, choices=("two-phase", "steps"))
    steps: int | None = _within(None, 1, MAX_STEPS)
    shift: bool | None = _within(None)
    leak: bool = _within(False)
    percentile: float = _within(99.9, 50, 100)
    epochs: int = _within(5, 0, 1000)
    learning_rate: float = _within(3e-4, 1e-8, 1e3)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training run. :func:`.recipe.as_dict` gives the JSON-able whole."""

    name: str
    data: Data
    layers: tuple[Layer, ...]
    readout: Readout
    training: Training
    augment: Augment = Augment()
    neuron: Neuron = Neuron()
    penalty: Penalty = Penalty()
    teacher: Teacher = Teacher()
    sparse: Sparse = Sparse()
    area: Area = Area()
    weights: Weights = Weights()
    conversion: Conversion = Conversion()

    @property
    def as_trained_elsewhere(self) -> bool:
        """Whether anything is said of weights trained elsewhere."""
        return self.weights != Weights()

    @property
    def bits(self) -> list[int]:
        """Weight bits of each layer with weights, the readout last."""
        return [layer.bits for layer in self.layers if layer.bits is not None] + [self.readout.bits]


def limits(entry: Field[Any]) -> Limits:
    """Return the limits of the key that ``entry``, a field, stands for."""
    found = entry.metadata.get(LIMITS)
    return found if isinstance(found, Limits) else Limits()
