# sensitivity: reads predictive.nc, writes results/{study}/{model}/{fit}/sensitivity.nc


rule sensitivity:
    input:
        predictive=PREDICTIVE,
        code=code("sensitivity"),
    output:
        update(SENSITIVITY),
    log:
        "results/logs/sensitivity/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/sensitivity/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("sensitivity", "mem_mb"),
        runtime=asked("sensitivity", "runtime"),
    params:
        study="{study}",
        model="{model}",
        fit="{fit}",
        max_scalars=of_study("checks", "max_scalars_per_site"),
    message:
        "sensitivity of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/sensitivity.py"
