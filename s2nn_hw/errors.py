"""The exceptions that all stages share: what a user can mend, and a proof that failed."""


class UserError(Exception):
    """Bad input: the message is one line that says what was wanted, what came and what to do.

    The command line prints it after ``error:`` and exits with status 2.
    """


class ProofError(Exception):
    """A comparison with the golden model failed, or could not be finished; the command line exits with status 1."""
