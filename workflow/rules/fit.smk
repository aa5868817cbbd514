rule fit:
    """Fit a model to the data by one method."""
    input:
        data=paths.DATA,
        model=project.list_model_files,
        code=project.list_fit_code,
    output:
        update(paths.POSTERIOR),
    log:
        "results/logs/fit/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/fit/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: project.count_fit_threads
    resources:
        mem_mb=project.request("fit", "mem_mb"),
        runtime=project.request("fit", "runtime"),
        gpu=project.request("fit", "gpu"),
    params:
        study="{study}",
        model="{model}",
        model_spec=project.get_model_spec,
        fit="{fit}",
        settings=project.get_fit_settings,
        seed=project.setting("seed"),
        float_type=project.setting("float_type"),
    message:
        "fit of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/fit.py"
