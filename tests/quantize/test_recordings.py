import io
import struct
import wave

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import MAX_FRAMES
from s2nn_hw.quantize.audio.log_mel import log_mel
from s2nn_hw.quantize.audio.recordings import (
    MAX_FILE_BYTES,
    frames_of,
    read_recording,
    read_recordings,
    read_samples,
    samples_of,
)

SOUND = (8000 * np.sin(np.arange(1000) / 3)).astype(np.int16)


def wav(samples=SOUND, *, width=2, channels=1, rate=8000):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setsampwidth(width)
        writer.setnchannels(channels)
        writer.setframerate(rate)
        writer.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


def test_samples_come_back(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    assert np.array_equal(read_samples(path), SOUND)
    assert np.array_equal(read_recording(path), log_mel(SOUND))
    found = read_recordings([path, path], labels=np.array([1, 0]), classes=("no", "yes"))
    assert found.lengths.tolist() == [6, 6]
    assert found.channels == 32


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(rate=16000), r"has 16 bits, 1 channel, 16,000 samples/s; wanted is .* sox IN"),
        (wav(channels=2), "has 16 bits, 2 channels, 8,000 samples/s"),
        (wav(width=1), "has 8 bits, 1 channel"),
        (wav(width=3), "has 24 bits, 1 channel"),
        (b"", "is not a .wav file of plain samples"),
        (b"<html>", "is not a .wav file of plain samples"),
        (b"OggS" + bytes(100), "is not a .wav file of plain samples"),
        (wav()[:20], "is not a .wav file of plain samples"),
        (wav()[:20] + struct.pack("<H", 3) + wav()[22:], r"is not a .wav file of plain samples \(unknown format: 3\)"),
        (wav()[:34] + bytes(10) + wav()[44:], "is not a .wav file of plain samples"),
        (wav()[:-100], "is cut off: 1,000 samples by its header, 950 came"),
        (wav([]), "has 0 samples; a frame takes 256"),
        (wav(SOUND[:255]), "has 255 samples; a frame takes 256"),
        (wav(np.zeros(1000)), "has no sound: all of its samples are 0"),
        (wav(np.full(1000, 77)), "has no sound: all of its samples are 77"),
    ],
)
def test_other_recordings_are_refused_in_a_line(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        read_recording(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_long_recordings_are_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr("s2nn_hw.quantize.audio.recordings.log_mel", None)
    samples = np.broadcast_to(np.int16(5), (MAX_FRAMES + 1) * 128 + 128)
    with pytest.raises(UserError, match="x makes 16,385 frames, more than the limit of 16,384: cut it into parts"):
        frames_of(samples, "x")


def test_large_files_are_not_read(tmp_path):
    path = tmp_path / "a.wav"
    with open(path, "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UserError, match="more than the limit of 16,777,216"):
        read_samples(path)
    with pytest.raises(UserError, match="does not exist"):
        read_samples(tmp_path / "b.wav")


@pytest.mark.parametrize("seed", range(200))
def test_damaged_recordings_are_right_or_refused(seed):
    random = np.random.default_rng(seed)
    content = bytearray(wav())
    for place in random.integers(0, 44 if seed % 2 else len(content), 3):
        content[place] = random.integers(0, 256)
    try:
        samples, told = samples_of(bytes(content[: random.integers(0, 4 * len(content))]), "x"), ""
    except UserError as error:
        samples, told = np.zeros(0, np.int16), str(error)
    assert "\n" not in told
    assert samples.dtype == np.int16
    assert len(samples) <= 1000
