"""The steps of the open tools: synthesis, what is done to its netlist, placement and routing."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from s2nn_hw.hw.board.board import check_budget
from s2nn_hw.hw.flow.nextpnr_log import log_clocks, log_critical_path, log_utilization
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.progress import Watch
from s2nn_hw.hw.flow.toolreports import Timing, Usage, Utilization, nextpnr_report, synthesis_usage
from s2nn_hw.hw.flow.work import STAT, Change, ClockMissed, Netlists, Outcome, Work, refuse_slow, refuse_too_large

NEXTPNR_LOG = f"{TOP}.tim"
NEXTPNR_REPORT = f"{TOP}_nextpnr.json"


def run_open_tools(work: Work) -> Outcome:
    """Synthesise, place, route and pack prepared ``work``; return the :class:`~s2nn_hw.hw.flow.work.Outcome`."""
    synthesised = synthesise(work)
    usage, timing = place_and_route(work, synthesised)
    return Outcome(usage, timing, work.flow.pack(work), synthesised)


def synthesise(work: Work) -> Usage:
    """Run yosys; return the :class:`Usage` of the netlist. What no placement could fit is refused."""
    step = work.flow.synthesis(work)
    netlist = work.folder / step.outputs[0]
    with work.narrator.stage("synthesis", f"synthesis ({step.what})") as tick:
        work.run(step.tool, step.arguments, tick, log="synthesis.log", own_log=f"{TOP}.rpt", outputs=step.outputs)
        changes = change_netlist(netlist, work.flow.netlists)
    for change in changes:
        work.narrator.say(str(change))
    return count_netlist(work, netlist, changes)


def change_netlist(path: Path, netlists: Netlists) -> list[Change]:
    """Do with yosys's netlist what it does not do itself; return the records of what was changed."""
    return [change(path, netlists.library) for change in netlists.passes]


def count_netlist(work: Work, netlist: Path, changes: list[Change]) -> Usage:
    """Return the :class:`Usage` of the netlist that placement will get, with its ``changes`` since synthesis; refuse it
    if it can't fit."""
    netlists = work.flow.netlists
    added: Counter[str] = Counter()
    for change in changes:
        added.update(change.cells(netlists.library))
    usage = synthesis_usage(netlists.library, work.folder / STAT, added=added)
    usage = replace(usage, detail=usage.detail | {"changes": [change.to_json() for change in changes]})
    usage = netlists.refine(netlist, usage)
    refuse_too_large(work.board, usage)
    return work.flow.packed(work, netlist, usage)


def place_and_route(work: Work, synthesised: Usage) -> tuple[Usage, Timing]:
    """Run nextpnr; return ``(usage, timing)`` of the routed design. A missed clock is :class:`ClockMissed`."""
    step, log = work.flow.placement(work), work.folder / NEXTPNR_LOG
    with suppress(OSError):
        log.unlink()

    def placed(timing: Timing) -> None:
        worst = timing.slowest()
        assert worst is not None
        _, estimated, wanted = worst
        work.narrator.say(f"placed: {estimated:.1f} MHz estimated, {wanted:g} MHz wanted")
        if work.early and estimated < work.flow.netlists.far * wanted:
            raise ClockMissed(timing, "placement", work.folder)

    outputs = (*step.outputs, NEXTPNR_REPORT)
    with work.narrator.stage("place", f"place and route ({step.what})") as tick:
        watch = Watch(step.tool, log, placed)
        work.run(step.tool, step.arguments, tick, log="place.log", own_log=NEXTPNR_LOG, outputs=outputs, watch=watch)
    utilization, timing = read_nextpnr(work.folder, step.report)
    usage = work.flow.placed(work, utilization, synthesised)
    check_budget(usage.counts(), work.board, what=usage.source)
    refuse_slow(timing, work.folder)
    return usage, timing


def read_nextpnr(folder: Path, report: bool) -> tuple[Utilization, Timing]:
    """Return nextpnr's ``(utilization, timing)``: from its report if it writes one, what that lacks from its log."""
    logs = [folder / NEXTPNR_LOG, folder / "place.log"]
    text = next(path for path in logs if path.exists()).read_text(errors="replace")
    if not report:
        return log_utilization(text), Timing(log_clocks(text), log_critical_path(text))
    utilization, timing = nextpnr_report(folder / NEXTPNR_REPORT)
    # nextpnr-xilinx writes an empty list of paths
    return utilization, timing if timing.critical_path else replace(timing, critical_path=log_critical_path(text))
