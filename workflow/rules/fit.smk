# fit: reads data.nc and the model, writes results/{study}/{model}/{fit}/posterior.nc


rule fit:
    input:
        data=DATA,
        model=model_files,
        code=fit_code,
    output:
        update(POSTERIOR),
    log:
        "results/logs/fit/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/fit/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: fit_threads
    resources:
        mem_mb=asked("fit", "mem_mb"),
        runtime=asked("fit", "runtime"),
        gpu=asked("fit", "gpu"),
    params:
        study="{study}",
        model="{model}",
        model_spec=model_spec,
        fit="{fit}",
        settings=fit_settings,
        seed=of_study("seed"),
        float_type=of_study("float_type"),
    message:
        "fit of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/fit.py"
