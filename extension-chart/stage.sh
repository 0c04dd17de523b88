#!/usr/bin/env bash
# Fills the build context of each image (its git-ignored folder stage/) from this repository: Kaapana builds an
# image with its Dockerfile's folder as context, so what the image needs must lie in it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
python=${PYTHON_OF_ENV:-.venv/bin/python}
package=processing-containers/multimodal/stage
radiomics=processing-containers/multimodal-radiomics/stage
installer=extension-chart/installer/stage

rm -rf "$package" "$radiomics" "$installer"
mkdir -p "$package/wheel" "$package/mappings" "$radiomics" "$installer/dags"

"$uv" build --quiet --wheel --python "$python" --out-dir "$package/wheel" .
rm -f "$package/wheel/.gitignore"

# The same versions and hashes as in requirements.lock, of what the image needs only.
compile() {
    "$uv" pip compile pyproject.toml "$@" --quiet --constraint requirements.lock --python-version 3.11 \
        --python-platform linux --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header
}
compile --extra idc >"$package/requirements.txt"
compile --extra idc --extra radiomics >"$radiomics/all.txt"
# What the base image has already is left out: pip would else compile or fetch it anew.
"$python" - "$package/requirements.txt" "$radiomics/all.txt" >"$radiomics/requirements.txt" <<'PYTHON'
import re
import sys
from pathlib import Path

base, everything = (re.split(r"\n(?=\S)", Path(name).read_text().strip()) for name in sys.argv[1:])
print("\n".join(block for block in everything if block not in set(base)))
PYTHON
rm "$radiomics/all.txt"

if [ -d mappings ]; then cp -r mappings/. "$package/mappings/"; fi
cp dags/*.py "$installer/dags/"
cp -r operators/multimodal_operators "$installer/dags/"
if [ -d mappings ]; then cp -r mappings "$installer/dags/multimodal_operators/mappings"; fi
# Mapping tests stay at home; compiled files belong to this machine.
rm -rf "$package/mappings/tests" "$installer/dags/multimodal_operators/mappings/tests"
find "$package" "$installer" -name __pycache__ -prune -exec rm -rf {} +
echo "staged: $package, $radiomics, $installer"
