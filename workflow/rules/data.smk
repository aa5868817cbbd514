# data: reads a table or a model that simulates, writes results/{study}/data.nc


def simulated_model(wildcards):
    """The entry of the model that a simulation runs: one of the study, or a folder of workflow/models."""
    data = study_of(wildcards)["data"]
    if data == "none" or "simulate" not in data:
        return None
    return simulation_model(data["simulate"]["model"], study_of(wildcards))


def data_sources(wildcards):
    data, model = study_of(wildcards)["data"], simulated_model(wildcards)
    if model is None:
        return [data["file"]] if data != "none" else []
    simulator = Path(model["file"]).with_name("simulate.py")
    return [str(simulator)] if simulator.is_file() else files_of(model)


def data_code(wildcards):
    model = simulated_model(wildcards)
    forward = model is not None and not Path(model["file"]).with_name("simulate.py").is_file()
    return code("data", *["simulation", "device"] * forward)


rule data:
    input:
        source=data_sources,
        code=data_code,
    output:
        update(DATA),
    params:
        spec=of_study("data"),
        model=simulated_model,
        precision=of_study("precision"),
    log:
        "results/logs/data/{study}.log",
    benchmark:
        "results/benchmarks/data/{study}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../envs/posterity.yaml"
    message:
        "data of {wildcards.study}"
    script:
        "../scripts/data.py"
