"""What an ``activity.json`` holds: how often what of a synthesised accelerator toggles; written and read here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import msgspec

from s2nn_hw.errors import UserError
from s2nn_hw.records import Amount, Count, Positive, convert, is_format
from s2nn_hw.texts import read_json

FORMAT, VERSION = "s2nn-activity", 1
LIMIT = 1 << 26  # bytes of a file
ROUNDED = 0.001  # cycles of a frame
HALVES = {"RAMB18E1": 0.5, "RAMB36E1": 1.0}  # of the block whose access is priced
Above = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
Columns = Mapping[str, Mapping[str, str]]  # of each column its unit, source, and what


@dataclass(frozen=True)
class Toggles:
    """What a layer ``name`` does in a frame or an idle cycle: toggles of outputs, accesses, clock edges.

    ``lut``, ``carry``, ``ff``, ``bram``: toggles of outputs; ``bram_reads``, ``bram_writes``: accesses; ``clock_ff``,
    ``clock_ff_enabled``, ``clock_bram``, ``clock_lutram``: rising edges at clock pins; ``io``: toggles of ports.
    """

    name: str
    lut: Amount
    carry: Amount
    ff: Amount
    bram: Amount
    bram_reads: Amount
    bram_writes: Amount
    clock_ff: Amount
    clock_ff_enabled: Amount
    clock_bram: Amount
    clock_lutram: Amount
    io: Amount

    @classmethod
    def summed(cls, name: str, rows: Sequence[Toggles]) -> Toggles:
        """Return the sums of ``rows`` under another name."""
        return cls(name, **{count: sum(getattr(row, count) for row in rows) for count in COUNTS})

    @property
    def outputs(self) -> tuple[float, float, float, float]:
        """Toggles of outputs, by class of resource."""
        return self.lut, self.carry, self.ff, self.bram

    @property
    def clock_pins(self) -> float:
        """Clock edges at what loads the clock."""
        return self.clock_ff + self.clock_bram + self.clock_lutram


COUNTS = tuple(entry.name for entry in fields(Toggles))[1:]


@dataclass(frozen=True)
class ActivityTable:
    """A row of :class:`Toggles` per layer, and what the report says of the ``columns``."""

    columns: Columns
    rows: tuple[Toggles, ...]

    @property
    def by_name(self) -> dict[str, Toggles]:
        """The rows by their layer's name."""
        return {row.name: row for row in self.rows}

    def to_json(self) -> dict[str, Any]:
        """Return ``columns`` and ``rows``, JSON-able."""
        return {"columns": dict(self.columns), "rows": [asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class Cycles:
    """Clock cycles that were simulated: ``busy`` with all frames, that is ``per_frame``, then ``idle`` ones."""

    busy: Above
    per_frame: Positive
    idle: Count


@dataclass(frozen=True)
class NetlistFacts:
    """The netlist that was simulated: ``what`` it is, the ``tool`` and ``file`` it is from and in, and its size.

    ``cells``: how many there are of each type.
    """

    what: str
    tool: str
    file: str
    nets: Count
    flip_flops: Count
    cells: Mapping[str, Count]


def block_share(cells: Mapping[str, int]) -> float:
    """Return how much of the block that is priced a block RAM among ``cells`` (count by type) is on average."""
    counts = {name: cells[name] for name in HALVES if cells.get(name)}
    return sum(HALVES[name] * n for name, n in counts.items()) / sum(counts.values()) if counts else 1.0


@dataclass(frozen=True)
class LinkLoad:
    """The ``flip_flops`` of the host link, which are not simulated (None if not known), and ``by`` what."""

    flip_flops: Count | None
    by: str


@dataclass(frozen=True)
class NetworkName:
    """The network: its ``name`` and ``digest``."""

    name: str
    digest: str


@dataclass(frozen=True)
class BoardName:
    """The board: its ``name``, and its ``device`` and ``family``."""

    name: str
    device: str
    family: str


@dataclass(frozen=True)
class Images:
    """How many images were sent, and where they are from."""

    count: Above
    source: str


@dataclass(frozen=True)
class Registers:
    """How many registers, ``of`` so many, have their source's name."""

    named: Count
    of: Count


@dataclass(frozen=True)
class CellRows:
    """How many cells each layer has: ``rows`` with a name and counts by resource."""

    columns: Columns
    rows: tuple[Mapping[str, str | Count], ...]


@dataclass(frozen=True)
class Vivado:
    """Vivado's figures of power, as :func:`s2nn_hw.hw.flow.power.parse_power` has them; ``tool``: its version.

    ``report``: its file.
    """

    total_w: Amount
    dynamic_w: Amount
    static_w: Amount
    tool: str = "Vivado"
    classes: Mapping[str, Amount] = field(default_factory=dict)
    confidence: str | None = None
    nets_matched: str | None = None
    report: str | None = None


@dataclass(frozen=True)
class ActivityRecord:
    """What ``s2nn-hw activity`` counted, field by field as in ``docs/activity.md``.

    tool, digest      what wrote it, and of everything that decides it
    network, board    name and digest; name, device and family
    plan              as :meth:`s2nn_hw.circuit.choices.Plan.to_json` gives it
    clock_mhz         of the circuit
    images, frames    ``{"count", "source"}``, and how many frames went through
    cycles, netlist, simulator, link
    equal, compared   that the netlist said what the golden model says, and of what
    saif              file of the toggles; ``saif_registers``: how many registers have their source's name there
    frame, idle       toggles of a frame, and of a cycle without one
    cells             the table of how many cells each layer has
    vivado            Vivado's own figures of power, or None
    """

    tool: str
    digest: str
    network: NetworkName
    board: BoardName
    plan: Mapping[str, Any]
    clock_mhz: Positive
    images: Images
    frames: Above
    cycles: Cycles
    netlist: NetlistFacts
    simulator: str
    equal: bool
    compared: tuple[str, ...]
    link: LinkLoad
    saif: str
    saif_registers: Registers
    frame: ActivityTable
    idle: ActivityTable
    cells: CellRows
    vivado: Vivado | None

    @classmethod
    def of(cls, data: Mapping[str, Any], where: str = "activity") -> ActivityRecord:
        """Return the record that :meth:`to_json` gave; :class:`UserError`, from ``where`` on, names the bad field."""
        made = convert(data, cls, where)
        if not made.equal:
            raise UserError(f"{where}: field equal must be true, else its figures are of no use")
        if abs(made.cycles.per_frame * made.frames - made.cycles.busy) > ROUNDED * made.frames:
            raise UserError(f"{where}: field cycles.per_frame must be cycles.busy by frames")
        if not made.netlist.cells:
            raise UserError(f"{where}: field netlist.cells must have cells")
        if made.saif_registers.named > made.saif_registers.of:
            raise UserError(f"{where}: field saif_registers.named must be {made.saif_registers.of} at most")
        names = [row.name for row in made.frame.rows]
        if not names or len(set(names)) < len(names):
            raise UserError(f"{where}: field frame.rows must be there, each of another name")
        if [row.name for row in made.idle.rows] != names:
            raise UserError(f"{where}: field idle.rows must have the same rows as frame.rows")
        return made

    def is_of(self, network_digest: str, plan: Mapping[str, Any]) -> bool:
        """Return whether it is of the network of that digest under ``plan`` (its JSON)."""
        return (self.network.digest, self.plan) == (network_digest, plan)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``activity.json``."""
        return {"format": FORMAT, "version": VERSION} | _plain(asdict(self))


def load_activity(path: Path | str) -> ActivityRecord:
    """Return the activity record in JSON file ``path``; :class:`UserError` if it is none, naming the field."""
    data = read_json(path, what="activity", limit=LIMIT)
    if not is_format(data, FORMAT, VERSION):
        raise UserError(f"activity {path} must have format '{FORMAT}', version {VERSION}; run `s2nn-hw activity` again")
    try:
        return ActivityRecord.of(data, f"activity {path}")
    except UserError as error:
        raise UserError(f"{error}; it is damaged: run `s2nn-hw activity` again") from None


def _plain(value: Any) -> Any:
    """Return nested ``value`` as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
