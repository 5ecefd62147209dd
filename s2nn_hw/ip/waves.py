"""Pictures of the block's protocol, as SVG."""

import json
from typing import Any

import wavedrom

from s2nn_hw.ip.shape import Shape


def pictures(shape: Shape) -> dict[str, str]:
    """Return SVG texts by name of their file: a frame, a result, and frames whose tlast is wrong."""
    return {"frame.svg": _drawn(_frame(shape)), "result.svg": _drawn(_result(shape)), "errors.svg": _drawn(_errors())}


def _drawn(signals: list[dict[str, Any]]) -> str:
    return str(wavedrom.render(json.dumps({"signal": signals, "config": {"hscale": 1}})).tostring())


def _frame(shape: Shape) -> list[dict[str, Any]]:
    last = shape.transfers - 1
    if last == 0:
        return _stream("s_axis", "x33.3x", ["frame 0", "frame 1", "frame 2"], "0111.10", "11101", "0111.10")
    names = ["0", "1", f"{last - 1}" if last > 2 else "..", f"{last}", "0"]
    return _stream("s_axis", "x33.|33x3", names, "01..|.101", "110 1|1111".replace(" ", ""), "0...|.100")


def _result(shape: Shape) -> list[dict[str, Any]]:
    last = shape.result_transfers - 1
    if last == 0:
        return _stream("m_axis", "x4.x4x", ["result 0", "result 1"], "01.010", "0.1..", "01.010")
    return _stream("m_axis", "x44.|4x", ["0", "1", f"{last}"], "01..|.0", "1.01|..", "0...|10")


def _errors() -> list[dict[str, Any]]:
    return [
        *_stream("s_axis", "x3|3x55|5x", ["0", "n-1", "0", "..", "short"], "01|.01.|.0", "1.|....|..", "0.|10..|10"),
        {"name": "frame_error", "wave": "0.|.....|.10"},
    ]


def _stream(name: str, data: str, texts: list[str], valid: str, ready: str, last: str) -> list[dict[str, Any]]:
    return [
        {"name": "aclk", "wave": "p" + "".join("|" if c == "|" else "." for c in data[1:])},
        {"name": f"{name}_tdata", "wave": data, "data": texts},
        {"name": f"{name}_tvalid", "wave": valid},
        {"name": f"{name}_tready", "wave": ready},
        {"name": f"{name}_tlast", "wave": last},
    ]
