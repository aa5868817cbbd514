rule verdict:
    """Give each fit of a study its verdict."""
    input:
        diagnoses=project.list_diagnoses,
        code=project.list_code("verdict"),
    output:
        verdict=update(paths.VERDICT),
        html=report(
            update(paths.CHECKS),
            caption="../report/checks.rst",
            category="{study}",
            subcategory="tables",
            labels={"fit": "all", "figure": "all checks"},
        ),
    log:
        "results/logs/verdict/{study}.log",
    benchmark:
        "results/benchmarks/verdict/{study}.tsv"
    priority: 10
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("verdict", "mem_mb"),
        runtime=project.request("verdict", "runtime"),
    params:
        study="{study}",
        title=project.setting("title"),
        expect=project.setting("checks", "expect", default={}),
    message:
        "verdict on {wildcards.study}"
    script:
        "../scripts/verdict.py"


rule gate:
    """Stop a strict run if the verdict of a study is a failure."""
    input:
        verdict=paths.VERDICT,
        code=project.list_code("gate"),
    output:
        paths.GATE,
    log:
        "results/logs/gate/{study}.log",
    benchmark:
        "results/benchmarks/gate/{study}.tsv"
    priority: 20
    localrule: True
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("gate", "mem_mb"),
        runtime=project.request("gate", "runtime"),
    message:
        "gate of {wildcards.study}"
    script:
        "../scripts/gate.py"


rule verdicts:
    """Collect the verdicts of all studies."""
    input:
        verdicts=project.list_study_paths(paths.VERDICT),
        code=project.list_code("verdicts"),
    output:
        csv=update(paths.VERDICTS),
        rst=update(paths.FIRST_PAGE),
    log:
        "results/logs/verdicts/all.log",
    benchmark:
        "results/benchmarks/verdicts/all.tsv"
    localrule: True
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("verdicts", "mem_mb"),
        runtime=project.request("verdicts", "runtime"),
    params:
        studies=project.list_titles(),
        pages=project.list_report_pages(),
    message:
        "verdicts on all studies"
    script:
        "../scripts/verdicts.py"
