"""Stops a stack when the process that started it is gone, however it ended: ``python -m local.guard FOLDER``.

Standard input is a pipe from that process; the system closes it also when the process is killed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.install import LOCAL
from local.stack import Stack


def guard(folder: Path) -> subprocess.Popen[bytes]:
    """Have the stack in `folder` stopped when this process ends; closing the guard's stdin does it at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "local.guard", str(folder)],
        cwd=LOCAL.parent,
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal goes to a whole group: not to this one
    )


if __name__ == "__main__":
    sys.stdin.buffer.read()
    Stack(Path(sys.argv[1])).stop()
