"""
Count how many numbers each model of a study has, before a run computes anything.

`python -m posterity.workflow.model_sizes <study> ...` reads data and binds models as a run would.
It prints one line of JSON per study: `{study: {model: size}}`, see
`posterity.workflow.resources.ModelSize`.
"""

import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import xarray as xr

from posterity.config.study import find_simulation_model
from posterity.data.load import load_data
from posterity.errors import UserError
from posterity.notebook import load_settings
from posterity.runtime.device import configure_jax
from posterity.workflow.resources import ModelSize


def load_study_data(name: str, study: dict) -> tuple[xr.Dataset, str]:
    """Read or simulate the data of a study, and return them with the name of their source."""
    spec = study["data"]
    model = find_simulation_model(spec["simulate"]["model"], study) if "simulate" in spec else None
    data, _, source = load_data(name, spec, model, study["float_type"])
    return data, source


def bind_models(study: dict, data: xr.Dataset) -> dict:
    """Bind the models of a study to its data. Return, by id, the bound model or its UserError."""
    configure_jax(1, study["float_type"])
    from posterity.model.bind import bind_model

    models: dict[str, Any] = {}
    for model, spec in study["models"].items():
        loaded = set(sys.modules)
        try:
            models[model] = bind_model(model, spec, data)
        except UserError as error:
            models[model] = error
        _unload_modules(set(sys.modules) - loaded, Path(spec["file"]).resolve().parent)
    return models


def _unload_modules(names: set[str], folder: Path) -> None:
    """Unload the modules of a folder: another model may have other files of these names."""
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).resolve().parent == folder:
            del sys.modules[name]


def count_model_sizes(name: str) -> dict[str, ModelSize]:
    """Return the size of each model of a study that binds to its data, by id."""
    study = load_settings(name)
    data, _ = load_study_data(name, study)
    data_size = sum(variable.size for variable in data.values())
    sizes = {}
    for model, bound in bind_models(study, data).items():
        if not isinstance(bound, UserError):
            stored = [
                math.prod(site.shape) for site in bound.sites.values() if site.role != "observed"
            ]
            sizes[model] = ModelSize(
                data=data_size,
                observed=_count_numbers(bound, "observed"),
                latent=_count_numbers(bound, "latent"),
                stored=sum(stored),
                largest_site=max(stored, default=0),
            )
    return sizes


def _count_numbers(bound, role: str) -> int:
    """Count the numbers at all sites of a role."""
    return sum(math.prod(bound.sites[site].shape) for site in bound.site_names(role))


def main(studies: list[str]) -> None:
    """Print the sizes of studies. Those that raise an error are left out."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # a model may print
        for study in studies:
            try:
                sizes = {model: asdict(size) for model, size in count_model_sizes(study).items()}
            except BaseException as error:
                print(f"{study}: {error}", file=sys.stderr)
            else:
                print(json.dumps({study: sizes}), file=output, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
