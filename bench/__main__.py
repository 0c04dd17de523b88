"""Run every benchmark, one process each, so that none warms up or burdens the next."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "import_rows",
    "read_xlsx",
    "suggest",
    "load_fhir",
    "feature_layouts",
    "workbook",
    "pull_series",
    "pull_cases",
    "idc_index",
    "radiomics_rois",
    "radiomics_processes",
    "report_rois",
    "ibsi_region",
    "filtered_region",
    "demo",
)


def main() -> int:
    """Run them in order; the exit code is that of the last one that failed."""
    code = 0
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        code = subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main())
