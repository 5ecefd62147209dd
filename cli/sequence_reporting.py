"""What ``report`` does with a network of sequences: sequences in, table and JSON out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli.sequences import sequences_for
from s2nn_hw.errors import UserError
from s2nn_hw.network.network import Network
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.sequences import KnownOfSequences, build_sequence_report
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.terminal import working


@dataclass(frozen=True)
class Asked:
    """On what: ``images`` and ``labels``, files, None takes the test set; ``board``, ``clock_mhz`` or None;
    ``checked``: what ``verify`` wrote; ``created``: when."""

    images: Path | None = None
    labels: Path | None = None
    board: str | None = None
    clock_mhz: float | None = None
    checked: dict[str, Any] | None = None
    created: str = ""


def sequence_report(network: Network, plan: Plan, asked: Asked) -> Json:
    """Return the report of ``network`` under ``plan``."""
    sent = sequences_for(network, asked.images, asked.labels)
    with working(f"running {network.name} over {len(sent):,} sequences"):
        report = build_sequence_report(
            SequenceDesign(network, plan),
            sent.frames,
            sent.offsets,
            sent.labels,
            KnownOfSequences.of(network, sent.source, asked.board, asked.clock_mhz, asked.created),
        )
    return report | {"verified": _verified(asked.checked, network, report)}


def _verified(checked: dict[str, Any] | None, network: Network, report: Json) -> Json | None:
    """Return what a simulation said, if it was of this network and its latencies are those here."""
    if not isinstance(checked, dict) or checked.get("digest") != network.digest or "sequences" not in checked:
        return None
    theirs = checked.get("latency_cycles")
    mine = {name: entry["value"] for name, entry in report["latency"].items()}
    if checked["sequences"] != report["sequences"]["count"] or not isinstance(theirs, dict):
        return None
    if (theirs.get("min"), theirs.get("max")) != (mine["min"], mine["max"]):
        return None
    return {name: checked.get(name) for name in ("simulator", "sequences", "ticks", "compared", "differences")}


def refuse(network: Network, given: Mapping[str, bool]) -> None:
    """Raise :class:`UserError` for the first option that is ``given``: of these the report of ``network`` has none."""
    for option, asked in given.items():
        if asked:
            raise UserError(
                f"network {network.name} reads sequences: its report is a table and JSON, of all of them; leave "
                f"{option} out"
            )
