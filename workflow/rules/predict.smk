rule predict:
    """Draw predictions from a fit, and evaluate its likelihood."""
    input:
        data=paths.DATA,
        posterior=project.get_posterior,
        model=project.list_model_files,
        code=project.list_code("predict"),
    output:
        update(paths.PREDICTIVE),
    log:
        "results/logs/predict/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/predict/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("predict", "mem_mb"),
        runtime=project.request("predict", "runtime"),
    params:
        study="{study}",
        model="{model}",
        model_spec=project.get_model_spec,
        fit="{fit}",
        settings=project.setting("predict"),
        seed=project.setting("seed"),
        float_type=project.setting("float_type"),
    message:
        "predictions of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/predict.py"
