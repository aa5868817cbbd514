#!/usr/bin/env python3
"""Submit a job script of Snakemake with sbatch by the properties in its head. Print the job id."""

import json
import os
import re
import shlex
import subprocess
import sys

with open(sys.argv[-1]) as script:
    job = json.loads(re.search(r"^# properties = (.*)$", script.read(), re.MULTILINE)[1])
resources = job["resources"]
group = job["type"] == "group"
kind = f"group_{job['groupid']}" if group else f"rule_{job['rule']}"
place = "_".join(job.get("wildcards", {}).values()) or "all"
logs = os.path.join("results/logs/slurm", kind, place)
os.makedirs(logs, exist_ok=True)

command = [
    "sbatch",
    "--parsable",
    f"--job-name={kind}:{place}",
    f"--output={logs}/%j.log",
    "--ntasks=1",
]
command += [
    f"--cpus-per-task={job['threads']}",
    f"--mem={resources['mem_mb']}M",
    f"--time={resources['runtime']}",
]
for option, name in {
    "partition": "slurm_partition",
    "account": "slurm_account",
    "gpus": "gpu",
}.items():
    if resources.get(name):
        command.append(f"--{option}={resources[name]}")
command += [*shlex.split(resources.get("slurm_extra", "")), sys.argv[-1]]
done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
print(done.stdout.split(";")[0].strip())
sys.exit(done.returncode)  # sbatch has reported the error
