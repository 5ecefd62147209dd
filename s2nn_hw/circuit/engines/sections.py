"""What the event engine has for each of its sources: banks, and the passes that they are at."""

from dataclasses import dataclass

from amaranth.hdl import Signal

from s2nn_hw.circuit.tables import Cells


@dataclass(frozen=True)
class Section:
    """The banks of one source: its words of a pass (``cells``) from number ``begin`` on, their rows of weights from
    number ``row`` on; ``taps`` segments of ``width`` inputs in all, ``banks``, ``bits``."""

    cells: Cells
    begin: int
    row: int
    width: int
    taps: int
    banks: int
    bits: int

    @property
    def words(self) -> int:
        """Words of a pass."""
        return self.cells.frame_words

    @property
    def rows(self) -> int:
        """Words of weights."""
        return self.cells.rows

    @property
    def share(self) -> int:
        """Inputs of a word that belong to one bank."""
        return self.width // self.banks

    def lanes_of_bank(self, bank: int) -> list[int]:
        """Return which inputs of a word belong to ``bank``, lowest first."""
        each, segment = self.banks // self.taps, self.width // self.taps
        return [(bank // each) * segment + k * each + bank % each for k in range(self.share)]


class Tags:
    """Which passes are where, modulo ``2^bits``: of the words that come in, of those that are scanned, of the next and
    the one after; ``advance``: all banks go on to the next."""

    def __init__(self, bits: int) -> None:
        self.incoming = Signal(bits)
        current, following = Signal(bits), Signal(bits, init=1)
        self.current, self.following = current, following
        self.after = Signal(bits, init=2 % (1 << bits))
        self.advance = Signal()
