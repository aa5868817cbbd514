rule figures:
    """Draw one figure of a study as SVG and PNG."""
    input:
        unpack(project.list_figure_inputs),
    output:
        svg=report(
            update(f"{paths.FIGURE}.svg"),
            caption="../report/figure.rst",
            category="{study}",
            subcategory=lambda wildcards: project.get_figure(wildcards)["model"],
            labels=project.get_figure_labels,
        ),
        png=update(f"{paths.FIGURE}.png"),
    log:
        "results/logs/figures/{study}/{figure}.log",
    benchmark:
        "results/benchmarks/figures/{study}/{figure}.tsv"
    conda:
        "../../envs/posterity.yaml"
    threads: 1
    resources:
        mem_mb=project.request("figures", "mem_mb"),
        runtime=project.request("figures", "runtime"),
    params:
        settings=project.get_figure_settings,
    message:
        "figure {wildcards.figure} of {wildcards.study}"
    script:
        "../scripts/figures.py"
