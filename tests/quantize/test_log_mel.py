import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.audio import tables
from s2nn_hw.quantize.audio.log_mel import LOUD, LogMel, frame_count, levels, log_mel

random = np.random.default_rng(3)


def noise(count, loudness=8000.0):
    return np.clip(random.normal(size=count) * loudness, -32768, 32767).astype(np.int16)


def sine(hertz, count=1024, peak=30000):
    return (peak * np.sin(2 * np.pi * hertz * np.arange(count) / tables.RATE)).astype(np.int16)


RECORDINGS = {
    "noise": noise(900),
    "quiet": noise(700, 3.0),
    "sine": sine(440),
    "highest": sine(3990),
    "lowest value": np.full(600, -32768, np.int16),
    "loudest": np.where(np.arange(600) // 4 % 2, 32767, -32768).astype(np.int16),
    "nothing": np.zeros(400, np.int16),
    "one sample": np.where(np.arange(600) == 300, 1, 0).astype(np.int16),
    "rising": (noise(2000) * np.linspace(0, 1, 2000)).astype(np.int16),
}


def golden(samples):
    """The front end in Python's own integers, sample by sample, from docs/audio.md."""
    window, cosine = tables.window().tolist(), tables.cosine().tolist()
    weights, x = tables.weights().tolist(), samples.tolist()
    loudest, frames = LOUD, []
    for start in range(0, len(x) - 255, 128):
        y = [(x[start + n] * window[n] + 2**11) >> 12 for n in range(256)]
        powers = []
        for k in range(129):
            real = sum(y[n] * cosine[n * k % 256] for n in range(256))
            imaginary = -sum(y[n] * cosine[(n * k - 64) % 256] for n in range(256))
            powers.append(((real + 2**13) >> 14) ** 2 + ((imaginary + 2**13) >> 14) ** 2)
        energies = [max(1, sum(w * p for w, p in zip(row, powers, strict=True))) for row in weights]
        found = [(energy**16).bit_length() - 1 for energy in energies]  # floor(log2(E^16))
        loudest = max(loudest, *found)
        frames.append([max(level - loudest + 255, 0) for level in found])
    return np.array(frames, np.uint8).reshape(-1, 32)


@pytest.mark.parametrize("name", ["noise", "quiet", "lowest value", "loudest", "one sample", "rising"])
def test_frames_are_those_of_plain_integers(name):
    samples = RECORDINGS[name][:640]
    assert np.array_equal(log_mel(samples), golden(samples))


@pytest.mark.parametrize("values", [tables.window_values, tables.cosine_values, tables.weight_values])
def test_no_table_is_near_to_being_rounded_otherwise(values):
    away = np.abs(values() - np.floor(values()) - 0.5)
    assert away.min() > 1e-6


def test_tables_are_the_same_on_every_machine():
    total = hashlib.sha256()
    for table in (tables.window(), tables.cosine(), tables.weights(), tables.octaves()):
        total.update(table.astype("<i8").tobytes())
    assert total.hexdigest() == "950c27fe4facf533e1208668de4fa7b7172b66de069f813766c92257d55b404b"


def test_octaves_are_exact():
    for level, energy in enumerate(tables.octaves().tolist()):
        assert energy**16 >= 1 << level
        assert energy == 1 or (energy - 1) ** 16 < 1 << level


def test_every_filter_hears_something_and_no_sum_is_too_long():
    window, weights = tables.window(), tables.weights()
    assert (weights.sum(axis=1) > 0).all()
    assert weights[:, 0].max() == weights[:, 1].max() == 0  # from 60 Hz on: what a constant leaves in them is not heard
    windowed = (32768 * window + 2**11) >> 12
    sums = int(windowed.sum()) << tables.TABLE_BITS
    assert sums < 2**53
    # a bin's magnitude is at most the sum of the samples', and what the cosine's rounding adds: half a unit each way
    magnitude = int(windowed.sum()) * (1 + 2.0**-tables.TABLE_BITS) + 1
    assert magnitude**2 * int(weights.sum(axis=1).max()) < 2**tables.ENERGY_BITS


def test_the_loudest_that_can_be_has_a_level():
    """Samples that are in phase with a bin are the loudest, and their energies lie in the octaves' table."""
    loudest = 0
    for k in range(2, 128):
        for turn in (0.1, 0.35):
            wave = np.cos(2 * np.pi * (k * np.arange(256) / 256 + turn))
            loudest = max(loudest, int(levels(np.where(wave >= 0, 32767, -32768).astype(np.int16)).max()))
    assert 850 < loudest < tables.STEPS * (tables.ENERGY_BITS - 2)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(RECORDINGS)), st.lists(st.integers(0, 700), max_size=20))
