#!/bin/sh
# Make .venv from the lock: find a Python, bootstrap uv into .venv, install exactly what the lock names.
# usage: envs/setup.sh [find | cuda12]     `find` prints the Python that would be used, and stops; `cuda12` adds JAX for GPUs.
set -eu
cd "$(dirname "$0")/.."

# A candidate counts only if it runs: version managers leave shims that exist and fail, or fall back to another version.
works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 13)))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3 \
        /usr/bin/python3.1[23] /usr/local/bin/python3.1[23] /opt/*/bin/python3.1[23]; do
        if works "$candidate"; then
            "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))' # never .venv's own
            return
        fi
    done
    echo "Posterity needs Python 3.12 or 3.13 (with its venv module) and found none that runs: install one, or name it: make env PYTHON=/path/to/python3.13" >&2
    return 1
}

# No Python is downloaded, every version and hash comes from the lock, and bytecode is compiled now rather than at each start.
sync() {
    export UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV="$PWD/.venv"
    unset PYTHONDONTWRITEBYTECODE
    .venv/bin/uv pip sync --quiet --require-hashes --build-constraints envs/build.lock --compile-bytecode "$@"
    # A notebook or a script started in this environment finds the library.
    .venv/bin/python -c 'import sysconfig, pathlib; pathlib.Path(sysconfig.get_path("purelib"), "posterity.pth").write_text(str(pathlib.Path("workflow/lib").resolve()))'
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
