"""Networks of other bits, each made once and kept in the exploration's folder, and the images they are measured on."""

import dataclasses
import hashlib
import io
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from rich.console import Console

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.explore.settings import Source
from s2nn_hw.explore.space import INPUT_BITS, LayerKernel, Numbers, bits_options, network_layers, parse_numbers
from s2nn_hw.explore.variants import CALIBRATION, make_variant, over_planes, own_bits
from s2nn_hw.files import atomic_path, write_json
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load, save
from s2nn_hw.network.synapse import both
from s2nn_hw.records import convert
from s2nn_hw.texts import read_json

FORMAT = "s2nn-variant"


@dataclass(frozen=True)
class Pictures:
    """Test images, raw values ``(count, *shape)``, their ``labels`` ``(count,)`` or None, and where they are from."""

    images: np.ndarray
    labels: np.ndarray | None
    source: str

    @property
    def digest(self) -> str:
        """Of images and labels."""
        kind = "" if self.images.dtype == np.uint8 else self.images.dtype.str  # as before there were others
        state = hashlib.sha256(f"{self.images.shape}{kind}".encode() + np.ascontiguousarray(self.images).tobytes())
        if self.labels is not None:
            state.update(np.asarray(self.labels).astype("<i8").tobytes())
        return state.hexdigest()[:16]

    def save_first(self, count: int, path: Path) -> None:
        """Write the first ``count`` images to ``path`` (``.npy``)."""
        content = io.BytesIO()
        np.save(content, np.ascontiguousarray(self.images[:count]), allow_pickle=False)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getvalue())


@dataclass(frozen=True)
class Variant:
    """One network: its file, its name and digest, and its ``accuracy`` on all test images (None without labels)."""

    path: Path
    name: str
    digest: str
    accuracy: float | None


@dataclass(frozen=True)
class VariantFile:
    """What lies beside a variant's network: what it is ``of`` (:meth:`Networks.identity`), and its ``accuracy``."""

    format: str
    version: int
    of: dict[str, Any]
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=1)] | None


def hidden_planes(network: Network) -> str:
    """Return the planes of tensors behind the input that have several, empty where none has."""
    return ", ".join(sorted({str(p) for name, p in network.planes.items() if name != INPUT and p.count > 1}))


