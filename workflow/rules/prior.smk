rule prior:
    """Draw from the prior of a model, and draw predictions from it."""
    input:
        data=paths.DATA,
        model=project.list_model_files,
        code=project.list_code("prior"),
    output:
        update(paths.PRIOR),
    log:
        "results/logs/prior/{study}/{model}.log",
    benchmark:
        "results/benchmarks/prior/{study}/{model}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("prior", "mem_mb"),
        runtime=project.request("prior", "runtime"),
    params:
        study="{study}",
        model="{model}",
        model_spec=project.get_model_spec,
        draws=project.setting("prior", "draws"),
        seed=project.setting("seed"),
        float_type=project.setting("float_type"),
    message:
        "prior of {wildcards.study}, {wildcards.model}"
    script:
        "../scripts/prior.py"
