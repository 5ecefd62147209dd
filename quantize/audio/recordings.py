"""Recordings as frames: .wav files of 16 bits, mono, at 8,000 samples a second, through the log-mel front end."""

import io
import struct
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, counted, one_line
from s2nn_hw.files import read_bytes
from s2nn_hw.network.sequences import MAX_FRAMES, Sequences
from s2nn_hw.quantize.audio.log_mel import Frames, Samples, frame_count, log_mel
from s2nn_hw.quantize.audio.tables import LENGTH, RATE

MAX_FILE_BYTES = 1 << 24
ADVICE = "wanted is a .wav of 16 bits, mono, 8,000 samples/s: sox IN -b 16 -c 1 -r 8000 OUT.wav"


def read_recording(path: Path | str) -> Frames:
    """Return the frames of the .wav file ``path``, uint8 ``(count, 32)``."""
    return frames_of(read_samples(path), f"recording {path}")


def read_recordings(paths: Iterable[Path | str], **entries: Any) -> Sequences:
    """Return the .wav files ``paths`` as :class:`Sequences`, with further ``entries``."""
    return Sequences.of([read_recording(path) for path in paths], **entries)


def read_samples(path: Path | str) -> Samples:
    """Return the samples of the .wav file ``path``, int16 ``(samples,)``."""
    return samples_of(read_bytes(path, what="recording", limit=MAX_FILE_BYTES), f"recording {path}")


def samples_of(content: bytes, name: str) -> Samples:
    """Return the samples in the bytes of a .wav file, int16 ``(samples,)``; ``name``: what messages call it."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            form, wanted = (file.getsampwidth(), file.getnchannels(), file.getframerate()), file.getnframes()
            data = file.readframes(wanted)
    except (wave.Error, EOFError, struct.error, RuntimeError) as error:
        reason = one_line(error) or "it is cut off"
        raise UserError(f"{name} is not a .wav file of plain samples ({reason}); {ADVICE}") from None
    if form != (2, 1, RATE):
        came = f"{8 * form[0]} bits, {counted(form[1], 'channel')}, {form[2]:,} samples/s"
        raise UserError(f"{name} has {came}; {ADVICE}")
    if len(data) != 2 * wanted:
        raise UserError(f"{name} is cut off: {wanted:,} samples by its header, {len(data) // 2:,} came")
    return np.frombuffer(data, "<i2").astype(np.int16)


def frames_of(samples: Samples, name: str) -> Frames:
    """Return the frames of ``samples``, uint8 ``(count, 32)``; :class:`UserError` where there are none, too many, or no
    sound in them."""
    count = frame_count(len(samples))
    if not count:
        raise UserError(f"{name} has {counted(len(samples), 'sample')}; a frame takes {LENGTH}")
    if count > MAX_FRAMES:
        raise UserError(f"{name} makes {count:,} frames, more than the limit of {MAX_FRAMES:,}: cut it into parts")
    frames = log_mel(samples)
    if not frames.any():
        raise UserError(f"{name} has no sound: all of its samples are {silence(samples)}")
    return frames


def silence(samples: Samples) -> str:
    """Return how messages call the samples of a recording without sound."""
    low, high = int(samples.min()), int(samples.max())
    return f"{low}" if low == high else f"{low} to {high}, which is below what is heard"
