"""What an ``activity.json`` holds: how often what of a synthesised accelerator toggles; written and read here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.texts import read_json

FORMAT, VERSION = "s2nn-activity", 1
LIMIT = 1 << 26  # bytes of a file
HALVES = {"RAMB18E1": 0.5, "RAMB36E1": 1.0}  # of the block whose access is priced
NOT_PRICED = ("carry", "clock_ff_enabled", "io")


@dataclass(frozen=True)
class Toggles:
    """What a layer ``name`` does in a frame or an idle cycle: toggles of outputs, accesses, clock edges.

    ``lut``, ``carry``, ``ff``, ``bram``: toggles of outputs; ``bram_reads``, ``bram_writes``: accesses; ``clock_ff``,
    ``clock_ff_enabled``, ``clock_bram``, ``clock_lutram``: rising edges at clock pins; ``io``: toggles of ports.
    """

    name: str
    lut: float
    carry: float
    ff: float
    bram: float
    bram_reads: float
    bram_writes: float
    clock_ff: float
    clock_ff_enabled: float
    clock_bram: float
    clock_lutram: float
    io: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Toggles:
        """Return those of a table's ``row``; :class:`ValueError` unless what is priced is finite and not negative."""
        priced = {name: float(row[name]) for name in COUNTS if name not in NOT_PRICED}
        if any(not 0 <= value < float("inf") for value in priced.values()):
            raise ValueError("rows of activity must be there, finite and not negative")
        return cls(name=row["name"], **priced, **{name: row.get(name, 0.0) for name in NOT_PRICED})

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


COUNTS = tuple(field.name for field in fields(Toggles))[1:]


@dataclass(frozen=True)
class ActivityTable:
    """A row of :class:`Toggles` per layer, and what the report says of the ``columns``."""

    columns: Mapping[str, Any]
    rows: tuple[Toggles, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ActivityTable:
        """Return the table that :meth:`to_json` gave; :class:`ValueError` for one without rows."""
        rows = tuple(Toggles.of(row) for row in data["rows"])
        if not rows:
            raise ValueError("rows of activity must be there, finite and not negative")
        return cls(data.get("columns", {}), rows)

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

    busy: int
    per_frame: float
    idle: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Cycles:
        """Return those in ``data``, where ``per_frame`` must be."""
        return cls(data.get("busy", 0), data["per_frame"], data.get("idle", 0))


@dataclass(frozen=True)
class NetlistFacts:
    """The netlist that was simulated: ``what`` it is, the ``tool`` and ``file`` it is from and in, and its size.

    ``cells``: how many there are of each type.
    """

    what: str
    tool: str
    file: str
    nets: int
    flip_flops: int
    cells: Mapping[str, int]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> NetlistFacts:
        """Return those in ``data``, where ``what`` and ``cells`` must be, and block RAMs be counts."""
        needed = {name: data[name] for name in ("cells", "what")}
        rest: dict[str, Any] = {name: data.get(name) for name in ("tool", "file", "nets", "flip_flops")}
        made = cls(**needed, **rest)
        block_share(made.cells)
        return made


def block_share(cells: Mapping[str, int]) -> float:
    """Return how much of the block that is priced a block RAM among ``cells`` (count by type) is on average."""
    counts = {name: cells[name] for name in HALVES if cells.get(name)}
    return sum(HALVES[name] * n for name, n in counts.items()) / sum(counts.values()) if counts else 1.0


@dataclass(frozen=True)
class LinkLoad:
    """The ``flip_flops`` of the host link, which are not simulated (None if not known), and ``by`` what."""

    flip_flops: int | None
    by: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> LinkLoad:
        """Return the one in ``data``; :class:`ValueError` unless its flip-flops are a count or None."""
        made = cls(*(data[field.name] for field in fields(cls)))
        if not (made.flip_flops is None or 0 <= made.flip_flops < float("inf")):
            raise ValueError("flip-flops of the link must be a count")
        return made


@dataclass(frozen=True)
class Watts:
    """Vivado's figures of power."""

    total_w: float
    dynamic_w: float
    static_w: float


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
    network: Mapping[str, str]
    board: Mapping[str, str]
    plan: Mapping[str, Any]
    clock_mhz: float
    images: Mapping[str, Any]
    frames: int
    cycles: Cycles
    netlist: NetlistFacts
    simulator: str
    equal: bool
    compared: tuple[str, ...]
    link: LinkLoad
    saif: str
    saif_registers: Mapping[str, int]
    frame: ActivityTable
    idle: ActivityTable
    cells: Mapping[str, Any]
    vivado: Mapping[str, Any] | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ActivityRecord:
        """Return the record that :meth:`to_json` gave.

        :class:`KeyError`, :class:`TypeError` or :class:`ValueError` if what an estimate of energy needs is not there or
        not sensible; the other fields are taken as they come.
        """
        frame, idle = ActivityTable.of(data["frame"]), ActivityTable.of(data["idle"])
        cycles, frames = Cycles.of(data["cycles"]), data["frames"]
        if list(frame.by_name) != list(idle.by_name) or not cycles.per_frame > 0 or not frames > 0:
            raise ValueError("frame and idle must have the same rows, cycles and frames must be positive")
        netlist, link = NetlistFacts.of(data["netlist"]), LinkLoad.of(data["link"])
        texts = (netlist.what, link.by, *(data[name] for name in ("simulator", "saif")))
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("netlist.what, link.by, simulator and saif must be text")
        known: dict[str, Any] = {field.name: data.get(field.name) for field in fields(cls)}
        parts = {"cycles": cycles, "netlist": netlist, "link": link, "frame": frame, "idle": idle}
        return cls(**known | parts | {"compared": tuple(data.get("compared") or ())})

    @property
    def watts(self) -> Watts | None:
        """The power that Vivado tells, None without it."""
        return Watts(*(self.vivado[field.name] for field in fields(Watts))) if self.vivado else None

    def is_of(self, network_digest: str, plan: Mapping[str, Any]) -> bool:
        """Return whether it is of the network of that digest under ``plan`` (its JSON)."""
        return (self.network["digest"], self.plan) == (network_digest, plan)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``activity.json``."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"format": FORMAT, "version": VERSION} | {name: _plain(value) for name, value in said.items()}


def load_activity(path: Path | str) -> ActivityRecord:
    """Return the activity record in JSON file ``path``; :class:`UserError` if it is none, naming the field."""
    data = read_json(path, what="activity", limit=LIMIT)
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != VERSION:
        raise UserError(f"activity {path} must have format '{FORMAT}', version {VERSION}; run `s2nn-hw activity` again")
    try:
        return ActivityRecord.of(data)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"activity {path} is damaged ({error}); run `s2nn-hw activity` again") from None


def _plain(value: Any) -> Any:
    """Return a field as JSON has it."""
    if isinstance(value, ActivityTable):
        return value.to_json()
    if isinstance(value, Cycles | NetlistFacts | LinkLoad):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return list(value) if isinstance(value, tuple) else value
