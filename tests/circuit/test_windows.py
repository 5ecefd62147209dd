"""Windows: every geometry and order gives what ``WindowParams.gather`` says, cycle by cycle, at any depth and pace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.windows import Window
from s2nn_hw.errors import UserError
from tests.support.streams import run_stream, word_numbers

FRAMES = 3


def cycle_by_cycle(params, window):
    """Return a testbench that holds ``window`` against the two recurrences of the cycle model, whatever the stalls.

    A word is read when all that it needs is written and the four before leave room, and offered three later; the ring
    takes a word while the oldest that it keeps is less than its depth away.
    """
    which = np.arange(params.groups) * params.splits // params.groups
    needs = np.repeat(params.needs[:, :, which], params.planes, axis=2).reshape(-1).tolist()
    cells, oldest = len(params.origins), params.oldest.tolist()

    async def bench(ctx):
        written = read = cycle = 0
        fetched = kept = False
        leaving = 0  # words in the queue at the end, of two places
        while True:
            *_, valid, ready, given, taken = await ctx.tick().sample(
                window.i.valid, window.i.ready, window.o.valid, window.o.ready
            )
            frame, word = divmod(read, len(needs))
            begun = written - frame * params.frame_words  # words written of the image that is read
            assert ready == (begun - oldest[word * cells // len(needs)] < params.depth), cycle
            assert given == (leaving > 0), cycle
            moves = not kept or leaving < 2
            reads = not fetched or moves
            leaving += (kept and leaving < 2) - (given and taken)
            kept = fetched if moves else kept
            if reads:
                fetched = begun > needs[word]
                read += fetched
            written += valid and ready
            cycle += 1

    return bench


def check(params, *, stall=0.0, seed=0):
    """Send random images through the window of ``params``, ones in spare places; return the cycles of the words."""
    rng = np.random.default_rng(seed)
    values = rng.integers(
        0, 1 << params.value_bits, (FRAMES, params.rows * params.columns, params.words * params.width)
    )
    if FRAMES > 2:
        values[1], values[2] = 0, (1 << params.value_bits) - 1
    kept, sent = values.copy(), values
    if params.spare:
        kept[:, :, -params.spare :] = 0
        sent[:, :, -params.spare :] = (1 << params.value_bits) - 1
    words = sent.reshape(-1, params.width).astype(np.uint8)
    bits = np.unpackbits(words[:, :, None], axis=2, count=params.value_bits, bitorder="little")
    gathered = params.gather(kept.reshape(FRAMES, -1).astype(np.uint8))
    order = gathered[:, :, np.arange(params.groups) * params.splits // params.groups]
    planes = [order >> plane & 1 for plane in reversed(range(params.planes))]
    if params.slot_bits:
        planes = [(order == params.planes - slot).astype(np.uint8) for slot in range(params.planes)]
    wanted = np.stack(planes, axis=3)  # (frames, positions, groups, planes, words, taps, width)
    wanted = word_numbers(wanted.reshape(-1, params.taps * params.width))
    window = Window(params)
    got = run_stream(
        window,
        word_numbers(bits.reshape(len(words), -1)),
        results=len(wanted),
        stall=stall,
        seed=seed,
        sides=[cycle_by_cycle(params, window)],
        limit=20_000,
    )
    assert [word for word, _ in got] == wanted
    return [cycle for _, cycle in got]


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(("words", "width", "bits", "spare"), [(1, 1, 2, 0), (3, 4, 2, 1), (2, 3, 4, 2), (5, 2, 3, 0)])
def test_numbers_are_spikes_in_their_slots(words, width, bits, spare, stall):
    """A flat frame is read once a slot: in slot t what is ``2^bits - 1 - t``."""
    cycles = check(
        WindowParams(1, 1, words, width, planes=(1 << bits) - 1, slot_bits=bits, spare=spare), stall=stall, seed=words
    )
    assert stall or np.diff(cycles).min() == 1


def sides(values):
    """Return pairs of ``values``, of rows and columns: mostly the same."""
    return values.map(lambda one: (one, one)) | st.tuples(values, values)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)) | st.tuples(st.just(1), st.integers(1, 30)),
    words=st.integers(1, 3),
    width=st.integers(1, 3),
    planes=st.sampled_from([1, 1, 2, 4, 8]),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=sides(st.integers(1, 5)),
    padding=sides(st.integers(0, 4)),
    pool=sides(st.sampled_from([1, 1, 2, 3])),
    groups=st.integers(1, 3),
    split=st.booleans(),
    taps=st.integers(1, 25),
    spare=st.integers(0, 2),
    depth=st.sampled_from(["least", "one more", "default", "ample"]),
    stall=st.sampled_from([0.0, 0.0, 0.3, 0.6]),
    seed=st.integers(0, 100),
)
def test_random_windows(
    size, words, width, planes, kernel, stride, padding, pool, groups, split, taps, spare, depth, stall, seed
):
    kernel = (1 if size[0] == 1 and size[1] > 7 else kernel[0], kernel[1])
    padding = tuple(min(n, k - 1) for n, k in zip(padding, kernel, strict=True))
    axes = zip(size, kernel, stride, padding, pool, strict=True)
    assume(all(n + 2 * p >= k and (n + 2 * p - k) // s + 1 >= cell for n, k, s, p, cell in axes))
    splits = words if split else 1
    params = WindowParams(
        *size,
        words,
        width,
        planes,
        kernel,
        stride,
        padding,
        pool,
        groups * splits,
        splits,
        min(taps, kernel[0] * kernel[1]),
        spare=min(spare, width - 1),
    )
    assume(len(params.positions) * params.groups * params.planes * params.pass_words <= 2000)
    depths = {
        "least": params.least_depth,
        "one more": params.least_depth + 1,
        "default": params.depth,
        "ample": params.least_depth + 3 * params.frame_words,
    }
    check(replace(params, depth=depths[depth]), stall=stall, seed=seed)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("least", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"rows": 1, "columns": 1, "words": 1, "width": 1},
        {"rows": 1, "columns": 1, "words": 5, "width": 4, "planes": 8, "groups": 3},
        {"rows": 1, "columns": 1, "words": 1, "width": 2, "kernel": (3, 3), "padding": (1, 1), "taps": 9},
        {"rows": 1, "columns": 6, "words": 1, "width": 2, "kernel": (1, 3)},
        {"rows": 6, "columns": 1, "words": 2, "width": 1, "kernel": (5, 1), "taps": 2},
        {"rows": 2, "columns": 2, "words": 1, "width": 2, "kernel": (7, 7), "padding": (6, 6), "taps": 5},
        {"rows": 7, "columns": 5, "words": 1, "width": 1, "kernel": (3, 3), "stride": (3, 3)},
        {"rows": 8, "columns": 8, "words": 2, "width": 2, "kernel": (2, 2), "stride": (5, 5)},
        {
            "rows": 6,
            "columns": 6,
            "words": 1,
            "width": 2,
            "kernel": (3, 3),
            "padding": (2, 2),
            "pool": (3, 3),
            "stride": (2, 2),
        },
        {"rows": 4, "columns": 4, "words": 2, "width": 3, "spare": 2, "planes": 4, "kernel": (3, 3), "padding": (1, 1)},
        {
            "rows": 1,
            "columns": 20,
            "words": 1,
            "width": 2,
            "kernel": (1, 5),
            "stride": (1, 3),
            "padding": (0, 4),
            "taps": 5,
        },
        {"rows": 1, "columns": 16, "words": 1, "width": 2, "kernel": (1, 3), "padding": (0, 1), "pool": (1, 4)},
        {
            "rows": 9,
            "columns": 4,
            "words": 1,
            "width": 1,
            "kernel": (3, 2),
            "stride": (2, 1),
            "padding": (0, 1),
            "pool": (2, 1),
        },
        {"rows": 4, "columns": 3, "words": 4, "width": 1, "groups": 4, "splits": 2, "kernel": (2, 2), "taps": 4},
    ],
)
def test_edges(options, least, stall):
    params = WindowParams(**options)
    check(replace(params, depth=params.least_depth) if least else params, stall=stall)


def test_a_word_every_cycle_once_the_window_is_full():
    """A row of 3 x 3 windows with all taps at once: as many words leave as come, and the ring never stops them."""
    cycles = check(WindowParams(8, 8, 1, 4, kernel=(3, 3), padding=(1, 1), taps=9))
    assert cycles[-1] - cycles[64 + 16] == len(cycles) - 1 - 64 - 16


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"splits": 2}, "2 splits must divide the 3 words of a pixel and the 1 groups"),
        ({"padding": (3, 3), "kernel": (3, 4)}, r"padding must be smaller than the kernel \(3, 4\), not \(3, 3\)"),
        ({"taps": 10, "kernel": (3, 3)}, "taps must be an integer from 1 to 9 .*, not 10"),
        ({"depth": 5, "kernel": (3, 3)}, r"the buffer needs \d+ words or more, not 5"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(UserError, match=text):
        WindowParams(**{"rows": 6, "columns": 6, "words": 3, "width": 4} | options)