def test_a_stream_in_pieces_gives_the_frames_of_the_whole(name, sizes):
    samples, stream, place, parts = RECORDINGS[name], LogMel(), 0, []
    for size in [*sizes, len(samples)]:
        parts.append(stream.push(samples[place : place + size]))
        place += size
    assert np.array_equal(np.concatenate(parts), log_mel(samples))


def test_a_stream_begins_anew():
    stream = LogMel()
    stream.push(RECORDINGS["loudest"])
    stream.reset()
    assert np.array_equal(stream.push(RECORDINGS["noise"]), log_mel(RECORDINGS["noise"]))


def test_frames_depend_on_what_was_heard_alone():
    samples = RECORDINGS["rising"]
    whole = log_mel(samples)
    for count in (256, 900, 1500):
        assert np.array_equal(log_mel(samples[:count]), whole[: frame_count(count)])


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (255, 0), (256, 1), (383, 1), (384, 2), (8000, 61)])
def test_frames_of_so_many_samples(samples, frames):
    assert frame_count(samples) == frames
    assert log_mel(np.zeros(samples, np.int16)).shape == (frames, 32)


def test_nothing_is_zero_and_the_loudest_is_full():
    assert not log_mel(RECORDINGS["nothing"]).any()
    assert not log_mel(np.full(600, 12345, np.int16)).any()  # a constant is no sound
    assert log_mel(sine(1000)).max() == 255


def test_a_tone_is_in_its_filter():
    middle = [31.25 * np.average(np.arange(129), weights=row) for row in tables.weights()]
    for hertz in (200, 700, 1500, 3000):
        frame = log_mel(sine(hertz))[2]
        assert abs(middle[int(frame.argmax())] - hertz) < 0.1 * hertz + 30


def test_an_octave_is_sixteen_steps():
    loud, half = levels(sine(1000, peak=16000)), levels(sine(1000, peak=8000))
    heard = loud > 500
    assert set((loud - half)[heard].tolist()) <= {31, 32, 33}  # half the amplitude: two octaves of power


def floating(samples):
    """The same in floating point, with numpy's FFT, without any rounding but the last."""
    window, weights = np.ldexp(tables.window_values(), -14), np.ldexp(tables.weight_values(), -8)
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(float), 256)[::128]
    powers = np.abs(np.fft.rfft(windows * window)) ** 2
    found = np.floor(16 * np.log2(np.maximum(powers @ weights.T * 2.0**12, 1)))  # 2^4 by y, 2^8 by the weights
    loudest = np.maximum(np.maximum.accumulate(found.max(axis=1)), LOUD)
    return np.maximum(found - loudest[:, None] + 255, 0).astype(int)


def test_whole_octaves_are_those_of_floating_point_or_one_beside():
    samples = np.concatenate([RECORDINGS[name] for name in ("noise", "quiet", "sine", "rising")] * 8)
    found, wanted = log_mel(samples).astype(int) >> 4, floating(samples) >> 4
    away = np.abs(found - wanted)
    assert away.max() <= 1
    assert (away == 1).mean() < 0.02


@pytest.mark.parametrize("samples", [np.zeros(300), np.zeros((2, 300), np.int16), np.zeros(300, np.int32)])
def test_other_samples_are_refused(samples):
    with pytest.raises(UserError, match="samples must be int16 of one axis"):
        LogMel().push(samples)


def test_full_scale_is_14_octaves_above_the_start():
    top = int(levels(sine(1000, peak=32767)).max())
    assert 14 <= (top - LOUD) / 16 < 15
    assert math.isclose(10 * math.log10(2) * (top - LOUD) / 16, 43, abs_tol=1.5)  # dB
