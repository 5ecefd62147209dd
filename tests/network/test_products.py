"""The golden model's arithmetic: bit for bit that of PyTorch, which computed it before, and exact at the edges."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.network.planes import Planes
from s2nn_hw.network.products import BLOCK, convolved, exact_table, largest, products
from s2nn_hw.network.store import load
from s2nn_hw.network.synapses import Conv2d, MaxPool, PooledDense

ROOT = Path(__file__).parents[2]
# SHA-256 of what version 0.4.0, whose sums were PyTorch's, gave for the first images of `images`
RECORDED = json.loads((Path(__file__).parent / "golden_outputs.json").read_text())


def images(network, count):
    """Return ``count`` images or events whose bytes are the same everywhere."""
    shape = (count, *network.input.data_shape)
    raw = hashlib.shake_256(network.name.encode()).digest(math.prod(shape))
    array = np.frombuffer(raw, np.uint8).reshape(shape)
    return array & 1 if network.input.events else array


def digest(value):
    """Return the SHA-256 of an array, or of a table of them."""
    state = hashlib.sha256()
    for name, array in value.items() if isinstance(value, dict) else [("", value)]:
        state.update(f"{name}:{array.dtype.str}:{array.shape}:".encode() + np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_outputs_are_those_that_torch_gave(name):
    network = load(ROOT / "models" / f"{name}.s2nn")
    out = network.forward(images(network, 8), trace=True)
    assert {field: digest(getattr(out, field)) for field in RECORDED[name]} == RECORDED[name]


@pytest.mark.parametrize(
    ("shape", "channels", "kernel", "stride", "padding", "groups"),
    [
        ((1, 1, 1), 1, 1, 1, 0, 1),
        ((5, 7, 3), 4, 3, 1, 1, 1),
        ((9, 7, 3), 5, 3, 2, 0, 1),
        ((8, 8, 4), 6, 2, 3, 1, 2),
        ((9, 9, 6), 6, 3, 2, 2, 6),
        ((6, 5, 4), 8, 1, 1, 0, 4),
        ((7, 7, 2), 3, 7, 1, 6, 1),
    ],
)
@pytest.mark.parametrize("most", [1, 255])
def test_convolution_is_that_of_torch(shape, channels, kernel, stride, padding, groups, most):
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(kernel)
    weights = draw.integers(-127, 128, (channels, kernel, kernel, shape[2] // groups)).astype(np.int8)
    pixels = draw.integers(0, most + 1, (3, *shape)).astype(np.uint8)
    wide, table = (torch.tensor(x).permute(0, 3, 1, 2).double() for x in (pixels, weights))
    wanted = torch.nn.functional.conv2d(wide, table, stride=stride, padding=padding, groups=groups)
    came = Conv2d(weights, 8, stride, padding, groups).accumulate(pixels.reshape(3, -1), shape, most)
    assert came.dtype == np.int64
    assert np.array_equal(came, wanted.permute(0, 2, 3, 1).reshape(3, -1).numpy())


@pytest.mark.parametrize(("size", "stride", "padding"), [(1, 1, 0), (2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)])
def test_max_pooling_is_that_of_torch(size, stride, padding):
    torch = pytest.importorskip("torch")
    pixels = np.random.default_rng(size).integers(0, 256, (4, 9, 7, 3)).astype(np.uint8)
    wanted = torch.nn.functional.max_pool2d(torch.tensor(pixels).permute(0, 3, 1, 2).float(), size, stride, padding)
    came = MaxPool(size, stride, padding).join([pixels.reshape(4, -1)], (9, 7, 3), Planes(8))
    assert came.dtype == np.uint8
    assert np.array_equal(came, wanted.permute(0, 2, 3, 1).reshape(4, -1).numpy())


def test_an_image_larger_than_a_block_is_done_row_by_row():
    side, channels = 40, 96
    assert side * side * 9 * channels > BLOCK
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 2, (2, side, side, channels)).astype(np.uint8)
    weights = draw.integers(-7, 8, (2, 3, 3, channels)).astype(np.int8)
    came = convolved(pixels, weights, 1, (1, 1), (0, 0), 1)
    for row, column in ((0, 0), (17, 5), (37, 37)):
        window = pixels[:, row : row + 3, column : column + 3].astype(np.int64)
        assert np.array_equal(came[:, row, column], np.einsum("bijn,mijn->bm", window, weights.astype(np.int64)))


def test_sums_of_any_size_are_exact():
    narrow = np.full((1, 4), 127, np.int8)
    most = 2**24 // (4 * 127)  # the largest count for which float32 holds every sum
    assert [exact_table(narrow, most + more).dtype for more in (0, 1)] == [np.float32, np.float64]
    pixels = np.full((1, 4), most + 1, np.int32)
    pixels[0, 0] -= 1
    assert products(pixels, narrow, most + 1).tolist() == [[127 * (4 * most + 3)]]


def test_pooled_sums_count_every_pixel_of_a_cell():
    weights, pixels = np.full((1, 1), 127, np.int8), np.full((1, 512 * 512), 255, np.uint8)
    assert PooledDense(weights, 8, (512, 512)).accumulate(pixels, (512, 512), 255).tolist() == [[127 * 255 * 512 * 512]]


def test_pooling_a_pixel_gives_it_back():
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert np.array_equal(largest(pixels, (1, 1), (1, 1), (0, 0)), pixels)
