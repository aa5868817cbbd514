# diagnose: reads data.nc (the truth) and posterior.nc, writes results/{study}/{model}/{fit}/diagnosis.nc

DIAGNOSTICS = ("rhat", "ess_bulk", "ess_tail", "mcse", "divergences", "e_bfmi", "tree_depth", "recovery", "scalars")


def diagnose_limits(wildcards):
    return {name: study_of(wildcards)["checks"][name] for name in DIAGNOSTICS}


rule diagnose:
    input:
        data=DATA,
        posterior=POSTERIOR,
        code=code("diagnose"),
    output:
        update(DIAGNOSIS),
    params:
        study="{study}",
        id="{model}",
        name="{fit}",
        limits=diagnose_limits,
        interval=of_study("figures", "interval"),
    log:
        "results/logs/diagnose/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/diagnose/{study}/{model}/{fit}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../envs/posterity.yaml"
    message:
        "diagnosis of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/diagnose.py"
