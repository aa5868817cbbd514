# diagnose: reads data.nc (the truth), prior.nc, posterior.nc, predictive.nc and sensitivity.nc, writes results/{study}/{model}/{fit}/diagnosis.nc


rule diagnose:
    input:
        unpack(diagnose_inputs),
        data=DATA,
        prior=PRIOR,
        posterior=POSTERIOR,
        code=code("diagnose"),
    output:
        update(DIAGNOSIS),
    log:
        "results/logs/diagnose/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/diagnose/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("diagnose", "mem_mb"),
        runtime=asked("diagnose", "runtime"),
    params:
        study="{study}",
        model="{model}",
        fit="{fit}",
        limits=lambda wildcards: {
            key: value for key, value in study_of(wildcards)["checks"].items() if key != "expect"
        },
        interval=of_study("figures", "interval"),
    message:
        "diagnosis of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/diagnose.py"
