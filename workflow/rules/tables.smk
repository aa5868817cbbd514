rule tables:
    """Write one table of a study as CSV and LaTeX."""
    input:
        unpack(project.list_table_inputs),
        code=project.list_code("tables"),
    output:
        csv=update(f"{paths.TABLE}.csv"),
        tex=update(f"{paths.TABLE}.tex"),
        html=report(
            update(f"{paths.TABLE}.html"),
            caption="../report/table.rst",
            category="{study}",
            subcategory="tables",
            labels=project.get_table_labels,
        ),
    log:
        "results/logs/tables/{study}/{table}.log",
    benchmark:
        "results/benchmarks/tables/{study}/{table}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("tables", "mem_mb"),
        runtime=project.request("tables", "runtime"),
    params:
        study="{study}",
        kind="{table}",
        title=project.setting("title"),
        interval=project.setting("figures", "interval"),
        labels=project.setting("figures", "labels", default={}),
        limits=project.get_table_limits,
    message:
        "table {wildcards.table} of {wildcards.study}"
    script:
        "../scripts/tables.py"
