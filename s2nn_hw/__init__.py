"""FPGA hardware generator for spiking neural networks: load, forward, simulate, verify.

What stands in ``__all__`` is read when it is asked for: ``import s2nn_hw`` alone reads nothing else. Reference:
``docs/api.md`` and :mod:`s2nn_hw.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s2nn_hw.api import (
        Network,
        Outcome,
        Output,
        Plan,
        ProofError,
        SequenceAnswer,
        SequenceOutput,
        SequenceSummary,
        Summary,
        Translated,
        UserError,
        default_plan,
        first_spikes,
        forward,
        forward_sequences,
        from_nir,
        from_onnx,
        from_torch,
        load,
        load_plan,
        load_state,
        make_plan,
        make_report,
        save,
        simulate,
        trace,
        verify,
        write_verilog,
    )

__version__ = "0.4.0"
__all__ = [
    "Network",
    "Outcome",
    "Output",
    "Plan",
    "ProofError",
    "SequenceAnswer",
    "SequenceOutput",
    "SequenceSummary",
    "Summary",
    "Translated",
    "UserError",
    "__version__",
    "default_plan",
    "first_spikes",
    "forward",
    "forward_sequences",
    "from_nir",
    "from_onnx",
    "from_torch",
    "load",
    "load_plan",
    "load_state",
    "make_plan",
    "make_report",
    "save",
    "simulate",
    "trace",
    "verify",
    "write_verilog",
]


def __getattr__(name: str) -> Any:
    """Return what ``__all__`` names."""
    if name in __all__:
        from s2nn_hw import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
