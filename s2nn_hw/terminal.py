"""What commands print with: nothing that a file holds is taken for markup or reaches the terminal as a control code."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from s2nn_hw.errors import readable

WIDTH = 120  # of tables where standard output is no terminal


class Terminal(Console):
    """A rich console without markup, emoji names and highlighting; texts of files are made :func:`readable`.

    All strings pass through here: lines, cells, heads and titles of tables.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return ``text``, made :func:`readable`, as rich has it."""
        return super().render_str(readable(text), **options)


def terminal(*, tables: bool = False, **options: Any) -> Terminal:
    """Return a :class:`Terminal` that breaks no line; ``tables``: one that is :data:`WIDTH` wide in a pipe."""
    width = WIDTH if tables and not sys.stdout.isatty() else None
    return Terminal(soft_wrap=True, width=width, **options)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show ``text`` and the time so far on standard error, if that is a terminal, while the block runs."""
    console = Terminal(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bar.add_task(readable(text))
        yield


def next_step(*words: object) -> None:
    """Print the command that comes next, ``s2nn-hw`` and ``words`` (texts and paths), as a shell takes it."""
    terminal().print("next: " + shlex.join(["s2nn-hw", *map(str, words)]))
