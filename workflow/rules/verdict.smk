# verdict: reads diagnosis.nc of all fits and comparison.nc, writes results/{study}/verdict.nc and, for the report, checks.html
# gate: reads verdict.nc, writes results/{study}/gate.txt, or stops a strict run
# verdicts: reads verdict.nc of all studies, writes results/verdicts.csv and .rst (the report's first page)


rule verdict:
    input:
        diagnoses=diagnoses_of,
        comparison=lambda wildcards: every_comparison([wildcards.study]),
        code=code("verdict"),
    output:
        verdict=update(VERDICT),
        html=report(
            update(CHECKS),
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
        mem_mb=asked("verdict", "mem_mb"),
        runtime=asked("verdict", "runtime"),
    params:
        study="{study}",
        title=of_study("title"),
        loo=of_study("checks", "loo"),
        expect=lambda wildcards: study_of(wildcards)["checks"].get("expect", {}),
    message:
        "verdict on {wildcards.study}"
    script:
        "../scripts/verdict.py"


rule gate:
    input:
        verdict=VERDICT,
        code=code("gate"),
    output:
        GATE,
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
        mem_mb=asked("gate", "mem_mb"),
        runtime=asked("gate", "runtime"),
    message:
        "gate of {wildcards.study}"
    script:
        "../scripts/gate.py"


rule verdicts:
    input:
        verdicts=per_study(VERDICT),
        code=code("verdicts", "artefact/netcdf"),
    output:
        csv=update("results/verdicts.csv"),
        rst=update("results/verdicts.rst"),
    log:
        "results/logs/verdicts/all.log",
    benchmark:
        "results/benchmarks/verdicts/all.tsv"
    localrule: True
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("verdicts", "mem_mb"),
        runtime=asked("verdicts", "runtime"),
    params:
        studies={
            name: {key: study[key] for key in ("title", "description")}
            for name, study in STUDIES.items()
        },
        pages={
            name: targets.list_report_links(
                name,
                FIGURES[name],
                {
                    registry.TABLES[table].title: f"results/{name}/tables/{table}.html"
                    for table in TABLES[name]
                }
                | {"all checks": CHECKS},
            )
            for name in STUDIES
        },
    message:
        "verdicts on all studies"
    script:
        "../scripts/verdicts.py"
