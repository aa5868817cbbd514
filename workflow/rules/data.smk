# data: reads a table or a model that simulates, writes results/{study}/data.nc


rule data:
    input:
        source=data_sources,
        code=data_code,
    output:
        update(DATA),
    log:
        "results/logs/data/{study}.log",
    benchmark:
        "results/benchmarks/data/{study}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("data", "mem_mb"),
        runtime=asked("data", "runtime"),
    params:
        spec=of_study("data"),
        model=simulated_model,
        float_type=of_study("float_type"),
    message:
        "data of {wildcards.study}"
    script:
        "../scripts/data.py"
