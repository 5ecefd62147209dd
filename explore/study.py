"""The search: an Optuna study in an SQLite database, asked and told in batches, so that it can be left and resumed.

A batch is a generation of NSGA-II. All of it is asked before anything is worked out, with a sampler seeded by the
trial's number, and all of it is told in the order of the numbers: the trials are the same whatever the workers, and
whether or not the search was interrupted. What a worker has found is written to a file at once, named by the task's
digest; a trial asked before an interruption is worked out (or found there) and told when the search goes on.
"""

import contextlib
import hashlib
import json
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.explore.objectives import FIGURES, excess
from s2nn_hw.explore.rows import Told
from s2nn_hw.explore.settings import Settings
from s2nn_hw.explore.space import Space
from s2nn_hw.explore.tasks import Result, Task, read_result
from s2nn_hw.files import write_json

STUDY = "s2nn-exploration"
VERSION = 1
SEED_STEP = 1_000_003


class Study:
    """The exploration of ``space`` in database ``path``; ``settings``: all that decides the trials.

    :class:`UserError` if the file is no such database, or one of other settings.
    """

    def __init__(self, path: Path, settings: Settings, space: Space) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.path, self.settings, self.space = optuna, path, settings, space
        self.objectives = settings.objectives
        names = _study_names(self.path)
        if names and STUDY not in names:
            raise UserError(f"database {path} is of another study ({names[0]}); choose another folder with -o")
        storage = _storage(self.path)
        if names:
            self.study = _checked(self.path, lambda: optuna.load_study(study_name=STUDY, storage=storage))
        else:
            self.study = optuna.create_study(
                study_name=STUDY, storage=storage, directions=[FIGURES[name].direction for name in self.objectives]
            )
        asked = self.study.get_trials(deepcopy=False)
        if not asked and not self.study.user_attrs:
            self.study.set_user_attr("settings", settings.to_json())
        self._check()
        if len(asked) < len(space.starts()):
            for values in space.starts():
                self.study.enqueue_trial(values, skip_if_exists=True)

    def _check(self) -> None:
        wanted, before = self.settings.to_json(), self.study.user_attrs.get("settings")
        if not isinstance(before, dict) or before.get("version") != VERSION:
            raise UserError(
                f"database {self.path} holds no exploration of version {VERSION}; --fresh starts over, "
                "-o chooses another folder"
            )
        if before != wanted:
            names = [key for key in wanted if before.get(key) != wanted[key]]
            names += sorted(set(before) - set(wanted))
            raise UserError(
                f"{self.path.parent} holds an exploration with other settings, differing in "
                f"{' and '.join(map(repr, names))}; --fresh starts over, -o chooses another folder"
            )

    def trials(self) -> list[Any]:
        """Return all trials that were told, in order: Optuna's frozen trials."""
        state = self.optuna.trial.TrialState
        return self.study.get_trials(deepcopy=False, states=(state.COMPLETE, state.FAIL))

    def batch(self, size: int) -> list[Any]:
        """Return the trials to work out next, at most ``size`` and at least those asked before; see the module."""
        state = self.optuna.trial.TrialState
        left = [
            self.optuna.Trial(self.study, t._trial_id)
            for t in self.study.get_trials(deepcopy=False, states=(state.RUNNING,))
        ]
        whole = [trial for trial in left if set(trial.params) == set(self._distributions())]
        for trial in left:
            if trial not in whole:  # interrupted while it was asked
                self.refuse(trial, "interrupted before its values were chosen")
        while len(whole) < size:
            asked = sum(t.state != state.WAITING for t in self.study.get_trials(deepcopy=False))
            self.study.sampler = self.optuna.samplers.NSGAIISampler(
                population_size=self.settings.population, seed=(self.settings.seed * SEED_STEP + asked) % 2**32
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a value that was chosen for us and is not in the space any more
                whole.append(self.study.ask(self._distributions()))
        return whole

    def _distributions(self) -> dict[str, Any]:
        kinds = self.optuna.distributions
        return {
            name: kinds.IntDistribution(values[0], values[-1])
            if isinstance(values, range)
            else kinds.CategoricalDistribution(values)
            for name, values in self.space.parameters().items()
        }

    def refuse(self, trial: Any, reason: str) -> None:
        """Tell that ``trial`` stands for no circuit, and why."""
        trial.set_user_attr("refused", reason)
        self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)

    def tell(self, trial: Any, told: Told) -> None:
        """Tell what ``trial`` came to; a limit that is exceeded makes it worse than any that keeps it."""
        for name, value in told.to_json().items():
            trial.set_user_attr(name, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # told half before an interruption: what is there stays, and is the same
            for name, share in excess(told.figures, self.settings.budget).items():
                trial.set_constraint(name, share)
        self.study.tell(trial, [told.figures[name] for name in self.objectives])


def _study_names(path: Path) -> Sequence[str]:
    """Return the names of the studies in database ``path``, which is only read: Optuna would add its tables to it."""
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return [name for (name,) in connection.execute("SELECT study_name FROM studies")]
        except sqlite3.DatabaseError as error:
            raise UserError(_unusable(path, error)) from None


def _unusable(path: Path, error: Exception) -> str:
    reason = " ".join(str(getattr(error, "orig", None) or error).split())[:160]
    return f"database {path} can't be used ({reason}); --fresh starts over, -o chooses another folder"


def _storage(path: Path) -> Any:
    import optuna
    from sqlalchemy import event

    storage = _checked(path, lambda: optuna.storages.RDBStorage(f"sqlite:///{path}"))
    # each value of each trial is a transaction; without waiting for the disk they take a third of the time, and
    # results are in files of their own besides
    event.listen(storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    storage.engine.dispose()
    return storage


def _checked(path: Path, action: Callable[[], Any]) -> Any:
    """Return ``action()``; what Optuna and SQLAlchemy say of a database that they can't use is a :class:`UserError`."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return action()
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(_unusable(path, error)) from None


@dataclass(frozen=True)
class KeptResult:
    """A file of :class:`Kept`: a task and its result, both as JSON."""

    task: dict[str, Any]
    result: dict[str, Any]


class Kept:
    """Results of tasks in ``folder``, a file each, named by the digest of the task."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, task: Task) -> Path:
        """Return the file for ``task``, whether or not it is there."""
        text = json.dumps(task.to_json(), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def find(self, task: Task) -> Result | None:
        """Return the result of ``task``, None if it is not known yet."""
        try:
            kept = KeptResult(**json.loads(self.path(task).read_text(encoding="utf-8")))
            return read_result(kept.result) if kept.task == task.to_json() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, task: Task, result: Result) -> None:
        """Write the ``result`` of ``task`` into its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path(task), asdict(KeptResult(task.to_json(), result.to_json())))
