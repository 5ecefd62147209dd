"""The settings of a training run: frozen dataclasses, one a table of the recipe, with the limits of every key."""

from dataclasses import dataclass

from s2nn_hw.network.layer import INPUT_BITS, MAX_TICKS
from s2nn_hw.network.neurons.integrate import MAX_LEAK, RESETS
from s2nn_hw.network.neurons.sigma_delta import MAX_GAIN
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.neurons.ttfs import SLOTS
from s2nn_hw.network.planes import MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.network.sequences import MAX_FRAMES
from s2nn_hw.quantize.data.sequence_sets import SEQUENCES
from s2nn_hw.quantize.data.sets import SETS
from s2nn_hw.quantize.limits import LARGEST, within

KERNELS = (1, 2, 3, 4, 5, 6, 7)
NEURONS = ("fire", "quantized", "ttfs", "integrate")
OVER_TIME = ("sigma_delta_encoder", "sigma_delta", "adaptive", "lif", "low_pass")  # of sequences
SEQUENCE_FILES, RECORDINGS = "sequences", "recordings"  # what the user's own data over time may be
SCORES = ("last", "last_half", "integrator", "max")

# the surrogate gradients of quantize/neuron.py, which reads torch; recipes are read without
SURROGATES = ("s2nn", "sigmoid", "atan", "rectangular", "triangular", "straight_through")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file of the user's held when the recipe was read; written into checkpoints, so that those stand alone.

    kind        "npz", "folder" or "table"; over time "sequences" or "recordings"
    sha256      of the content
    shape       of an image, or (features,)
    classes     names, in order
    features    names of a table's columns
    low, high   raw values of the smallest and the largest pixel: one, or one a feature or channel; None: bytes, of
                which pixels are the top bits
    missing     what stands for missing values, as many
    """

    kind: str | None = within(None, choices=("npz", "folder", "table", SEQUENCE_FILES, RECORDINGS))
    sha256: str | None = within(None)
    shape: tuple[int, ...] | None = within(None, 1, 1 << 16)
    classes: tuple[str, ...] | None = within(None)
    features: tuple[str, ...] | None = within(None)
    low: tuple[float, ...] | None = within(None, -LARGEST, LARGEST)
    high: tuple[float, ...] | None = within(None, -LARGEST, LARGEST)
    missing: tuple[float, ...] | None = within(None, -LARGEST, LARGEST)


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on: a known ``set``, or a file or folder of the user's, ``path`` (docs/data.md has the keys).

    ``pixel_bits``: bits of each pixel that the network sees, of bytes the top ones; ``signed``: whether pixels are in
    two's complement; ``validation``: training images held out; ``left_out``: of a set of sequences with speakers, the
    one who is the test.
    """

    set: str | None = within(None, choices=(*SETS, *SEQUENCES))
    pixel_bits: int = within(choices=INPUT_BITS)
    signed: bool = within(False)
    validation: int = within(0, 0, 30_000)
    path: str | None = within(None)
    test: str | None = within(None)
    test_share: float | None = within(None, 0.001, 0.999)
    seed: int = within(0, 0, 2**31)
    label: str | None = within(None)
    columns: tuple[str, ...] | None = within(None)
    split: str | None = within(None)
    separator: str | None = within(None)
    classes: tuple[str, ...] | None = within(None)
    range: str | tuple[float, ...] | None = within(None, -LARGEST, LARGEST)
    missing: str | float | None = within(None, -LARGEST, LARGEST)
    size: tuple[int, ...] | None = within(None, 1, 1 << 16)
    channels: int | None = within(None, choices=(1, 3))
    alpha: str | None = within(None, choices=("black", "white"))
    left_out: str | None = within(None)
    found: Found = Found()

    @property
    def over_time(self) -> bool:
        """Whether it is of sequences."""
        return self.set in SEQUENCES or self.found.kind in (SEQUENCE_FILES, RECORDINGS)

    @property
    def planes(self) -> Planes:
        """The planes of a pixel."""
        return Planes(self.pixel_bits, signed=self.signed)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of each training image, uniform in ``-value .. value``; ``scale`` and ``shear`` are fractions.

    ``crop_pixels`` shifts by whole pixels, up to so many each way; ``cutout_pixels`` blackens a square of that side.
    Of sequences, see :func:`s2nn_hw.quantize.data.augment_sequences.augment_sequences`: ``tempo`` and ``shift_frames``
    change time, ``warp_channels`` and ``shift_channels`` places of channels, ``channel_gain`` and
    ``noise_floor`` values, and ``mask_channels`` blanks channels.
    """

    shift_pixels: float = within(0.0, 0, 8)
    rotate_degrees: float = within(0.0, 0, 90)
    scale: float = within(0.0, 0, 0.5)
    shear: float = within(0.0, 0, 0.5)
    elastic_pixels: float = within(0.0, 0, 8)
    flip: bool = within(False)
    crop_pixels: int = within(0, 0, 16)
    cutout_pixels: int = within(0, 0, 32)
    shift_frames: int = within(0, 0, 64)
    shift_channels: int = within(0, 0, 64)
    mask_channels: int = within(0, 0, 64)
    tempo: float = within(0.0, 0, 0.5)
    warp_channels: float = within(0.0, 0, 0.5)
    channel_gain: float = within(0.0, 0, 255)
    noise_floor: float = within(0.0, 0, 255)
    clean: float = within(0.0, 0, 1)


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
    neurons, and ``planes``, ``code``, ``slots``, ``steps``, ``leak``, ``reset``, and of sequences ``gain``,
    ``fraction``, are theirs, instead of :class:`Neuron`'s. ``recurrent``: the layer reads its own spikes of the tick
    before, too.
    """

    name: str | None = within(None)
    kind: str = within("dense", choices=("dense", "conv", "maxpool", "or"))
    source: str | tuple[str, ...] | None = within(None, key="from")
    neurons: int | None = within(None, 1, 1 << 16)
    channels: int | None = within(None, 1, 1 << 16)
    kernel: int | tuple[int, int] | None = within(None, choices=KERNELS)
    stride: int | tuple[int, int] | None = within(None, choices=KERNELS)
    padding: int | tuple[int, int] | None = within(None, 0, 6)
    groups: int | str | None = within(None, 1, 1 << 16)
    pool: int | tuple[int, int] | None = within(None, 1, 7)
    bits: int | None = within(None, 1, 8)
    fan_in: int | None = within(None, 1, 1 << 16)
    window: int | None = within(None, 1, 1 << 8)
    shortcut: str | None = within(None)
    shortcut_kind: str | None = within(None, choices=("identity", "conv"))
    shortcut_bits: int | None = within(None, 1, 8)
    neuron: str | None = within(None, choices=(*NEURONS, *OVER_TIME))
    planes: int | None = within(None, 1, MAX_STEPS)
    code: str | None = within(None, choices=(RADIX, STEPS))
    slots: int | None = within(None, choices=SLOTS)
    steps: int | None = within(None, 1, MAX_STEPS)
    leak: int | None = within(None, 0, MAX_LEAK)
    reset: str | None = within(None, choices=RESETS)
    gain: int | None = within(None, 1, MAX_GAIN)
    fraction: int | None = within(None, 0, MAX_FRACTION)
    recurrent: bool | None = within(None)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """``average``: side of the squares of the last image that are averaged first (1: none), [rows, columns] of such
    cells, or "global".

    ``groups``: nothing is trained, each class counts the spikes of its own equal share of the last layer's neurons.
    ``fan_in``: live inputs of each class, as in :class:`Layer`. ``leak``: k of scores that leak by 2^-k in each step of
    neurons that integrate, so that late spikes count more. Of sequences ``kind`` (default last_half), ``gain`` and
    ``fraction``; ``leak`` of integrator and max.
    """

    bits: int = within(low=1, high=8)
    average: int | tuple[int, int] | str = within(1, 1, 1 << 8)
    groups: bool = within(False)
    fan_in: int | None = within(None, 1, 1 << 16)
    leak: int | None = within(None, 1, MAX_LEAK)
    kind: str | None = within(None, choices=SCORES)
    gain: int | None = within(None, 1, MAX_GAIN)
    fraction: int | None = within(None, 0, MAX_FRACTION)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Surrogate gradient and threshold; see :mod:`s2nn_hw.quantize.neuron`. ``alpha`` left out means the surrogate's
    own.

    ``kind`` and the keys behind it: see :mod:`s2nn_hw.quantize.spec`, which has the defaults. ``quantized``:
    ``planes`` of ``code``. ``ttfs``: ``slots``. ``integrate``: ``steps``, ``leak`` (k of 2^-k), ``reset``, ``start``
    and ``level`` (shares of the threshold), ``gradient``. ``fraction``: bits of their integer tables below a weight.
    ``round_from``: the share of the epochs from which on training sees thresholds and biases as those tables have them.
    Kinds over time: see :mod:`s2nn_hw.quantize.sequences.layers`; ``gain``: the sum, in weights, that fills one.
    """

    surrogate: str = within("s2nn", choices=SURROGATES)
    alpha: float | None = within(None, 1e-3, 1e3)
    beta: float = within(1.0, 1e-3, 1e3)
    threshold: float = within(1.0, -1e3, 1e3)
    kind: str = within("fire", choices=(*NEURONS, *OVER_TIME))
    planes: int | None = within(None, 1, MAX_STEPS)
    code: str | None = within(None, choices=(RADIX, STEPS))
    slots: int | None = within(None, choices=SLOTS)
    steps: int | None = within(None, 1, MAX_STEPS)
    leak: int | None = within(None, 0, MAX_LEAK)
    reset: str | None = within(None, choices=RESETS)
    fraction: int | None = within(None, 0, MAX_FRACTION)
    start: float | None = within(None, 0, 1)
    level: float | None = within(None, 0.05, 1)
    gradient: str | None = within(None, choices=("surrogate", "dsr"))
    round_from: float | None = within(None, 0, 1)
    gain: int | None = within(None, 1, MAX_GAIN)


@dataclass(frozen=True, kw_only=True)
class Training:
    """``schedule`` runs from ``learning_rate`` to 0; ``fake_quantise = false`` trains float weights.

    ``precision`` of a step's products: "auto" is bfloat16 for convolutions where the processor is quick at it.
    ``check_images``: on how many images accuracy is measured after each epoch; the final figure is on all.
    """

    epochs: int = within(low=1, high=100_000)
    batch: int = within(256, 2, 1 << 16)
    optimiser: str = within("adamw", choices=("adam", "adamw", "sgd"))
    learning_rate: float = within(1e-3, 1e-8, 1e3)
    schedule: str = within("cosine", choices=("cosine", "linear", "constant"))
    warmup_epochs: float = within(0.0, 0, 1e5)
    weight_decay: float = within(0.0, 0, 1e3)
    label_smoothing: float = within(0.0, 0, 0.9)
    fake_quantise: bool = within(True)
    precision: str = within("auto", choices=("auto", "float32", "bfloat16"))
    check_images: int = within(60_000, 1, 60_000)
    seed: int = within(0, 0, 2**31)


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """``weight`` times the ``measure`` of activity per image, as a fraction of every neuron spiking every time.

    ``synaptic_operations`` counts each spike by its fan-out; ``spikes`` counts it once, as the event engine's
    cycles do.
    """

    measure: str = within("synaptic_operations", choices=("synaptic_operations", "spikes"))
    weight: float = within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A float ReLU network trained first in the same run; its soft labels take the share ``weight`` of the loss.

    For dense recipes it has ``layers`` layers of ``neurons``; else it is the recipe's own graph, ``width`` times
    as many channels.
    """

    neurons: int = within(1024, 1, 1 << 16)
    layers: int = within(2, 1, 8)
    epochs: int = within(20, 1, 100_000)
    learning_rate: float = within(1e-3, 1e-8, 1e3)
    weight: float = within(0.0, 0, 1)
    temperature: float = within(2.0, 0.1, 100)
    width: int = within(1, 1, 16)


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """How layers with ``fan_in`` choose their connections; see :mod:`s2nn_hw.quantize.sparse`.

    All are live at first. From there to the share ``reach`` of the epochs the number falls to ``fan_in``; to the share
    ``fix`` the choice is made anew every ``every`` steps, then it stays.
    """

    reach: float = within(0.35, 0, 1)
    fix: float = within(0.5, 0, 1)
    every: int = within(20, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class Area:
    """``weight`` times the estimated LUTs beyond ``lut_budget``, as a share of it, in the loss; 0 LUTs: no budget.

    It acts from the share ``reach`` of :class:`Sparse` on, when the neurons have no more inputs than they may keep.
    """

    lut_budget: int = within(0, 0, 1 << 24)
    weight: float = within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What weights trained elsewhere mean (``quantize --recipe``); training takes none of it.

    ``flatten``: order in which an image was flattened before a dense layer. The owner's model saw
    ``(q input_scale / (2^k - 1) - input_mean) / input_std`` for the pixel ``q``, so ``input_scale`` is what the
    brightest pixel was (None: ``2^k - 1``, the pixels as they are; of signed pixels ``2^(k-1)`` stands in its place);
    mean and std: one number, or one a channel.
    """

    flatten: str | None = within(None, choices=("row-column-channel", "channel-row-column"))
    input_scale: float | None = within(None, 1e-6, 1e6)
    input_mean: float | tuple[float, ...] = within(0.0, -1e6, 1e6)
    input_std: float | tuple[float, ...] = within(1.0, 1e-6, 1e6)

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

    method: str = within("balance", choices=("balance", "clip-floor", "t2", "tandem"))
    form: str | None = within(None, choices=("two-phase", "ttfs", "steps"))
    steps: int | None = within(None, 1, MAX_STEPS)
    shift: bool | None = within(None)
    leak: bool = within(False)
    percentile: float = within(99.9, 50, 100)
    epochs: int = within(5, 0, 1000)
    learning_rate: float = within(3e-4, 1e-8, 1e3)


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Of recipes for sequences: ``ticks`` for which a frame is held, ``frames`` of the longest sequence that the
    network takes, longer ones being cut (None: the longest for training), and the share of the epochs from which on
    training runs the integer network tick by tick (``exact_from``; before, it runs rates frame by frame).
    """

    ticks: int = within(1, 1, MAX_TICKS)
    frames: int | None = within(None, 1, MAX_FRAMES)
    exact_from: float = within(1.0, 0, 1)


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
    sequence: Sequence = Sequence()

    @property
    def over_time(self) -> bool:
        """Whether it is for sequences."""
        return self.data.over_time

    @property
    def as_trained_elsewhere(self) -> bool:
        """Whether anything is said of weights trained elsewhere."""
        return self.weights != Weights()

    @property
    def bits(self) -> list[int]:
        """Weight bits of each layer with weights, the readout last."""
        return [layer.bits for layer in self.layers if layer.bits is not None] + [self.readout.bits]
