"""One task in any process: a candidate to figures, or a plan to the counts of its synthesis.

Networks and images come beside a task as bytes, so a worker needs no common file system. The result is the same
wherever and whenever it is worked out.
"""

import io
import tempfile
from functools import cache, lru_cache

import numpy as np

import s2nn_hw
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.explore.energy import frame_energy
from s2nn_hw.explore.space import PACES, Choice, layers_plan
from s2nn_hw.explore.tasks import Candidate, CandidateTask, Failed, Refused, Result, Synthesised, SynthesisTask, Task
from s2nn_hw.hw.flow.digests import generator_digest, sources_digest
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import parse
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import parse_plan
from s2nn_hw.plan.planner import OutOfReach, Planner, make_plan, span

ROOM = 1.05  # a plan for an interval is looked for a little below it, and nothing is faster than the fastest


def work(task: Task, network: bytes, images: bytes) -> Result:
    """Return the result of ``task`` for ``network`` and ``images``.

    ``network``: bytes of a ``.s2nn`` file, ``images`` of a ``.npy`` file of uint8. :class:`UserError` if this process
    runs other code than the one that made the task.
    """
    if task.code != code_digest(task.kind):
        raise UserError(
            f"a worker has another s2nn-hw (it says {s2nn_hw.__version__}) than the exploration; install "
            "the same everywhere"
        )
    if isinstance(task, CandidateTask):
        return candidate(task, network, images)
    assert isinstance(task, SynthesisTask)
    return synthesis(task, network)


@cache
def code_digest(kind: str) -> str:
    """Return a digest of the source files that decide the result of a task of ``kind``."""
    if kind == SynthesisTask.kind:
        return generator_digest()[:16]
    return sources_digest("cli", "hw", "quantize", "sim")[:16]


@lru_cache(maxsize=16)
def _network(content: bytes) -> Network:
    return parse(content)


@lru_cache(maxsize=2)
def _images(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


@lru_cache(maxsize=16)
def _values(content: bytes, images: bytes) -> dict[str, np.ndarray]:
    return layer_inputs(_network(content), _images(images))[1]


def candidate(task: CandidateTask, content: bytes, images: bytes) -> Candidate | Refused:
    """Return plan and figures of the task's parameters, or why there is no such circuit.

    Latency and interval are exact cycles, mean over the images, at the ``clock_mhz`` of the parameters; resources are
    the estimate with the host link; energy see :mod:`s2nn_hw.explore.energy`. Accuracy is the variant's and not worked
    out here.
    """
    network, choice = _network(content), Choice(task.parameters)
    try:
        plan = _plan(task, content, images)
        design = Design(network, plan)
        values = _values(content, images)
        ones = design.timing.ones(values)
        alone = design.timing.schedule(ones)
        queued = design.timing.schedule(ones, length=len(ones[0]))
    except (UserError, ProofError) as reason:  # ProofError: words that can't all pass a join
        return Refused(" ".join(str(reason).split()))
    clock = choice.clock_mhz
    guess = estimate(design, task.board.family, link=True)
    latency, interval = float(alone.cycles.mean()), float(np.diff(queued.offered, axis=1).mean())
    figures = {
        "latency_cycles": round(latency, 3),
        "interval_cycles": round(interval, 3),
        "latency_us": round(latency / clock, 4),
        "frames_per_second": round(clock * 1e6 / interval, 1),
        "luts": guess.luts,
        "ffs": guess.ffs,
        "brams": guess.brams,
        "energy_nj": frame_energy(design, ones, values),
    }
    return Candidate(plan.to_json(), figures)


def _plan(task: CandidateTask, content: bytes, images: bytes) -> Plan:
    choice, network, board = Choice(task.parameters), _network(content), task.board
    if choice.plan == "default":
        return default_plan(network, board.family)
    if choice.plan == "layers":
        return layers_plan(network, choice, board.family)
    planner, fast, slow = _planner(content, images, board.family, tuple(sorted(board.budget.items())))
    interval = max(slow * (fast / slow) ** (choice.pace / PACES), ROOM * fast)
    found = make_plan(planner, interval)
    if found is None:
        raise OutOfReach(f"no plan with {interval:,.0f} cycles a frame fits the budget")
    return found.plan


@lru_cache(maxsize=8)
def _planner(
    content: bytes, images: bytes, family: str, budget: tuple[tuple[str, float], ...]
) -> tuple[Planner, float, float]:
    """Return ``(planner, fastest interval, slowest)`` of the network in ``content``, in cycles a frame."""
    from s2nn_hw.plan.for_board import typical

    network = _network(content)
    planner = Planner(network, family, dict(budget), typical(network, _images(images)))
    fast, slow = span(planner)
    return planner, fast, slow


def synthesis(task: SynthesisTask, content: bytes) -> Synthesised | Failed:
    """Return the counts of the task's plan by resource, or why there are none."""
    from s2nn_hw.hw.flow.synthesis import synthesise_for_link

    board, network = task.board, _network(content)
    try:
        plan = parse_plan(task.plan, network, "candidate")
        with tempfile.TemporaryDirectory(prefix="s2nn-explore-") as folder:
            usage = synthesise_for_link(
                network, plan, board.family, folder, clock_hz=round(task.clock_mhz * 1e6), baud=board.baud
            )
    except UserError as reason:
        return Failed(" ".join(str(reason).split()))
    return Synthesised(usage.counts(), usage.source, usage.detail)
