rule compare:
    """Compare the models of a study, and the fits of each model."""
    input:
        unpack(project.list_compare_inputs),
        code=project.list_code("compare"),
    output:
        update(paths.COMPARISON),
    log:
        "results/logs/compare/{study}.log",
    benchmark:
        "results/benchmarks/compare/{study}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("compare", "mem_mb"),
        runtime=project.request("compare", "runtime"),
    params:
        study="{study}",
        reference=project.setting("compare", "reference", default=None),
        max_scalars=project.setting("checks", "max_scalars_per_site"),
    message:
        "comparison of {wildcards.study}"
    script:
        "../scripts/compare.py"
