"""The one exception for what a user can mend, and the refusals that every stage shares."""


class UserError(Exception):
    """Bad input: the message is one line that says what was wanted, what came and what to do.

    The command line prints it after ``error:`` and exits with status 2.
    """
