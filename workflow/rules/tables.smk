# tables: reads posterior.nc of all fits of a study, writes results/{study}/tables/parameters.csv and .tex, and .html for the report


rule tables:
    input:
        posteriors=lambda wildcards: per_fit(POSTERIOR, [wildcards.study]),
        code=code("tables"),
    output:
        csv=update(f"{TABLE}.csv"),
        tex=update(f"{TABLE}.tex"),
        html=report(
            update(f"{TABLE}.html"),
            caption="../report/table.rst",
            category="{study}",
            subcategory="tables",
            labels={"fit": "all", "figure": "table of parameters"},
        ),
    log:
        "results/logs/tables/{study}.log",
    benchmark:
        "results/benchmarks/tables/{study}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        study="{study}",
        title=of_study("title"),
        interval=of_study("figures", "interval"),
        labels=lambda wildcards: study_of(wildcards)["figures"].get("labels", {}),
        scalars=of_study("checks", "scalars"),
    message:
        "tables of {wildcards.study}"
    script:
        "../scripts/tables.py"
