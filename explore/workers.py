"""Where tasks run: in this process, in local processes, on a Ray cluster. Results come as they are ready, each once.

A worker that is lost, or a node with all its workers, costs time: its jobs run again
elsewhere.
"""

import contextlib
import io
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from s2nn_hw.errors import UserError
from s2nn_hw.extras import install

IDLE_SECONDS = 0.5
RETRIES = 3  # of a job whose worker was lost
CONNECT_SECONDS, RAY_SECONDS = 5, 30  # for a host to answer, for a cluster behind it


class Job(NamedTuple):
    """A ``function`` that can be imported, its ``task``, and the ``files`` whose bytes are its further arguments."""

    function: Callable[..., Any]
    task: Any
    files: Sequence[Path]


class Workers(Protocol):
    """Where jobs run, while its block is entered; ``title`` says where."""

    title: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Any]]:
        """Yield ``(number of the job, its result)`` of each of ``jobs``, in any order; errors of a job are raised."""


def usable_cores() -> int:
    """Return the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HereWorkers:
    """One job after the other in this process."""

    title = "this process"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Any]]:
        """See :class:`Workers`."""
        for number, (function, task, files) in enumerate(jobs):
            yield number, _local(function, task, files)


class LocalWorkers:
    """``count`` processes of this machine; :meth:`run` as of :class:`Workers`. Leaving the block ends them."""

    def __init__(self, count: int) -> None:
        self.count, self.title = count, f"{count} local processes"
        self.before: set[multiprocessing.process.BaseProcess] = set()

    def __enter__(self) -> Self:
        self.before = set(multiprocessing.active_children())
        self.pool = ProcessPoolExecutor(self.count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.pool.shutdown(wait=kind is None, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - self.before:
            child.join(IDLE_SECONDS)  # one that has nothing to do ends by itself
            if child.is_alive():
                child.terminate()
                child.join()

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Any]]:
        """See :class:`Workers`."""
        waiting, losses = dict(enumerate(jobs)), 0
        while waiting:
            try:
                futures = {self.pool.submit(_local, *job): number for number, job in waiting.items()}
                while futures:
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        number = futures.pop(future)
                        result = future.result()
                        del waiting[number]
                        yield number, result
            except BrokenProcessPool:
                losses += 1
                if losses > RETRIES:
                    raise UserError(
                        "local workers end again and again, perhaps for lack of memory; take fewer with --jobs"
                    ) from None
                self.__exit__(BrokenProcessPool)
                self.__enter__()


def _local(function: Callable[..., Any], task: Any, files: Sequence[Path]) -> Any:
    return function(task, *map(_content, files))


def _begin() -> None:
    """Set a local worker up: Ctrl-C is the parent's affair, being ended ends tools that run, one core is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # read when numpy, torch and numba are, later


@lru_cache(maxsize=64)
def _content(path: Path) -> bytes:
    return Path(path).read_bytes()


class RayWorkers:
    """The workers of the Ray cluster at ``address`` (``auto`` or ``host:port``); ``run`` as of :class:`Workers`.

    :class:`UserError` if Ray is not installed here, if nothing answers within :data:`RAY_SECONDS`, or if jobs are lost
    more than :data:`RETRIES` times. Files reach the workers through Ray.
    """

    def __init__(self, address: str) -> None:
        self.address, self.title = address, f"Ray at {address}"
        self.ray: Any = None  # the module, while the block is entered
        self.task: Any = None
        self.held: dict[Path, Any] = {}  # what Ray has of each file
        self.quiet = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            import ray
        except ImportError:
            raise UserError(f"--ray needs Ray; {install('ray')}") from None
        if self.address != "auto" and not _is_address(self.address):
            raise UserError(f"--ray must be auto or host:port, not {self.address!r}")
        _probe(self.address)
        # a thread of Ray prints what becomes of nodes, logs and all, to whatever is standard output at that time
        self.quiet.enter_context(contextlib.redirect_stdout(_Nowhere()))
        try:
            ray.init(**_ray_options(self.address))
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            self.quiet.close()
            raise UserError(f"Ray at {self.address} can't be used: {str(error).splitlines()[0]}") from None
        self.ray, self.task = ray, ray.remote(num_cpus=1, max_retries=RETRIES)(_remote)
        return self

    def __exit__(self, *_: object) -> None:
        self.held = {}
        self.ray.shutdown()
        self.quiet.close()

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Any]]:
        """See :class:`Workers`."""
        ray, waiting = self.ray, dict(enumerate(jobs))
        losses: dict[int, int] = {}
        pending: dict[Any, int] = {}
        for number, job in waiting.items():
            pending[self._submit(job)] = number
        while pending:
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            number = pending.pop(ready)
            try:
                result = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            except ray.exceptions.RayError as error:
                losses[number] = losses.get(number, 0) + 1
                if losses[number] > RETRIES:
                    raise UserError(
                        f"Ray at {self.address} lost a task again and again "
                        f"({type(error).__name__}); what is done is kept"
                    ) from None
                pending[self._submit(waiting[number])] = number
                continue
            yield number, result

    def _submit(self, job: Job) -> Any:
        function, task, files = job
        for path in files:
            if path not in self.held:
                self.held[path] = self.ray.put(_content(path))
        return self.task.remote(function, task, *(self.held[path] for path in files))


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _remote(function: Callable[..., Any], task: Any, *contents: bytes) -> Any:
    return function(task, *contents)


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def _ray_options(address: str) -> dict[str, Any]:
    import logging

    return {"address": address, "log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}


def _probe(address: str) -> None:
    """:class:`UserError` unless a cluster answers at ``address``: tried in a process of its own, with a bounded wait.

    A client whose cluster does not answer waits for minutes, and may end its own process.
    """
    advice = "start one with `ray start --head`, or leave --ray out"
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise UserError(f"nothing answers at {address} ({error.strerror or error}); {advice}") from None
    script = (
        f"import ray; from s2nn_hw.explore.workers import _ray_options; ray.init(**_ray_options({address!r})); "
        "print('nodes', len(ray.nodes()))"
    )
    try:
        answer = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=RAY_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"no Ray cluster answers at {address} within {RAY_SECONDS} s; {advice}") from None
    if answer.returncode or "nodes" not in answer.stdout:
        lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UserError(f"no Ray cluster answers at {address} ({lines[-1][:160]}); {advice}")