class Networks(ABC):
    """The variants of a network, kept in ``folder``, which the owner sets: ``get(input_bits, weight_bits)``.

    Subclasses say what is explored (``identity``), what bits there are to choose from (``bits``), and ``make`` one.
    """

    def __init__(self, pictures: Pictures, console: Console) -> None:
        self.pictures, self.console, self.folder = pictures, console, Path()
        self.known: dict[str, Variant] = {}

    @property
    @abstractmethod
    def name(self) -> str:
        """What is explored."""

    @property
    @abstractmethod
    def layers(self) -> tuple[LayerKernel, ...]:
        """The layers of :class:`~s2nn_hw.explore.space.Space`."""

    @abstractmethod
    def identity(self) -> Source:
        """Return all that decides the variants."""

    @abstractmethod
    def bits(self, input_bits: str | None, weight_bits: str | None) -> tuple[Numbers, Numbers]:
        """Return the bits to choose from for the options given."""

    @abstractmethod
    def make(self, input_bits: int, weight_bits: int) -> Network:
        """Return the network with these bits."""

    def has(self, input_bits: int, weight_bits: int) -> bool:
        """Return whether :meth:`get` gives this one at once."""
        return f"i{input_bits}w{weight_bits}" in self.known

    def get(self, input_bits: int, weight_bits: int) -> Variant:
        """Return the :class:`Variant`; it is made, and its accuracy measured, if it is not in the folder."""
        key = f"i{input_bits}w{weight_bits}"
        if key not in self.known:
            self.known[key] = self._kept(key) or self._made(key, input_bits, weight_bits)
        return self.known[key]

    def _kept(self, key: str) -> Variant | None:
        path = self.folder / f"{key}.s2nn"
        try:
            said = path.with_suffix(".json")
            note, network = convert(read_json(said, what="variant"), VariantFile, f"variant {said}"), load(path)
        except UserError:
            return None
        if json.dumps(note.of, sort_keys=True) != json.dumps(self._of(network), sort_keys=True):
            return None
        if (note.format, note.version) != (FORMAT, 1) or (note.accuracy is None) != (self.pictures.labels is None):
            return None
        return Variant(path, network.name, network.digest, note.accuracy)

    def _made(self, key: str, input_bits: int, weight_bits: int) -> Variant:
        network = self.make(input_bits, weight_bits)
        self.folder.mkdir(parents=True, exist_ok=True)
        path, accuracy = self.folder / f"{key}.s2nn", None
        if self.pictures.labels is not None:
            classes = network.forward(self.pictures.images).classes
            accuracy = round(float((classes == self.pictures.labels).mean()), 6)
        save(network, path)
        write_json(path.with_suffix(".json"), asdict(VariantFile(FORMAT, 1, self._of(network), accuracy)))
        said = "" if accuracy is None else f": accuracy {100 * accuracy:.2f} % on {len(self.pictures.images):,} images"
        entering = f"events in {input_bits} steps" if network.input.events else f"{input_bits}-bit pixels"
        gives = hidden_planes(network)
        self.console.print(
            f"network of {entering} and {weight_bits}-bit weights{said}"
            + (f"; {gives} behind the input" if gives else "")
        )
        return Variant(path, network.name, network.digest, accuracy)

    def _of(self, network: Network) -> dict[str, Any]:
        """Return what a file of a variant says it is of."""
        return self.identity().to_json() | {"images": self.pictures.digest, "network": network.digest}


class FromNetwork(Networks):
    """Variants of the integer network in file ``path``, rounded anew on training images if they are here."""

    def __init__(self, path: Path, pictures: Pictures, console: Console) -> None:
        super().__init__(pictures, console)
        self.network = load(path)
        if pictures.labels is not None:
            checked_labels(pictures.labels, len(pictures.images), len(self.network.classes))
        self.calibration = calibration_images(self.network, CALIBRATION)

    @property
    def name(self) -> str:
        """See :class:`Networks`."""
        return self.network.name

    @property
    def layers(self) -> tuple[LayerKernel, ...]:
        """See :class:`Networks`."""
        return network_layers(self.network)

    def identity(self) -> Source:
        """See :class:`Networks`."""
        count = 0 if self.calibration is None else len(self.calibration)
        planes = hidden_planes(self.network) or None
        return Source("network", self.name, self.network.digest, count, self.network.input.events or None, planes)

    def bits(self, input_bits: str | None, weight_bits: str | None) -> tuple[Numbers, Numbers]:
        """Return the bits to choose from for the options given, see :func:`~s2nn_hw.explore.space.bits_options`."""
        own = own_bits(self.network)
        planes = over_planes(self.network)
        if planes is None and (self.network.input.of_bytes or self.network.input.scaling):
            return bits_options(input_bits, weight_bits, own)
        if planes is None:
            if input_bits not in (None, str(own[0])):
                raise UserError(
                    f"--input-bits: the network reads integers as they are, so it has its {own[0]} and no others, "
                    f"not {quoted(input_bits)}; explore its recipe instead"
                )
            return bits_options(str(own[0]), weight_bits, own)
        for option, text, bits in (("--input-bits", input_bits, own[0]), ("--weight-bits", weight_bits, own[1])):
            if text not in (None, str(bits)):
                raise UserError(
                    f"{option}: layer {planes} has several planes, so the network has its {bits} and no others, "
                    f"not {quoted(text)}; explore its recipe instead"
                )
        return (own[0],), (own[1],)

    def make(self, input_bits: int, weight_bits: int) -> Network:
        """See :class:`Networks`."""
        return make_variant(self.network, input_bits=input_bits, weight_bits=weight_bits, calibration=self.calibration)


