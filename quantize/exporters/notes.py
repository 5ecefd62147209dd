"""What formats of others have no field for: in a note of ours in their metadata, and said beside a written file."""

from typing import Any

from s2nn_hw.network.network import Network

KEY = "s2nn"  # of a file's metadata


def noted(network: Network) -> dict[str, Any]:
    """Return what a note says of any network, JSON-able: ``classes``, and ``scaling``, where it takes raw values."""
    scaling = network.input.scaling
    tables = {} if scaling is None else {"scaling": {name: table.tolist() for name, table in scaling.tables.items()}}
    return {"classes": list(network.classes), **tables}


def scaling_note(network: Network) -> list[str]:
    """Return a line where ``network`` takes raw values, which its file in another format does not; else nothing."""
    entering = network.input
    if entering.scaling is None:
        return []
    return [
        f"for other programs the file takes pixels, integers {entering.low} .. {entering.peak}: how raw values become "
        "pixels (offset, step) is in its metadata, which s2nn-hw import reads"
    ]
