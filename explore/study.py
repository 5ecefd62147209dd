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

from s2nn_hw.errors import UserError, one_line
from s2nn_hw.explore.objectives import CIRCUIT, FIGURES, excess
from s2nn_hw.explore.rows import Told
from s2nn_hw.explore.settings import Settings
from s2nn_hw.explore.space import Space
from s2nn_hw.explore.tasks import Result, Task, read_result
from s2nn_hw.files import write_json
from s2nn_hw.records import convert
from s2nn_hw.texts import read_json

STUDY = "s2nn-exploration"
VERSION = 1
SEED_STEP = 1_000_003
LIMIT = 1 << 24  # bytes of a kept result
# what Optuna ends in, besides its own errors, where rows of its database are damaged
UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


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
        asked = self._trials(None)
        if not asked and not _checked(self.path, lambda: self.study.user_attrs):
            self.study.set_user_attr("settings", settings.to_json())
        self._check()
        if len(asked) < len(space.starts()):
            for values in space.starts():
                self.study.enqueue_trial(values, skip_if_exists=True)

    def _check(self) -> None:
        wanted, before = self.settings.to_json(), _checked(self.path, lambda: self.study.user_attrs.get("settings"))
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
        return self._trials((state.COMPLETE, state.FAIL))

    def told(self) -> list[tuple[Any, Told | None]]:
        """Return :meth:`trials`, each with what was told of it, None of one that was refused.

        :class:`UserError` if the database holds what no exploration has told.
        """
        return [(trial, self._told(trial)) for trial in self.trials()]

    def _told(self, trial: Any) -> Told | None:
        known, notes, where = self.space.parameters(), trial.user_attrs, f"trial {trial.number}"
        complete = trial.state == self.optuna.trial.TrialState.COMPLETE
        try:
            wrong = [name for name, value in trial.params.items() if value not in known.get(name, ())]
            if wrong or (complete and set(trial.params) != set(known)):
                raise UserError(f"{where}: parameters are not those of the space")
            if not complete:
                if not isinstance(notes.get("refused", ""), str):
                    raise UserError(f"{where}: field refused must be text")
                return None
            told, choice = Told.of(notes, where), self.space.complete(trial.params)
            if told.variant.file != f"i{choice.input_bits}w{choice.weight_bits}.s2nn":
                raise UserError(f"{where}: field variant.file is of other bits")
            needed = {*CIRCUIT, *self.objectives, *self.settings.budget}
            if not needed <= set(told.figures) <= set(FIGURES):
                raise UserError(f"{where}: field figures must have {', '.join(sorted(needed))}")
            if told.figures.get("accuracy", 0) > 1:
                raise UserError(f"{where}: field figures.accuracy must be a share")
            if list(trial.values) != [told.figures[name] for name in self.objectives]:
                raise UserError(f"{where}: values are not its figures")
        except UserError as error:
            raise unusable(self.path, error) from None
        return told

    def _trials(self, states: tuple[Any, ...] | None) -> list[Any]:
        return _checked(self.path, lambda: self.study.get_trials(deepcopy=False, states=states))

    def batch(self, size: int) -> list[Any]:
        """Return the trials to work out next, at most ``size`` and at least those asked before; see the module."""
        state = self.optuna.trial.TrialState
        left = [self.optuna.Trial(self.study, t._trial_id) for t in self._trials((state.RUNNING,))]
        whole = [trial for trial in left if set(trial.params) == set(self._distributions())]
        for trial in left:
            if trial not in whole:  # interrupted while it was asked
                self.refuse(trial, "interrupted before its values were chosen")
        while len(whole) < size:
            asked = sum(t.state != state.WAITING for t in self._trials(None))
            self.study.sampler = self.optuna.samplers.NSGAIISampler(
                population_size=self.settings.population, seed=(self.settings.seed * SEED_STEP + asked) % 2**32
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a value that was chosen for us and is not in the space any more
                whole.append(_checked(self.path, lambda: self.study.ask(self._distributions())))
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
    if not path.is_file():
        raise unusable(path, "it is no file")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return [str(name) for (name,) in connection.execute("SELECT study_name FROM studies")]
    except sqlite3.Error as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: object) -> UserError:
    """Return what is said of database ``path``, which ``error`` keeps from being used."""
    reason = one_line(getattr(error, "orig", None) or error)[:160]
    return UserError(f"database {path} can't be used ({reason}); --fresh starts over, -o chooses another folder")


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
    except (*UNREADABLE, SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise unusable(path, error) from None


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True)


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
        return self.folder / f"{hashlib.sha256(_text(task.to_json()).encode()).hexdigest()[:24]}.json"

    def find(self, task: Task) -> Result | None:
        """Return the result of ``task``, None if it is not known yet or its file is damaged."""
        path = self.path(task)
        try:
            kept = convert(read_json(path, what="result", limit=LIMIT), KeptResult, f"result {path}")
            if _text(kept.task) != _text(task.to_json()):  # true and 1 are two things
                return None
            return read_result(kept.result, type(task), f"result {path}")
        except UserError:
            return None

    def keep(self, task: Task, result: Result) -> None:
        """Write the ``result`` of ``task`` into its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path(task), asdict(KeptResult(task.to_json(), result.to_json())))
