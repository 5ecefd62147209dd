"""Raw values into pixels: the equation, its file, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from s2nn_hw.emit import random_frames, write
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input
from s2nn_hw.network.network import Network
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import load, parse, save
from tests.support import outsider, outsider_container, outsider_scores
from tests.support.networks import random_network


def scaled(offset=(0.5, -1.0, 1e6, 0.1), step=(0.25, 1e-3, 7.0, 0.1), missing=None, bits=4):
    network = random_network((4, 9, 3), input_bits=bits)
    scaling = Scaling(np.array(offset), np.array(step), None if missing is None else np.array(missing))
    return replace(network, input=Input((4,), bits, scaling=scaling))


def repack(data, change):
    text, tensors = outsider_container.container(data)
    header = json.loads(text)
    change(header, tensors)
    return outsider_container.pack(json.dumps(header), tensors)


def test_the_equation():
    scaling = Scaling(np.array([10.0]), np.array([2.0]))
    came = scaling.quantise([8.9, 9, 11, 13, 15, 10.999, 1e300, -1e300, 40], 0, 15)
    assert came.tolist() == [0, 0, 0, 2, 2, 0, 15, 0, 15]  # ties to even
    assert scaling.quantise(np.array([True, False]), -8, 7).tolist() == [-4, -5]


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(1, 16), st.booleans())
def test_a_range_takes_its_ends_to_the_ends(start, width, bits, signed):
    assume(abs(start) <= 1e6 * width)  # binary64 has no pixels of 16 bits in between where the offset is too large
    low, peak = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    scaling = Scaling.of_range([start], [start + width], low, peak)
    assert scaling.quantise([start, start + width], low, peak).tolist() == [low, peak]
    pixels = np.arange(low, peak + 1)
    assert (scaling.quantise(scaling.raw(pixels), low, peak) == pixels).all()


def test_ranges_without_width_and_of_the_largest_numbers():
    scaling = Scaling.of_range([3.0, -1.7e308], [3.0, 1.7e308], 0, 255)
    assert scaling.quantise([[3.0, 1.7e308], [2.0, 0.0]], 0, 255).tolist() == [[0, 255], [0, 128]]


@given(st.integers(1, 7), st.integers(0, 5))
def test_coarser_pixels_are_the_top_bits(bits, seed):
    raw = np.random.default_rng(seed).normal(size=500)
    scaling = Scaling.of_range([-2.0], [2.0], 0, 255)
    fine, coarse = scaling.quantise(raw, 0, 255), scaling.coarser(8 - bits).quantise(raw, 0, 2**bits - 1)
    assert (fine >> (8 - bits) == coarse).all()


def test_a_network_takes_raw_values_of_any_type():
    network = scaled(missing=(1, 2, 3, 4))
    raw = random_frames(network, 20)
    assert raw.dtype == np.float64
    pixels = network.encode(raw)
    assert pixels.dtype == np.uint8
    assert pixels.max() > 7
    bare = replace(network, input=Input((4,), 4))
    assert (bare.forward(pixels << 4).scores == network.forward(raw).scores).all()
    whole = np.array([[1, -1, 1_000_007, 2]])
    assert network.encode(whole).tolist() == network.encode(whole.astype(np.float32)).tolist()
    unknown = np.full((1, 4), np.nan)
    assert network.encode(unknown).tolist() == network.encode(np.array([[1, 2, 3, 4]])).tolist()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((1, 4), complex), "values must be real numbers, not complex128"),
        (np.array([["a"] * 4]), "real numbers"),
        (np.array([[0, 0, 0, 0], [0, np.inf, 0, 0]]), "value 1 of frame 1 is not finite"),
        (np.array([[0, 0, np.nan, 0]]), r"value 2 of frame 0 is missing \(NaN\)"),
        (np.zeros((2, 3)), r"images must have shape \(count, 4\)"),
    ],
)
def test_values_that_are_refused(values, words):
    with pytest.raises(UserError, match=words):
        scaled().encode(values)


@pytest.mark.parametrize(
    ("offset", "step", "missing", "words"),
    [
        ([0.0] * 3, [1.0] * 3, None, "must have 1, 4 values, not 3"),
        ([0.0], [0.0], None, "step must be above 0"),
        ([0.0], [np.nan], None, "step must be finite, not nan"),
        ([np.inf], [1.0], None, "offset must be finite, not inf"),
        ([0.0] * 4, [1.0], None, "step must be a list as long as the offsets"),
        ([0.0] * 4, [1.0] * 4, [0.0], "missing must be a list as long as the offsets"),
        ([[0.0]], [[1.0]], None, "must be a list"),
    ],
)
def test_scalings_that_are_refused(offset, step, missing, words):
    with pytest.raises(UserError, match=words):
        scaled(offset, step, missing)


def test_images_have_one_offset_or_one_a_channel():
    two, three = Scaling(np.zeros(2), np.ones(2)), Scaling(np.zeros(3), np.ones(3))
    Input((5, 4, 3), 8, scaling=three)
    Input((5, 4), 8, scaling=Scaling(np.zeros(1), np.ones(1)))
    for shape, wrong in (((5, 4, 3), two), ((5, 3), three), ((2, 2), two)):
        with pytest.raises(UserError, match="must have"):
            Input(shape, 8, scaling=wrong)
    with pytest.raises(UserError, match="events have no offset"):
        Input((4,), 4, "steps", scaling=Scaling(np.zeros(1), np.ones(1)))


@pytest.mark.parametrize("missing", [None, (0.0, 5e-324, -1.5, 1e300)])
def test_the_file(tmp_path, missing):
    network = scaled(missing=missing)
    save(network, tmp_path / "a.s2nn")
    again = load(tmp_path / "a.s2nn")
    assert again.digest == network.digest
    assert again.format_version == 5
    assert again.input.scaling == network.input.scaling
    other = scaled(offset=(0.5, -1.0, 1e6, 0.1000000001), missing=missing)
    assert other.digest != network.digest
    read = outsider.read((tmp_path / "a.s2nn").read_bytes())
    raw = random_frames(network, 10)
    assert (outsider_scores.scores(read, raw)[0] == network.forward(raw).scores).all()


def test_interface_and_vectors_have_the_scaling(tmp_path):
    network = scaled()
    write(network, tmp_path)
    entry = json.loads((tmp_path / "interface.json").read_text())["input"]
    assert entry["scaling"] == {"offset": [0.5, -1.0, 1e6, 0.1], "step": [0.25, 1e-3, 7.0, 0.1]}
    assert "rint((x - offset) / step)" in entry["encoding"]
    with np.load(tmp_path / "vectors.npz") as cases:
        assert (network.encode(cases["images"]) == cases["pixels"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h, t: h["input"].pop("step"), "'input.step' must be a text"),
        (lambda h, t: h["input"].update(step="input.offset"), "must name tensor 'input.step'"),
        (lambda h, t: t.pop("input.step"), "tensor 'input.step'.* missing"),
        (lambda h, t: h["input"].pop("missing"), "'input.missing' is not named"),
        (lambda h, t: h.update(version=1), "'version' must be 5"),
        (lambda h, t: t.update({"input.step": t["input.step"].astype(np.float32)}), "must be F64, not 'F32'"),
        (lambda h, t: t.update({"layer0.weights": t["layer0.weights"].astype(float)}), "must be I8 or I32, not 'F64'"),
        (lambda h, t: t.update({"input.step": t["input.step"] * 2}), "digest"),
        (lambda h, t: t.update({"input.step": -t["input.step"]}), "step must be above 0"),
        (lambda h, t: t.update({"input.offset": t["input.offset"][:2]}), "as long as the offsets"),
    ],
)
def test_files_that_are_refused(tmp_path, change, words):
    save(scaled(missing=(0, 0, 0, 0)), tmp_path / "a.s2nn")
    data = repack((tmp_path / "a.s2nn").read_bytes(), change)
    with pytest.raises(UserError, match=words):
        parse(data)
    with pytest.raises(outsider_container.Refused):
        outsider.read(data)


def test_networks_without_it_are_as_before():
    network = random_network((4, 9, 3), input_bits=4)
    assert network.format_version == 1
    assert isinstance(network, Network)
    assert set(network.describe()["input"]) == {"shape", "bits"}


@pytest.mark.parametrize("name", ["input.offset", "input.step", "input.missing"])
def test_tables_without_an_axis_are_refused(tmp_path, name):
    """One number that is no list would be a second way to write the same network."""
    network = replace(random_network((4, 9, 3)), input=Input((4,), 8, scaling=Scaling(*np.ones((3, 1)))))
    save(network, tmp_path / "a.s2nn")
    alone = repack((tmp_path / "a.s2nn").read_bytes(), lambda _, t: t.update({name: t[name].reshape(())}))
    with pytest.raises(outsider_container.Refused):
        outsider.read(alone)
    with pytest.raises(UserError, match="must be a list as long as the offsets"):
        parse(alone)
