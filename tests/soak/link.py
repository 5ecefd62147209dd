"""The link under faults: every result right, always an end.

    python -m tests.soak.link [--frames N] [--seed S]

Both directions of a simulated line lose, repeat, delay, reorder and damage packets, each alone and all at once, while
the host sends at full speed; every class and score is compared with the golden model's.
"""

import argparse
import sys
import time
from types import SimpleNamespace

import numpy as np

from s2nn_hw.hw.link.host import Device
from s2nn_hw.hw.link.protocol import Identity, Result
from tests.support.device_model import DeviceModel
from tests.support.lossy_line import KINDS, Faults, LossyLine
from tests.support.standin import tiny_network

RATES = (0.001, 0.01, 0.1, 0.3)
MIXES = [(kind,) for kind in KINDS] + [KINDS]
WINDOW = 4


class Prepared(DeviceModel):
    """A device model that knows the golden results of ``images`` beforehand, by payload; 0 cycles."""

    def __init__(self, identity, network, images):
        super().__init__(identity, network, cycles=0)
        self.golden = network.forward(images)
        scores = self.golden.scores.tolist()
        payloads = map(identity.pack_frame, network.encode(images))
        self.known = dict(zip(payloads, scores, strict=True))

    def classify(self, payload):
        if payload not in self.known:  # damage that no checksum has seen
            return super().classify(payload)
        row = self.known[payload]
        return Result(row.index(max(row)), tuple(row), self.cycles)


def rig(frames, seed):
    """Return ``(network, device model, images)``; the images have scores that hardly ever agree by chance."""
    network = tiny_network(pixels=24, bits=8, seed=seed)
    design = SimpleNamespace(network=network, pixels_per_beat=5, pixels_per_group=24, score_width=18)
    images = np.random.default_rng(seed).integers(0, 256, (frames, 24)).astype(np.uint8)
    identity = Identity.of(design, window=WINDOW, clock_hz=12_000_000)
    return network, Prepared(identity, network, images), images


def soak(model, network, images, kinds, rate, seed):
    """Return ``(wrong results, simulated seconds, frames sent again, faults)`` of ``images`` through such a line.

    A :class:`~s2nn_hw.errors.UserError` goes on: at these rates there is none.
    """
    there, back = (Faults(kinds, rate, f"{seed} {end}") for end in ("there", "back"))
    line = LossyLine(model, there=there, back=back)
    with Device(line, network) as device:
        answers = device.classify(images, limit=None if len(kinds) == 1 else 1e6)
    classes, scores = model.golden.classes, model.golden.scores
    wrong = (answers.classes != classes) | (answers.scores != scores).any(axis=1)
    return int(wrong.sum()), line.time, answers.repeats, there.count + back.count


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    network, model, images = rig(options.frames, options.seed)
    print(f"{options.frames:,} frames each, seed {options.seed}")
    print(f"{'faults':<14}{'rate':>8}{'wrong':>8}{'sent again':>12}{'faults':>9}{'line s':>9}{'s':>7}")
    total = 0
    for kinds in MIXES:
        for rate in RATES:
            start = time.monotonic()
            wrong, seconds, repeats, faults = soak(model, network, images, kinds, rate, options.seed)
            total += wrong
            name = kinds[0] if len(kinds) == 1 else "all at once"
            print(
                f"{name:<14}{rate:>8.1%}{wrong:>8}{repeats:>12,}{faults:>9,}{seconds:>9.1f}"
                f"{time.monotonic() - start:>7.1f}",
                flush=True,
            )
    print(f"{total} results wrong, all ended")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
