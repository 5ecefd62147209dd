"""What a circuit takes of its device: counted by the build's tool if there is a build, else estimated."""

from s2nn_hw.cost.estimate import Estimate
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.hw.flow.build_record import BuildRecord, packed_luts
from s2nn_hw.report.quantities import Json, quantity, significant
from s2nn_hw.report.sections.layers import BRAM_BAND, CELL_BAND, FF_BAND, LUT_BAND

PACKED_BAND = (0.98, 1.02)  # the one netlist that was packed with the real tool was counted exactly (docs/boards.md)
PACKED_BY = "nextpnr-xilinx, half-LUTs / 2, from the netlist"
CELLS_BY = "logic cells once placed: LUTs, and flip-flops that share none"
BANDS = {"luts": LUT_BAND, "ffs": FF_BAND, "brams": BRAM_BAND, "dsps": (1.0, 1.0)}


def resources(board: BoardFacts, build: BuildRecord | None, guess: Estimate) -> Json:
    """Return per resource what is ``used``, the ``budget``, what was ``synthesised``, ``packed`` and ``estimated``.

    Used is what the build's tool counted if there is a build, else the estimate ``guess``, which is one of synthesis:
    placement may count differently (nextpnr: cells that hold a flip-flop or a carry only). ``packed`` is what
    nextpnr-xilinx will make of the synthesised LUTs where it has not run, or an iCE40's logic cells without a build.
    """
    result, counts, synthesised = {}, guess.counts(), build.synthesis if build else None
    for name, band in BANDS.items():
        kind = board.budget[name].kind
        estimated = _estimate(counts[name], kind, "accelerator and host link", band)
        packed = _packed(board, build, guess) if name == "luts" else None
        counted = (
            quantity(build.resources[name].used, kind, "tool report", build.resources_source)
            if build
            else packed or estimated
        )
        result[name] = {
            "kind": kind,
            "used": counted,
            "budget": quantity(board.budget[name].budget, kind, "setting", board.device),
            "synthesised": quantity(synthesised[name], kind, "tool report", "after synthesis") if synthesised else None,
            "packed": packed,
            "estimated": estimated,
        }
    return result


def _packed(board: BoardFacts, build: BuildRecord | None, guess: Estimate) -> Json | None:
    """Return the LUTs once packed, where that is known to differ from those of synthesis."""
    kind = board.budget["luts"].kind
    if board.family == "ice40" and not build:
        return _estimate(guess.cells, kind, CELLS_BY, CELL_BAND) if guess.cells else None
    count = packed_luts(build) if build else None
    return _estimate(count, kind, PACKED_BY, PACKED_BAND) if count else None


def _estimate(value: float, kind: str, by: str, band: tuple[float, float]) -> Json:
    """Return an estimate with a band of these factors."""
    return quantity(value, kind, "estimate", by, [significant(value * end) for end in band])
