"""The parallel engine alone: sums, lanes of depthwise convolutions, a word every cycle."""

import numpy as np
import pytest

from s2nn_hw.circuit.engines.parallel import ParallelEngine, ParallelParams
from s2nn_hw.circuit.engines.params import Cells
from s2nn_hw.errors import UserError
from tests.support.engines import random_values, random_weights
from tests.support.streams import Captured, golden_sums, run_engine, run_stream, word_numbers


def make(rng, *, groups=1, lanes=3, words=2, width=4, bits=4, **options):
    weights = random_weights(rng, (groups, lanes, words, width), bits)
    return ParallelParams(weights=weights, bits=bits, offsets=rng.integers(-50, 50, (groups, lanes)), **options)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("lanes", "words", "width"), [(1, 1, 1), (3, 1, 9), (5, 4, 8), (2, 3, 27)])
@pytest.mark.parametrize(("planes", "bits", "groups"), [(1, 1, 1), (2, 4, 1), (4, 2, 3), (8, 8, 2)])
def test_sums(lanes, words, width, planes, bits, groups, stall):
    rng = np.random.default_rng(lanes + planes)
    params = make(rng, lanes=lanes, words=words, width=width, bits=bits, planes=planes, groups=groups)
    values = random_values(rng, params, 6 * groups)
    assert (run_engine(ParallelEngine(params), values, stall=stall) == golden_sums(params, values)).all()


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(
    "options", [{"repeats": 4}, {"repeats": 9, "groups": 2, "slots": 2}, {"words": 1, "slots": 4}, {"memory": "block"}]
)
def test_cells_and_room(options, stall):
    rng = np.random.default_rng(len(str(options)))
    params = make(rng, **options)
    values = random_values(rng, params, 4 * params.groups * params.repeats)
    assert (run_engine(ParallelEngine(params), values, stall=stall) == golden_sums(params, values)).all()


@pytest.mark.parametrize(("lanes", "taps", "groups", "planes"), [(1, 1, 1, 1), (4, 9, 2, 1), (3, 2, 1, 4)])
def test_diagonal_lanes_see_their_own_inputs(lanes, taps, groups, planes):
    rng = np.random.default_rng(taps)
    params = make(rng, groups=groups, lanes=lanes, width=taps * lanes, planes=planes, diagonal=True)
    assert params.terms == taps
    values = random_values(rng, params, 4 * groups)
    own = np.arange(params.width) % lanes == np.arange(lanes)[:, None]  # (lanes, width)
    masked = ParallelParams(
        weights=(params.weights * own[:, None]).astype(np.int8), bits=4, offsets=params.offsets, planes=planes
    )
    assert (run_engine(ParallelEngine(params), values) == golden_sums(masked, values)).all()


def test_words_of_a_pooling_cell_share_their_rows():
    rng = np.random.default_rng(3)
    params = make(rng, words=8, cells=(Cells(2, (2, 2), (3, 2)),))
    values = random_values(rng, params, 5)
    assert (run_engine(ParallelEngine(params), values, stall=0.3) == golden_sums(params, values)).all()


def test_a_word_every_cycle_even_when_each_is_a_frame():
    params = make(np.random.default_rng(0), words=1, width=9, slots=10)
    values = random_values(np.random.default_rng(1), params, 20)
    got = run_stream(Captured(ParallelEngine(params)), word_numbers(values), results=20)
    assert np.diff([cycle for _, cycle in got]).tolist() == [1] * 19


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"diagonal": True}, "4 inputs a word must be a multiple of the 3 lanes"),
        ({"memory": None}, "memory must be one of"),
        ({"planes": 32}, "planes must be an integer from 1 to 31, not 32"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(UserError, match=text):
        make(np.random.default_rng(0), **options)
