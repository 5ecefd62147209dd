"""Figures of others beside ours: a row of texts each, and ours as a point of a plot."""

from collections.abc import Iterable
from dataclasses import dataclass

from s2nn_hw.report.literature import System
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show import words
from s2nn_hw.report.show.summary import energy
from s2nn_hw.report.show.words import number, plain, scaled

LEAST_IMAGES = 1000
HEADS = {
    "accuracy": "Accuracy, %",
    "luts": "LUT",
    "brams": "Block RAM",
    "dsps": "DSP",
    "latency_us": "Latency",
    "frames_per_second": "Frames/s",
    "power_w": "Power",
    "energy_uj": "Energy a frame",
}


@dataclass(frozen=True)
class LiteratureRow:
    """A system's row: texts, ``cells`` in the order of :data:`HEADS`, and whether it is ours."""

    system: str
    device: str
    task: str
    said: str
    cells: tuple[str, ...]
    source: str = ""
    ours: bool = False


@dataclass(frozen=True)
class LiteratureTable:
    """The heads of the figures, and the rows."""

    heads: tuple[str, ...]
    rows: tuple[LiteratureRow, ...]


def literature_table(report: Json, systems: Iterable[System]) -> LiteratureTable:
    """Return the literature table: ours first, then others' of the same task."""
    task = plain(report["network"]["data_set"] or "", 60)
    made = [
        LiteratureRow(
            plain(row.system, 120),
            plain(row.device, 80),
            plain(row.task, 60),
            row.convention,
            figures_text(row),
            f"{row.source} ({row.read})",
        )
        for row in systems
    ]
    same = [row for row in made if words.same(row.task, task)]
    return LiteratureTable(tuple(HEADS.values()), (_own(report, task), *same))


def figures_text(system: System) -> tuple[str, ...]:
    """Return the figures of a system as texts, in the order of :data:`HEADS`."""
    return tuple(figure_text(key, system.figure(key)) for key in HEADS)


def figure_text(key: str, value: float | None) -> str:
    """Return the value of a column of the literature (a key of :data:`HEADS`) as text, with unit where it varies."""
    if key == "energy_uj":
        return " ".join(scaled(None if value is None else 1000 * value, "nJ")) if value is not None else words.DASH
    if value is None or key not in ("latency_us", "power_w"):
        return number(value)
    return " ".join(scaled(value, "us" if key == "latency_us" else "W"))


def sampled(report: Json) -> bool:
    """Return whether the images are too few for their accuracy to stand beside others' of whole test sets."""
    images: int = report["images"]["count"]
    return images < LEAST_IMAGES


def point(report: Json, *, others: bool = True) -> System:
    """Return this network's figures as the literature has them.

    ``others``: it is for a plot with figures of others, where the accuracy of a small sample (:func:`sampled`) has no
    place.
    """
    used = {key: row["used"]["value"] for key, row in (report["resources"] or {}).items()}
    rate, us = report["rate"], report["latency"]["us"]
    device, accuracy = (report["energy"] or {}).get("device"), (report["accuracy"] or {}).get("value")
    circuit = (rate or {}).get("circuit") or {}
    q = energy(report)[0]
    milliwatts = device["power"]["total_mw"]["value"] if device else None
    return System(
        system=plain(report["network"]["name"], 60),
        task=plain(report["network"]["data_set"] or "", 60),
        device=plain(report["board"]["device"], 60) if report["board"] else words.DASH,
        accuracy=None if accuracy is None or (others and sampled(report)) else round(100 * accuracy, 4),
        luts=used.get("luts"),
        brams=used.get("brams"),
        dsps=used.get("dsps"),
        latency_us=us["mean"] if us else None,
        frames_per_second=circuit.get("value"),
        power_w=None if milliwatts is None else milliwatts / 1000,
        energy_uj=q["value"] / 1000 if q else None,
    )


def _own(report: Json, task: str) -> LiteratureRow:
    """Return our row, with what its figures hold."""
    values, device = point(report, others=False), (report["energy"] or {}).get("device")
    kinds = [plain(row["kind"], 20) for key, row in (report["resources"] or {}).items() if key in ("luts", "brams")]
    sources = sorted({words.SOURCES[row["used"]["source"]] for row in (report["resources"] or {}).values()})
    said = []
    if kinds:
        said.append(f"Resources in {' and '.join(kinds)}, accelerator and host link ({', '.join(sources)})")
    if report["accuracy"] and sampled(report):
        said.append(f"accuracy of {report['images']['count']:,} images only, not of the test set that others use")
    said.append("latency of a frame alone, rate of the circuit without the link (exact formula)")
    if values.energy_uj is not None:
        said.append("energy and power of the core (estimate)" if device else "energy of the whole board (measured)")
    return LiteratureRow(
        values.system, values.device, task or words.DASH, "; ".join(said) + ".", figures_text(values), ours=True
    )
