"""The event engine alone: accumulators, row contents, widths."""

import numpy as np
import pytest

from s2nn_hw.circuit.engines.event import EventEngine, EventParams
from s2nn_hw.circuit.engines.params import Cells, memory_columns
from s2nn_hw.errors import UserError
from tests.support.engines import random_values, random_weights
from tests.support.streams import golden_sums, run_engine


def make(rng, *, groups=1, lanes=3, words=2, width=4, bits=4, **options):
    weights = random_weights(rng, (groups, lanes, words, width), bits)
    return EventParams(weights=weights, bits=bits, offsets=rng.integers(-50, 50, (groups, lanes)), **options)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("lanes", "words", "share"), [(1, 1, 1), (3, 1, 4), (5, 4, 8), (13, 3, 4)])
@pytest.mark.parametrize(("planes", "banks", "bits"), [(1, 1, 1), (2, 2, 4), (4, 4, 2), (8, 1, 8)])
def test_sums(lanes, words, share, planes, banks, bits, stall):
    rng = np.random.default_rng(lanes + planes)
    params = make(rng, lanes=lanes, words=words, width=share * banks, bits=bits, planes=planes, banks=banks, depth=3)
    values = random_values(rng, params, 6)
    assert (run_engine(EventEngine(params), values, stall=stall) == golden_sums(params, values)).all()


def test_narrow_memories_do_not_take_many_more_blocks():
    for rows, width in ((2304, 768), (27648, 18), (9216, 48), (4608, 96)):
        assert memory_columns(rows, width) == [width]
    assert memory_columns(3136, 40) == [4] * 10  # three blocks more
    assert memory_columns(4096, 768) == [4] * 192  # as many as the bits fill, but for parity


@pytest.mark.parametrize(
    ("words", "share", "columns"),
    [(128, 16, [15]), (129, 16, [4, 4, 4, 3]), (460, 16, [2] * 7 + [1]), (900, 16, [1] * 15)],
)
def test_many_rows_lie_in_narrow_memories(words, share, columns):
    """As deep as a block RAM is at each width, where few of its rows stay empty."""
    rng = np.random.default_rng(words)
    params = make(rng, words=words, width=share, lanes=5, bits=3)
    assert memory_columns(words * share, 15) == columns
    values = random_values(rng, params, 1) * (rng.random((1, words, share)) < 0.05)
    assert (run_engine(EventEngine(params), values.astype(np.uint8)) == golden_sums(params, values)).all()


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(
    "options",
    [
        {"groups": 2},
        {"groups": 3, "planes": 2, "repeats": 4},
        {"repeats": 9},
        {"groups": 2, "lanes": 1, "words": 1},
        {"taps": 3, "banks": 3, "width": 12},
        {"taps": 3, "banks": 6, "width": 12, "groups": 2},
        {"taps": 9, "banks": 9, "width": 9, "words": 1, "planes": 4},
        {"taps": 2, "banks": 4, "width": 16, "depth": 2},
        {"slots": 3},
        {"slots": 2, "repeats": 4, "groups": 2},
        {"tag_bits": 1},
        {"tag_bits": 4, "words": 1},
        {"memory": "block", "banks": 2},
        {"memory": "distributed", "groups": 2},
    ],
)
def test_groups_cells_and_taps(options, stall):
    rng = np.random.default_rng(len(str(options)))
    params = make(rng, **options)
    values = random_values(rng, params, 6 * params.groups * params.repeats)
    assert (run_engine(EventEngine(params), values, stall=stall) == golden_sums(params, values)).all()


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(("cells", "pool", "words"), [((1, 1), (2, 3), 1), ((2, 3), (2, 1), 2), ((3, 1), (1, 2), 3)])
def test_words_of_a_pooling_cell_share_their_rows(cells, pool, words, stall):
    rng = np.random.default_rng(words)
    params = make(rng, words=cells[0] * cells[1] * words, banks=2, cells=(Cells(words, cells, pool),))
    values = random_values(rng, params, 5)
    assert (run_engine(EventEngine(params), values, stall=stall) == golden_sums(params, values)).all()


@pytest.mark.parametrize("planes", [1, 2, 4, 8])
def test_accumulators_are_as_wide_as_the_extremes_need_and_no_wider(planes):
    weights = np.array([[7, 7, -7, 0], [1, 0, 0, 0], [-7, -7, -7, 0], [0, 0, 0, 0]], np.int8)
    offsets = np.array([3, -1, 0, -(2**planes)])
    params = EventParams(weights=weights.reshape(1, 4, 1, 4), bits=4, offsets=offsets[None], planes=planes)
    peak = 2**planes - 1
    low = offsets + peak * weights.clip(max=0).sum(axis=1)
    high = offsets + peak * weights.clip(min=0).sum(axis=1)
    for width, a, b in zip(params.accumulator_widths(), low, high, strict=True):
        assert -(2 ** (width - 1)) <= a
        assert b < 2 ** (width - 1)
        assert width <= max(int(abs(a)), int(abs(b)), 1).bit_length() + 1


def test_rows_hold_every_weight():
    params = make(np.random.default_rng(1), groups=2, lanes=5, words=3, width=8, banks=4, taps=2)
    banks, (section,) = params.row_contents(), params.sections
    assert [(count, rows) for count, rows, _ in params.memories] == [(4, 2 * 3 * 2)]
    assert [len(rows) for rows in banks] == [2 * 3 * 2] * 4
    place = {source: (bank, k) for bank in range(4) for k, source in enumerate(section.lanes_of_bank(bank))}
    assert sorted(place) == list(range(8))
    for group, lane, word, source in np.ndindex(params.weights.shape):
        bank, k = place[source]
        row = banks[bank][(group * 3 + word) * 2 + k]
        assert row >> (4 * lane) & 15 == int(params.weights[group, lane, word, source]) & 15


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"banks": 3}, "a power of two times the banks, .* not 4 inputs a word, 3 banks and 1 taps"),
        ({"banks": 2, "width": 7}, "not 7 inputs a word, 2 banks and 1 taps"),
        ({"banks": 2, "taps": 3}, "banks a multiple of the taps, not 4 inputs a word, 2 banks and 3 taps"),
        ({"depth": 1}, "depth must be an integer from 2 to 1024, not 1"),
        ({"banks": "2"}, "banks must be an integer from 1 to 64, not '2'"),
        ({"memory": "flash"}, "memory must be one of auto, block, distributed, not 'flash'"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(UserError, match=text):
        make(np.random.default_rng(0), **options)
