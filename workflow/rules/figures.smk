# figures: reads the artefacts that a figure needs, writes results/{study}/figures/{figure}.svg and .png, a job per figure


rule figures:
    input:
        unpack(figure_inputs),
    output:
        svg=report(
            update(f"{FIGURE}.svg"),
            caption="../report/figure.rst",
            category="{study}",
            subcategory=lambda wildcards: figure_of(wildcards)["model"],
            labels=lambda wildcards: {
                "fit": figure_of(wildcards)["fit"] or "-",
                "figure": figure_of(wildcards)["title"],
            },
        ),
        png=update(f"{FIGURE}.png"),
    log:
        "results/logs/figures/{study}/{figure}.log",
    benchmark:
        "results/benchmarks/figures/{study}/{figure}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=asked("figures", "mem_mb"),
        runtime=asked("figures", "runtime"),
    params:
        settings=figure_settings,
    message:
        "figure {wildcards.figure} of {wildcards.study}"
    script:
        "../scripts/figures.py"
