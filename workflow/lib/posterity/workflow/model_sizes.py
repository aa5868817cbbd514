"""
Look at studies as a run would, before anything is computed: read their data, bind their models.

`python -m posterity.workflow.model_sizes <study> ...` prints how many numbers each model has (see posterity.workflow.resources), a line of JSON for each study.
"""

import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path

import xarray as xr

from posterity.config.study import find_simulation_model
from posterity.data.load import load_data
from posterity.errors import UserError
from posterity.notebook import load_settings
from posterity.runtime.device import configure_jax
from posterity.workflow.resources import ModelSize


def load_study_data(name: str, study: dict) -> tuple[xr.Dataset, str]:
    """Read or simulate the data of a study, without writing them. Returns them, and what they are called. Raises UserError."""
    spec = study["data"]
    model = find_simulation_model(spec["simulate"]["model"], study) if "simulate" in spec else None
    data, _, source = load_data(name, spec, model, study["float_type"])
    return data, source


def bind_models(study: dict, data: xr.Dataset) -> dict:
    """Bind the models of a study to its data. Returns, by id, the `model.Model`, or the UserError that says why it does not."""
    configure_jax(1, study["float_type"])
    from posterity.model.bind import bind_model

    found = {}
    for id, spec in study["models"].items():
        before = set(sys.modules)
        try:
            found[id] = bind_model(id, spec, data)
        except UserError as error:
            found[id] = error
        beside = Path(spec["file"]).resolve().parent
        for name in (
            set(sys.modules) - before
        ):  # another model may have another file of the same name beside it
            if Path(getattr(sys.modules[name], "__file__", None) or "/").resolve().parent == beside:
                del sys.modules[name]
    return found


def count_model_sizes(name: str) -> dict[str, ModelSize]:
    """Count the numbers of a study's models, by id; those that do not bind are left out. Raises UserError."""
    study = load_settings(name)
    data, _ = load_study_data(name, study)
    found = {}
    for id, model in bind_models(study, data).items():
        if not isinstance(model, UserError):
            count = {
                role: sum(math.prod(model.sites[site].shape) for site in model.site_names(role))
                for role in ("latent", "observed")
            }
            kept = [
                math.prod(site.shape) for site in model.sites.values() if site.role != "observed"
            ]
            numbers = sum(variable.size for variable in data.values())
            found[id] = ModelSize(
                numbers, count["observed"], count["latent"], sum(kept), max(kept, default=0)
            )
    return found


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a model may print
    for study in sys.argv[1:]:
        try:
            counted = {id: asdict(size) for id, size in count_model_sizes(study).items()}
        except BaseException as error:
            print(f"{study}: {error}", file=sys.stderr)
        else:
            print(json.dumps({study: counted}), file=answers, flush=True)
