rule data:
    """Read or simulate the data of a study."""
    input:
        source=project.list_data_sources,
        code=project.list_data_code,
    output:
        update(paths.DATA),
    log:
        "results/logs/data/{study}.log",
    benchmark:
        "results/benchmarks/data/{study}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("data", "mem_mb"),
        runtime=project.request("data", "runtime"),
    params:
        spec=project.setting("data"),
        model=project.get_simulated_model,
        float_type=project.setting("float_type"),
    message:
        "data of {wildcards.study}"
    script:
        "../scripts/data.py"
