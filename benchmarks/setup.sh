#!/bin/sh
# Set up the environment of the others that Posterity is measured against, in benchmarks/.venv, after `make env`.
set -eu
cd "$(dirname "$0")"
unset PYTHONDONTWRITEBYTECODE
../.venv/bin/uv venv --quiet --clear --python "$(readlink -f ../.venv/bin/python)" .venv
../.venv/bin/uv pip install --quiet --compile-bytecode --require-hashes --python .venv/bin/python -r peers.lock
