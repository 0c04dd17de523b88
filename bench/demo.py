"""``make demo`` on a machine with nothing of ours: a fresh clone and an empty home, cold and then warm.

What counts as cold: no virtual environment, no package, wheel or Maven cache, no built server; the packages of the
operating system (Python, Java, Maven, Orthanc) are there already. All of it is removed at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Time the first and the second run."""
    with tempfile.TemporaryDirectory(prefix="multimodal-demo-") as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = os.environ | {"HOME": str(home), "MAVEN_OPTS": f"-Duser.home={home}"}
        environment.pop("VIRTUAL_ENV", None)
        try:
            for label in ("cold", "warm"):
                started = time.monotonic()
                done = subprocess.run(
                    ["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False
                )
                seconds = time.monotonic() - started
                if done.returncode:
                    print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
                    return done.returncode
                print(f"make demo, {label}: {seconds:.0f} s", flush=True)
            print(done.stdout[-2000:])
        finally:
            subprocess.run(["make", "down"], cwd=clone, env=environment, check=False, capture_output=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
