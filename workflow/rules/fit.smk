# fit: reads data.nc and the model, writes results/{study}/{model}/{fit}/posterior.nc


def fit_settings(wildcards):
    return {key: value for key, value in study_of(wildcards)["fits"][wildcards.fit].items() if key != "models"}


def fit_code(wildcards):
    return code("fit", "model", "prediction", "preflight", f"methods/{fit_settings(wildcards)['method']}")


def fit_threads(wildcards):
    settings = fit_settings(wildcards)
    return settings.get(METHODS[settings["method"]].parallel, 1)


rule fit:
    input:
        data=DATA,
        model=model_files,
        code=fit_code,
    output:
        update(POSTERIOR),
    params:
        study="{study}",
        id="{model}",
        spec=model_spec,
        name="{fit}",
        settings=fit_settings,
        seed=of_study("seed"),
        precision=of_study("precision"),
    log:
        "results/logs/fit/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/fit/{study}/{model}/{fit}.tsv"
    threads: fit_threads
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "../../envs/posterity.yaml"
    message:
        "fit of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/fit.py"
