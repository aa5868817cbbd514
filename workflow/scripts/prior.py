"""
Draw from a model's prior, before any data are looked at.

Reads data.nc and the model. Writes prior.nc with the groups `prior` and `prior_predictive` (dimensions chain, draw),
`observed_data`, `constant_data` and `checks` (prior_predictive: are the draws inside the bounds that the study declares?). The
model's graph, in the DOT language, is the attribute `graph`.
"""

from posterity import artefact, checks, device, predictive_checks
from posterity.job import job


def prior(
    data: str, output: str, study: str, id: str, spec: dict, draws: int, seed: int, bounds: dict, inside: float | dict, precision: str,
    threads: int = 1,
) -> None:  # fmt: skip
    """
    Write `draws` prior and prior predictive draws of the model `id` (its entry in the study: `spec`) to `output`.

    `bounds` are limits by observed variable and `inside` the threshold of the check. Raises UserError for faults of the model.
    """
    device.prepare(threads, precision)
    from posterity import model, prediction, preflight

    tree = artefact.read(data, study=study)
    table = artefact.group(tree, "data")
    bound = model.bind(id, spec, table)
    preflight.check(bound, table, tree.attrs["source"])
    values = prediction.prior(bound, draws, seed, study, id, "prior")
    observed = {name: values.pop(name) for name in bound.names("observed")}
    found = checks.to_dataset([predictive_checks.prior(observed, bounds, inside)])
    groups = {
        "prior": prediction.posterior_dataset(bound, values, 1, table),
        "prior_predictive": prediction.posterior_dataset(bound, observed, 1, table),
        **model.data_groups(bound, table),
        "checks": found,
    }
    attributes = artefact.provenance("prior", study, {"draws": draws}, seed, ("jax", "numpyro"), model=id)
    attributes |= {"graph": model.graph(bound), "data_hash": tree.attrs["data_hash"], "device": device.description()}
    artefact.write(output, groups, attributes)


if __name__ == "__main__":
    with job(snakemake):
        prior(snakemake.input.data, snakemake.output[0], **snakemake.params, threads=snakemake.threads)
