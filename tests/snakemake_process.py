"""
Run Snakemake in a process that has imported it already.

The import takes more than half of the time of a dry run, and the tests make dozens of runs. A
server process imports it once, and is forked for each run.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER = """
import json, os, signal, sys
import snakemake.cli
for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(task["folder"])
        os.environ.clear()
        os.environ.update(task["environment"])
        sys.path[0] = task["folder"]
        sys.argv = ["snakemake", *task["arguments"]]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(task["output"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.alarm(task["timeout"])
        snakemake.cli.main(task["arguments"])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, flush=True)
"""


@cache
def _start_server() -> subprocess.Popen:
    """Start the server of this test process; it ends with the test process."""
    removed = ("XLA_FLAGS", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in removed}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads is not safe to fork
    command = [sys.executable, "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def run_snakemake(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str], timeout: int
) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder. Return its exit code, and stdout and stderr as one text."""
    server = _start_server()
    with TemporaryDirectory() as place:
        output = Path(place, "output")
        task = {
            "folder": str(folder),
            "arguments": list(arguments),
            "environment": dict(environment),
            "output": str(output),
            "timeout": timeout,
        }
        server.stdin.write(json.dumps(task) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, output.read_text())
