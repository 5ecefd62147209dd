"""What the report needs to know of a board and its link, as plain data."""

from dataclasses import dataclass

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts, Budget
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.device import RESOURCES
from s2nn_hw.hw.family import FLOWS
from s2nn_hw.hw.link.link import WINDOW
from s2nn_hw.hw.link.protocol import Identity, Packet, Reply, encode, frame_request
from s2nn_hw.network.network import Network

BITS_PER_BYTE = 10  # start, eight data, stop


def clock_hz(board: Board, *, logic: bool = False) -> int:
    """Return the clock of ``board`` in Hz where none is asked for; ``logic``: of a network whose weights are all logic,
    for which a family may have its own."""
    own = FLOWS[board.family].logic_hz if logic else None
    return min(own, board.clock_hz) if own else board.clock_hz


def board_facts(board: Board, *, logic: bool = False) -> BoardFacts:
    """Return what planning and reports need of ``board``; ``logic``: its clock is that of weights in logic."""
    budget = {name: Budget(board.budget.title(name), board.budget.count(name)) for name in RESOURCES}
    return BoardFacts(
        board.name, board.title, board.device, board.family, clock_hz(board, logic=logic) / 1e6, board.baud, budget
    )


@dataclass(frozen=True)
class LinkFacts:
    """What a frame takes on the line, in bytes, and the frames a second that it allows."""

    kind: str
    baud: int
    bits_per_byte: int
    request_bytes: int
    reply_bytes: int
    frames_per_second: float


def link_facts(network: Network, plan: Plan, *, clock_hz: float, baud: int) -> LinkFacts:
    """Return the bytes on the line per frame and result and the frames/s that ``baud`` allows.

    Requests and results travel at once, one direction each, several frames under way, so the longer packet sets
    the rate. Bytes include header, checksum, stuffing at its longest and delimiter.
    """
    if not clock_hz > 0 or not baud > 0:
        raise UserError(f"link: clock and baud rate must be positive, not {clock_hz:g} Hz and {baud:g}")
    design = Design(network, plan)
    identity = Identity.of(design, window=WINDOW, clock_hz=max(1, round(clock_hz)))
    request = len(encode(frame_request(1, b"\x01" * identity.frame_bytes)))
    reply = len(encode(Packet(Reply.RESULT, 1, b"\x01" * identity.result_bytes)))
    rate = round(baud / BITS_PER_BYTE / max(request, reply), 1)
    return LinkFacts("UART, 8N1", baud, BITS_PER_BYTE, request, reply, rate)
