"""What a finished task or command tells its host."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every task and command.

    ``REMOTE`` is the only one a host should retry; 126 is Kaapana's and our "skip" (nothing to do).
    """

    DONE = 0
    DEFECT = 1
    CONFIGURATION = 2
    REFUSED = 3
    REMOTE = 4
    NOTHING = 126
