# prior: reads data.nc and the model, writes results/{study}/{model}/prior.nc


rule prior:
    input:
        data=DATA,
        model=model_files,
        code=code("prior", *PRIOR_MODULES),
    output:
        update(PRIOR),
    log:
        "results/logs/prior/{study}/{model}.log",
    benchmark:
        "results/benchmarks/prior/{study}/{model}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("prior", "mem_mb"),
        runtime=asked("prior", "runtime"),
    params:
        study="{study}",
        model="{model}",
        model_spec=model_spec,
        draws=of_study("prior", "draws"),
        seed=of_study("seed"),
        float_type=of_study("float_type"),
    message:
        "prior of {wildcards.study}, {wildcards.model}"
    script:
        "../scripts/prior.py"
