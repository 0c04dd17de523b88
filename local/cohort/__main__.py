"""Write the cohort: ``python -m local.cohort FOLDER``."""

import sys
from pathlib import Path

from local.cohort import generate

if len(sys.argv) != 2:
    sys.exit(f"usage: python -m local.cohort FOLDER\n\n{__doc__}")
generate(Path(sys.argv[1]))
