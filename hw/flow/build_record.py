"""The record of a build, ``build.json``: what ``s2nn-hw bitstream`` leaves in a folder; found, read and checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Meta

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.device import RESOURCES
from s2nn_hw.hw.flow.toolreports import Timing, Used
from s2nn_hw.network.network import Network
from s2nn_hw.records import Count, Number, Positive, convert, is_format
from s2nn_hw.texts import read_json

RECORD, NETWORK, PLAN = "build.json", "network.s2nn", "plan.json"
BUILD_FORMAT, VERSION = "s2nn-build", 1
LIMIT = 1 << 24  # bytes of a file

Json = dict[str, Any]
Baud = Annotated[int, Meta(gt=0, le=10**12)]


@dataclass(frozen=True)
class BuiltBoard:
    """The board of a build."""

    name: Annotated[str, Meta(min_length=1)]
    title: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class BuiltNetwork:
    """The network of a build."""

    name: str
    digest: str


@dataclass(frozen=True)
class BuiltLink:
    """The link of a build; ``baud``: None if it is not known; ``events``: frames are events."""

    baud: Baud | None = None
    events: bool = False


@dataclass(frozen=True)
class LoweredClock:
    """A clock that was missed ``after`` a step, which told ``reached_mhz``, and lowered."""

    from_mhz: Positive
    to_mhz: Positive
    after: str
    reached_mhz: Positive
    critical_path: str | None


@dataclass(frozen=True)
class BuiltClock:
    """The clock that was wanted, what the design reaches (None before placement), what it runs at, and why not more.

    ``clock_mhz``: None in records that know only the one that was wanted.
    """

    wanted_mhz: Positive
    reached_mhz: Positive | None = None
    clock_mhz: Positive | None = None
    lowered: tuple[LoweredClock, ...] = ()

    def to_json(self) -> Json:
        """Return all of it, JSON-able."""
        return asdict(self) | {"lowered": [asdict(step) for step in self.lowered]}


@dataclass(frozen=True)
class SelfTestFacts:
    """A self-test: how many ``vectors``, the ``images`` they are of, their digest, rounds, and the LED of each role."""

    vectors: Count
    images: str
    digest: str
    rounds: Count
    leds: Mapping[str, str] | None = None

    def asked(self) -> Json:
        """Return what is known before it is built, JSON-able."""
        return {"vectors": self.vectors, "images": self.images, "digest": self.digest, "rounds": self.rounds}

    def on(self, leds: Mapping[str, str]) -> Self:
        """Return the same on a board with ``leds``."""
        return replace(self, leds=leds)


@dataclass(frozen=True)
class Asked:
    """What a build was asked for; None and False: what the board or the machine has."""

    freq_mhz: Positive | None = None
    seed: int | None = None
    baud: Baud | None = None
    native: bool = False
    chipdb: str | None = None
    prjxray_db: str | None = None


@dataclass(frozen=True)
class BuildRecord:
    """A finished build.

    ``board``, ``network``, ``clock``, ``self_test``: what they were; the last is None but for a self-test
    ``digest``            of all that decides the build; the folder's name has its beginning
    ``generator``         the beginning of the digest of this package's sources
    ``plan``              as JSON, None for another design than the accelerator
    ``flow``              the kind of flow
    ``timing``            None before placement
    ``link``              what it was; its baud is None if it is not known
    ``resources``         by resource, as ``resources_source`` counts them
    ``synthesis``         the counts before placement, by resource; None if the tool does not say
    ``resources_detail``  more numbers of that source
    ``options``           what was asked for
    ``tools``             versions by name
    ``seconds``           of each stage
    ``bitstream``         its name, None after synthesis alone, and then ``missing`` says what is missing
    ``program``           the command that loads it, None without one
    """

    board: BuiltBoard
    network: BuiltNetwork
    digest: str
    flow: str
    clock: BuiltClock
    resources: Mapping[str, Used]
    resources_source: str
    tools: Mapping[str, str]
    missing: tuple[str, ...]
    bitstream: str | None = None
    generator: str | None = None
    plan: Json | None = None
    self_test: SelfTestFacts | None = None
    timing: Timing | None = None
    link: BuiltLink | None = None
    synthesis: Mapping[str, Number] | None = None
    resources_detail: Mapping[str, Number | list[Any]] | None = None
    options: Asked | None = None
    seconds: Mapping[str, Number] | None = None
    program: str | None = None

    @classmethod
    def of(cls, data: object, where: str) -> Self:
        """Return the record that ``data``, as JSON gave it, is; :class:`UserError`, beginning with ``where``, if none.

        What it does not know is left out.
        """
        if not is_format(data, BUILD_FORMAT, VERSION):
            raise UserError(f"{where} must have format '{BUILD_FORMAT}', version {VERSION}")
        record = convert(data, cls, where, plain=True)
        if set(record.resources) != set(RESOURCES):
            raise UserError(f"{where}: field resources needs {', '.join(RESOURCES)}, each with kind, used, budget")
        if record.synthesis is not None and set(record.synthesis) != set(RESOURCES):
            raise UserError(f"{where}: field synthesis must count {', '.join(RESOURCES)}, or be null")
        return record

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the record in JSON file ``path``; :class:`UserError` if there is none, or a damaged one."""
        return cls.of(read_json(path, what="build record", limit=LIMIT), f"build record {path}")

    @property
    def baud(self) -> int | None:
        """The baud of the link, None if it is not known."""
        return self.link.baud if self.link else None

    def to_json(self) -> Json:
        """Return the contents of ``build.json``."""
        return {
            "format": BUILD_FORMAT,
            "version": VERSION,
            "board": asdict(self.board),
            "network": asdict(self.network),
            "digest": self.digest,
            "generator": self.generator,
            "plan": self.plan,
            "self_test": asdict(self.self_test) if self.self_test else None,
            "flow": self.flow,
            "clock": self.clock.to_json(),
            "timing": self.timing.to_json() if self.timing else None,
            "link": {"baud": self.baud} | ({"events": True} if self.link and self.link.events else {}),
            "resources": {name: asdict(row) for name, row in self.resources.items()},
            "resources_source": self.resources_source,
            "synthesis": self.synthesis,
            "resources_detail": self.resources_detail,
            "options": asdict(self.options) if self.options else None,
            "tools": self.tools,
            "seconds": self.seconds,
            "bitstream": self.bitstream,
            "missing": list(self.missing),
            "program": self.program,
        }


