"""What the report needs to know of a board and its link, as plain data."""

from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.devices import RESOURCES
from s2nn_hw.hw.link.link import WINDOW
from s2nn_hw.hw.link.protocol import Identity, Packet, Reply, encode, frame_request

BITS_PER_BYTE = 10  # start, eight data, stop


def board_figures(board):
    """Return name, device, family, system clock, baud rate and budget of ``board``, JSON-able."""
    return {
        "name": board.name,
        "title": board.title,
        "device": board.device,
        "family": board.family,
        "clock_mhz": board.clock_hz / 1e6,
        "baud": board.baud,
        "budget": {
            name: {"kind": board.budget.title(name), "budget": getattr(board.budget, name)} for name in RESOURCES
        },
    }


def link_figures(network, plan, *, clock_hz, baud):
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
    return {
        "kind": "UART, 8N1",
        "baud": baud,
        "bits_per_byte": BITS_PER_BYTE,
        "request_bytes": request,
        "reply_bytes": reply,
        "frames_per_second": round(baud / BITS_PER_BYTE / max(request, reply), 1),
    }
