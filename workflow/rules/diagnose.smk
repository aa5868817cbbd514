rule diagnose:
    """Check a fit: prior, draws, predictions, recovery of the truth."""
    input:
        unpack(project.list_diagnose_inputs),
        data=paths.DATA,
        prior=paths.PRIOR,
        posterior=paths.POSTERIOR,
        code=project.list_code("diagnose"),
    output:
        update(paths.DIAGNOSIS),
    log:
        "results/logs/diagnose/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/diagnose/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("diagnose", "mem_mb"),
        runtime=project.request("diagnose", "runtime"),
    params:
        study="{study}",
        model="{model}",
        fit="{fit}",
        limits=project.get_limits,
        interval=project.setting("figures", "interval"),
    message:
        "diagnosis of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/diagnose.py"
