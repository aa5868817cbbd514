# make run     set up, run the default studies on all cores, write results/report.html, print the verdicts
# make test    set up, run the tests            make lint    lint and format
# make env     set up only: .venv from the hash-pinned lock in envs/      (make env GPU=cuda12 adds JAX for GPUs)
# One study alone: make run STUDIES=mine        (several: STUDIES="line hogg")
# Its models and data looked at, in seconds, before anything is computed: make check STUDY=mine
# After a kill -9 of Snakemake, before the next run: make unlock
# What a run would ask a cluster for, by stage: make plan          (PROFILE=slurm for the other profile; STUDIES as above)

STUDIES ?=
STUDY ?= $(STUDIES)
PROFILE ?= slurm-generic
config = $(if $(strip $(STUDIES)),--config studies="$(STUDIES)")
studies = $(or $(strip $(STUDIES)),all)
# whether the report that is there is of these studies, and nothing that it shows is newer; to write one takes seconds
current = echo '$(studies)' | cmp -s - results/logs/report.studies && test -z "$$(find Snakefile config workflow results -type f \
	-newer results/report.html -not -path 'results/logs/*' -not -name '*.pyc' 2>&1 | head -n 1)"
unexport PYTHONDONTWRITEBYTECODE
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run plan check test coverage lint types layers env lock unlock

run: .venv/ready
	@snakemake --cores all --quiet host reason $(config)
	@python workflow/scripts/verdicts.py results/verdicts.csv
	@$(current) || { snakemake --cores 1 $(config) --quiet all --report results/report.html 2> results/logs/report.log \
		&& echo '$(studies)' > results/logs/report.studies || { cat results/logs/report.log; exit 1; }; }
	@echo "The report: results/report.html"

test: .venv/ready
	@python -m pytest $(PYTEST)

coverage: .venv/ready
	@python -m pytest --cov --cov-report=term-missing:skip-covered --cov-report=html $(PYTEST)

plan: .venv/ready
	@PYTHONPATH=workflow/lib python -m posterity.plan --workflow-profile workflow/profiles/$(PROFILE) $(config)

unlock: .venv/ready
	@snakemake --unlock $(config)

check: .venv/ready
	@PYTHONPATH=workflow/lib python -m posterity $(STUDY)

lint: .venv/ready
	@ruff check .
	@ruff format --check .
	@snakefmt --check Snakefile workflow
	@codespell
	@snakemake --lint

# `types` and `layers` join `lint` once they pass.
types: .venv/ready
	@mypy

layers: .venv/ready
	@lint-imports

env: .venv/ready
	@$(if $(GPU),envs/setup.sh $(GPU))
.venv/ready: envs/posterity.lock envs/build.lock envs/uv.lock envs/setup.sh
	@envs/setup.sh

lock: .venv/ready
	@envs/lock.sh
