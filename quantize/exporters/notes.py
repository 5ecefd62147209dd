"""What formats of others have no field for, said beside a file that was written."""

from s2nn_hw.network.network import Network


def scaling_note(network: Network) -> list[str]:
    """Return a line where ``network`` takes raw values, which its file in another format does not; else nothing."""
    entering = network.input
    if entering.scaling is None:
        return []
    return [
        f"the file takes pixels, integers {entering.low} .. {entering.peak}: how raw values become pixels (offset, "
        "step) stays in the .s2nn"
    ]
