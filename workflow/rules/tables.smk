# tables: reads the artefacts that a table needs, writes results/{study}/tables/{table}.csv and .tex, and .html for the report


rule tables:
    input:
        unpack(table_inputs),
        code=code("tables"),
    output:
        csv=update(f"{TABLE}.csv"),
        tex=update(f"{TABLE}.tex"),
        html=report(
            update(f"{TABLE}.html"),
            caption="../report/table.rst",
            category="{study}",
            subcategory="tables",
            labels=lambda wildcards: {"fit": "all", "figure": registry.TABLES[wildcards.table].title},
        ),
    log:
        "results/logs/tables/{study}/{table}.log",
    benchmark:
        "results/benchmarks/tables/{study}/{table}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("tables", "mem_mb"),
        runtime=asked("tables", "runtime"),
    params:
        study="{study}",
        kind="{table}",
        title=of_study("title"),
        interval=of_study("figures", "interval"),
        labels=lambda wildcards: study_of(wildcards)["figures"].get("labels", {}),
        max_scalars=of_study("checks", "max_scalars_per_site"),
    message:
        "table {wildcards.table} of {wildcards.study}"
    script:
        "../scripts/tables.py"
