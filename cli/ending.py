"""How a command ends: what a user can mend becomes one ``error:`` line and status 2, a failed proof status 1."""

import os
import sys
from typing import Any

import typer

from s2nn_hw.errors import ProofError, UserError, one_line
from s2nn_hw.extras import told

INTERRUPTED = 130  # what typer makes of Ctrl-C
BROKEN_PIPE = 141  # what a shell makes of a writer whose reader has gone
BAD_WORDS: Any = typer.BadParameter.__base__  # UsageError: unknown commands and options, missing ones, bad values


def fail(message: object) -> int:
    """Print one ``error:`` line and return the exit status for bad input."""
    typer.echo(f"error: {one_line(message)}", err=True)
    return 2


def status_of(app: typer.Typer) -> int:
    """Run the typer application ``app`` with the words of the command line; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # there may be names that the terminal's encoding does not have
            stream.reconfigure(errors="backslashreplace")
    try:
        with told():
            status = app(prog_name="s2nn-hw", standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except typer.Exit as stop:
        status = stop.exit_code
    except UserError as error:
        status = fail(error)
    except ProofError as error:
        typer.echo(f"error: {error}", err=True)
        status = 1
    except (KeyboardInterrupt, typer.Abort):
        status = fail("interrupted; nothing half-written was left")
    except BrokenPipeError:
        # `| head` has what it wanted; what is still in the buffer must not fail once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = BROKEN_PIPE
    except OSError as error:
        status = fail(f"{error.filename or 'output'} can't be read or written: {error.strerror or error}")
    except MemoryError:
        status = fail("there is not enough memory for this")
    except BAD_WORDS as error:
        # without any words the help has been printed, and there is nothing to add
        status = fail(error.format_message()) if error.format_message() else 2
    return status or 0
