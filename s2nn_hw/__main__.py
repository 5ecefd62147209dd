"""The ``s2nn-hw`` command, also ``python -m s2nn_hw``."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while its modules are read ends as it does later."""
    try:
        from s2nn_hw.cli.main import main as run
    except KeyboardInterrupt:
        print("error: interrupted; nothing had begun", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
