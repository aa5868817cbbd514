#!/bin/sh
# Install the packages that the benchmarks compare Posterity with into benchmarks/.venv. Run `make env` first.
set -eu
cd "$(dirname "$0")"
unset PYTHONDONTWRITEBYTECODE
../.venv/bin/uv venv --quiet --clear --python "$(readlink -f ../.venv/bin/python)" .venv
../.venv/bin/uv pip install --quiet --compile-bytecode --require-hashes --python .venv/bin/python -r peers.lock
