# compare: reads posterior.nc and predictive.nc of a study's fits, writes results/{study}/comparison.nc


rule compare:
    input:
        unpack(compare_inputs),
        code=code("compare"),
    output:
        update(COMPARISON),
    log:
        "results/logs/compare/{study}.log",
    benchmark:
        "results/benchmarks/compare/{study}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("compare", "mem_mb"),
        runtime=asked("compare", "runtime"),
    params:
        study="{study}",
        reference=lambda wildcards: study_of(wildcards)["compare"].get("reference"),
        max_scalars=of_study("checks", "max_scalars_per_site"),
    message:
        "comparison of {wildcards.study}"
    script:
        "../scripts/compare.py"
