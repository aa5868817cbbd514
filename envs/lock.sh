#!/bin/sh
# Resolve the *.in files again into uv, build, posterity and cuda12.lock (with hashes, without the address of a registry), and write
# posterity.yaml.
# usage: envs/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")"
export UV_PYTHON_DOWNLOADS=never
for name in uv build posterity; do
    ../.venv/bin/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-annotate \
        --no-header --constraint uv.lock "$@" "$name.in" --output-file "$name.lock"
done
../.venv/bin/uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-annotate \
    --no-header --constraint posterity.lock cuda12.in --output-file cuda12.lock
../.venv/bin/python - <<'PYTHON'
"""Write posterity.yaml: the same pins as posterity.lock, as a conda environment with a pip list."""
import re

pins = re.findall(r"^[\w.-]+==[^\\\n]+", open("posterity.lock").read(), flags=re.M)
with open("posterity.yaml", "w") as file:
    file.write("# Made from posterity.lock by lock.sh. Not run in the project's tests, which use posterity.lock.\n")
    file.write("channels: [conda-forge]\ndependencies:\n  - python=3.13\n  - pip\n  - pip:\n")
    file.writelines(f'      - "{pin.strip()}"\n' for pin in pins)
PYTHON