def read_build(folder: Path | str, network: Network) -> BuildRecord:
    """Return the record that ``s2nn-hw bitstream`` left in ``folder``, checked to be of ``network``."""
    path = Path(folder) / RECORD
    if not path.is_file():
        raise UserError(f"{path} does not exist: {folder} is no finished build; make one with `s2nn-hw bitstream`")
    record = BuildRecord.read(path)
    if record.self_test:
        raise UserError(
            f"build record {path} is of a self-test, whose vectors and comparison are not part of the "
            "accelerator; give a build made without --self-test"
        )
    came = record.network
    if came.digest != network.digest:
        raise UserError(
            f"build record {path} is of another network ({came.name}, digest "
            f"{came.digest[:12]}, wanted {network.digest[:12]}); build it anew"
        )
    return record


def running_mhz(build: BuildRecord) -> float:
    """Return the clock that the bitstream of ``build`` runs at: what was wanted, or less if that was missed."""
    return build.clock.clock_mhz or build.clock.wanted_mhz


def packed_luts(build: BuildRecord) -> int | None:
    """Return the LUT6 that nextpnr-xilinx would pack of a build that was only synthesised, None if not known."""
    count = (build.resources_detail or {}).get("packed_luts_predicted")
    return count if build.flow == "synthesis" and isinstance(count, int) and count > 0 else None


def find_build(root: Path | str, network: Network, board: str, plan: Plan) -> tuple[Path, BuildRecord] | None:
    """Return ``(folder, build record)`` of the newest build of ``network`` and ``plan`` for ``board``, else None."""
    records = sorted(Path(root).glob(f"{network.name}-{board}-*/{RECORD}"), key=lambda p: -p.stat().st_mtime)
    for path in records:
        try:
            build = read_build(path.parent, network)
        except UserError:
            continue
        if build.plan == plan.to_json() and build.board.name == board:
            return path.parent, build
    return None
