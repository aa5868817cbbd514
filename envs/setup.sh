#!/bin/sh
# Create .venv from the locks: find a Python, install uv into .venv, install exactly the versions of the locks, and install the
# library in editable mode.
# usage: envs/setup.sh [find | cuda12]     `find` prints the Python to use and stops. `cuda12` adds JAX for GPUs.
set -eu
cd "$(dirname "$0")/.."

# Accept a candidate only if it runs. Version managers leave shims that fail or that start another version.
works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 13)))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3 \
        /usr/bin/python3.1[23] /usr/local/bin/python3.1[23] /opt/*/bin/python3.1[23]; do
        if works "$candidate"; then
            "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))' # not the one of .venv
            return
        fi
    done
    echo "Posterity needs Python 3.12 or 3.13 with its venv module, and found none that runs. Install one, or name it: make env PYTHON=/path/to/python3.13" >&2
    return 1
}

# Install the packages of the locks given, and nothing else. Download no Python, check every hash, and compile bytecode now, not at
# the first start.
sync() {
    export UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV="$PWD/.venv"
    unset PYTHONDONTWRITEBYTECODE
    .venv/bin/uv pip sync --quiet --require-hashes --build-constraints envs/build.lock --compile-bytecode "$@"
    install_library
}

# Install the library in editable mode, so that every Python program of .venv can import it. The build needs setuptools, at the
# version of envs/build.lock. It is installed into a temporary folder, because .venv does not need it and because it slows down each
# start of Python.
install_library() {
    build=$(mktemp -d)
    .venv/bin/uv pip install --quiet --require-hashes --target "$build" --requirement envs/build.lock
    PYTHONPATH="$build" .venv/bin/uv pip install --quiet --offline --no-deps --no-build-isolation --editable .
    rm -rf "$build"
}

if [ "${1:-}" = cuda12 ]; then
    sync envs/posterity.lock envs/cuda12.lock
    exit
fi
python=$(find_python)
[ "${1:-}" = find ] && { echo "$python"; exit; }

rm -rf .venv
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement envs/uv.lock
sync envs/posterity.lock
.venv/bin/python -m compileall -q workflow/lib workflow/scripts
touch .venv/ready
