"""The host link with events in the place of frames: what taking spikes apart and listing them costs, by yosys."""

from pathlib import Path
from typing import Any

from benchmarks.frame import Row, Setting
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.hw.link.link import EventLink, Link
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan

TITLE = "the link alone, frames as bytes and as events: LUTs, flip-flops and block RAMs by yosys"
MODELS = Path(__file__).parents[1] / "models"
NETWORKS = ("mnist-ttfs", "fashion-ttfs")
CLOCK_HZ = 100_000_000


def run(setting: Setting) -> list[Row]:
    """Return a row per network, family and resource: the link of events over that of frames, default plans."""
    rows = []
    for name in NETWORKS:
        network = load(MODELS / f"{name}.s2nn")
        for family in ("xc7", "ecp5"):
            plan = default_plan(network, family)
            accelerator: Any = Accelerator(network, plan, spikes=True)
            accelerator._MustUse__used = True  # its link alone is built
            links = (kind.of(accelerator, clock_hz=CLOCK_HZ) for kind in (Link, EventLink))
            frames, events = (_used(link, family, setting) for link in links)
            for resource in ("luts", "ffs", "brams"):
                kind = FAMILIES[family].title_of(resource)
                what = f"{name}, {family}: {kind} of the link with events"
                rows.append(Row(what, events[resource], kind, frames[resource] or None, "the link with frames"))
    return rows


def _used(link: Any, family: str, setting: Setting) -> dict[str, float]:
    """Return what ``link`` takes of a device of ``family``, without UART and accelerator."""
    top = type(link).__name__.lower()
    path = synthesise(link, top, family, setting.output / "synthesis")
    return synthesis_usage(library_of(family), path).counts()
