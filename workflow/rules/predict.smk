# predict: reads data.nc, posterior.nc and the model, writes results/{study}/{model}/{fit}/predictive.nc


rule predict:
    input:
        data=DATA,
        posterior=posterior_draws,
        model=model_files,
        code=code("predict", *PREDICT_MODULES),
    output:
        update(PREDICTIVE),
    log:
        "results/logs/predict/{study}/{model}/{fit}.log",
    benchmark:
        "results/benchmarks/predict/{study}/{model}/{fit}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("predict", "mem_mb"),
        runtime=asked("predict", "runtime"),
    params:
        study="{study}",
        model="{model}",
        model_spec=model_spec,
        fit="{fit}",
        settings=of_study("predict"),
        seed=of_study("seed"),
        float_type=of_study("float_type"),
    message:
        "predictions of {wildcards.study}, {wildcards.model}, {wildcards.fit}"
    script:
        "../scripts/predict.py"