class FromRecipe(Networks):
    """Networks trained by the recipe in file ``path`` with other bits, each in a folder of its own below ``folder``.

    Weight bits are those of hidden layers; readout and shortcuts keep what the recipe says. An interrupted training
    goes on.
    """

    def __init__(self, path: Path, pictures: Pictures, console: Console, epochs: int | None = None) -> None:
        from s2nn_hw.quantize.recipe import load_recipe

        super().__init__(pictures, console)
        recipe = load_recipe(path)
        if epochs is not None:
            recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, epochs=epochs))
        self.recipe = recipe

    @property
    def name(self) -> str:
        """See :class:`Networks`."""
        return self.recipe.name

    @property
    def layers(self) -> tuple[LayerKernel, ...]:
        """See :class:`Networks`."""
        from s2nn_hw.quantize.graph import nodes

        found = [(node.name, node.taps[0]) for node in nodes(self.recipe) if node.taps]
        return tuple((name, *(both(tap.kernel) if tap.kind == "conv" else (0, 0))) for name, tap in found)

    def identity(self) -> Source:
        """See :class:`Networks`."""
        from s2nn_hw.quantize.recipe import as_dict

        text = json.dumps(as_dict(self.recipe), sort_keys=True)
        return Source("recipe", self.name, hashlib.sha256(text.encode()).hexdigest())

    def bits(self, input_bits: str | None, weight_bits: str | None) -> tuple[Numbers, Numbers]:
        """Return the bits to choose from: those given, else the recipe's own first and then 1, 2, 4 and 2, 3, 4."""
        own = [self.recipe.data.pixel_bits, max(self.recipe.bits[:-1])]
        inputs = parse_numbers(input_bits, "--input-bits", (own[0], 1, 2, 4), INPUT_BITS)
        weights = parse_numbers(weight_bits, "--weight-bits", (own[1], 2, 3, 4), range(1, 9))
        return tuple(dict.fromkeys(inputs)), tuple(dict.fromkeys(weights))

    def make(self, input_bits: int, weight_bits: int) -> Network:
        """See :class:`Networks`."""
        from s2nn_hw.quantize.checkpoint import read_checkpoint
        from s2nn_hw.quantize.summary import quantize
        from s2nn_hw.quantize.train import train

        recipe, name = self.recipe, f"{self.name[:48]}-i{input_bits}w{weight_bits}"
        layers = tuple(
            dataclasses.replace(
                layer, bits=weight_bits, shortcut_bits=(layer.shortcut_bits or layer.bits) if layer.shortcut else None
            )
            if layer.bits is not None
            else layer
            for layer in recipe.layers
        )
        recipe = dataclasses.replace(
            recipe, name=name, layers=layers, data=dataclasses.replace(recipe.data, pixel_bits=input_bits)
        )
        self.console.print(f"training {name}, {recipe.training.epochs} epochs")
        checkpoint = train(recipe, self.folder / name, console=self.console)
        return quantize(read_checkpoint(checkpoint), console=self.console)[0]


def calibration_images(network: Network, count: int) -> np.ndarray | None:
    """Return the first ``count`` training images of the data set that ``network`` names, None if they are not here."""
    from s2nn_hw.quantize.data.sets import SETS, present
    from s2nn_hw.quantize.data.sets import load as load_set

    name = network.provenance.get("data_set")
    if name not in SETS or not present(name, "train"):
        return None
    images = load_set(name, "train")[0][:count]
    return images if images.shape[1:] == network.input.shape and network.input.of_bytes else None


def recipe_images(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Return ``(images, labels, source)``: the test set of the data that the recipe in file ``path`` is for."""
    from s2nn_hw.quantize.data import source
    from s2nn_hw.quantize.recipe import load_recipe

    data = load_recipe(path).data
    return *source.raw(data, "test"), f"{data.set or source.title(data)} test set"
