"""The tables that :mod:`s2nn_hw.cycles.recurrences` works on: what their columns mean."""

from typing import NamedTuple

import numpy as np

LONG_AGO = -(1 << 30)
TOO_LATE = 1 << 30
MAX_AHEAD = 32
NOBODY, UNKNOWN = -1, -2

SOURCE, WINDOW, SCANNED, SUMMED, FLOWING, UNIT, READOUT, ORED, SINK = range(9)

# Columns of `parts`: kind, channel out, first port, and numbers that depend on the kind.
KIND, OUT, PORT = range(3)
FRAME, RESULT, START = 3, 4, 5  # source: words of a frame, channel of the results, cycle of the first word
FRAME_IN, FRAME_OUT, DEPTH, OLDEST, NEEDS, CELLS, CELL_OUT = range(3, 10)  # window: words, words held, tables, cells
PASS, FRAME_PASSES, CELL_PASSES, CAPTURE, NEURONS, SLOTS = range(3, 9)  # engines: words, passes, cycles, part, cells
PLANES, BETWEEN, BEHIND = 9, 10, 11  # and cycles of actions between the planes, and behind the last
BANKS, QUEUE, AHEAD, GROUPS, SPLITS, ONES = range(12, 18)  # engines that scan for spikes
WORD_CYCLES = 12  # the others
CELL_WORDS, DELAY = 3, 4  # neurons: words of a cell, cycles from the capture to the first offer
ORED_WORDS = 3
# and how far it is: words taken and given; cells whose words are free; word of the pass and passes so far; cells that
# have ended and the row of `times` where their cycles begin; row of the cycles in which frames end
TAKEN, GIVEN, FREED, WORD, PASSES, ENDED, DONE, CLOSED = range(18, 26)
COLUMNS = 26

# `channels`: row of `times` where the offers begin, words in all, first port that reads it, words offered, and passed
OFFERS, LENGTH, FIRST_PORT, OFFERED, PASSED = range(5)
# `ports`, in the order of parts: channel, row of `times` where the ready cycles begin, words in all, words of a pass,
# words readied, the next port that reads the same channel (NOBODY: none)
CHANNEL, READY, WORDS, PASS_WORDS, READIED, NEXT = range(6)


class State(NamedTuple):
    """A circuit at work: structure (int64) and cycles (int32, last axis: lanes).

    ``tables``: those of the windows. ``times``: rows of offers (once a word has passed: when it did) and of ready
    cycles, ends of cells and of frames. ``last``: by part, of the last word taken, windows: read. ``moves``: ends of
    the last passes. By part and bank ``scanned``: the last spike; ``place``: the next place of the queue; ``pops``:
    when each place was left. ``ones``: uint16 ``(rows, lanes)`` of all event engines.
    """

    parts: np.ndarray
    channels: np.ndarray
    ports: np.ndarray
    tables: np.ndarray
    times: np.ndarray
    last: np.ndarray
    moves: np.ndarray
    scanned: np.ndarray
    place: np.ndarray
    pops: np.ndarray
    ones: np.ndarray
