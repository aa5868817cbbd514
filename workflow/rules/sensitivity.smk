rule sensitivity:
    """Measure how a fit depends on its prior and its likelihood."""
    input:
        predictive=paths.PREDICTIVE,
        code=project.list_code("sensitivity"),
    output:
        update(paths.SENSITIVITY),
    log:
        "results/logs/sensitivity/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/sensitivity/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("sensitivity", "mem_mb"),
        runtime=project.request("sensitivity", "runtime"),
    params:
        study="{study}",
        model="{model}",
        fit="{fit}",
        max_scalars=project.setting("checks", "max_scalars_per_site"),
    message:
        "sensitivity of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/sensitivity.py"
