# figures: reads the artefacts that a figure needs, writes results/{study}/figures/{figure}.svg and .png, a job per figure


def figure_of(wildcards):
    study_of(wildcards)
    if wildcards.figure not in FIGURES[wildcards.study]:
        raise WorkflowError(f"study {wildcards.study} has no figure '{wildcards.figure}': {', '.join(FIGURES[wildcards.study])}")
    return FIGURES[wildcards.study][wildcards.figure]


def figure_inputs(wildcards):
    figure = figure_of(wildcards)
    place = {"study": wildcards.study, "model": figure["model"], "fit": figure["fit"]}
    paths = {"prior": PRIOR, "posterior": POSTERIOR, "predictive": PREDICTIVE}
    files = {name: path.format(**place) for name, path in paths.items() if name in figure["needs"]}
    if "posteriors" in figure["needs"]:
        files["posteriors"] = per_fit(POSTERIOR, [wildcards.study], only=figure["model"])
    modules = [] if figure["own"] else [f"plots/{figure['kind']}"]
    own = [file for file in (figure["own"], figure["curve"]) if file]
    return {"data": DATA.format(**place), **files, "code": [*code("figures", *modules), *own]}


def figure_settings(wildcards):
    figure, study = figure_of(wildcards), study_of(wildcards)
    bounds = study["checks"].get("prior_predictive", {}) if figure["kind"] == "prior" else {}
    return {"options": study["figures"], "figure": figure, "title": study["title"], "bounds": bounds}


rule figures:
    input:
        unpack(figure_inputs),
    output:
        svg=report(
            f"{FIGURE}.svg",
            caption="../report/figure.rst",
            category="{study}",
            subcategory=lambda wildcards: figure_of(wildcards)["model"],
            labels=lambda wildcards: {"fit": figure_of(wildcards)["fit"] or "-", "figure": figure_of(wildcards)["title"]},
        ),
        png=f"{FIGURE}.png",
    params:
        settings=figure_settings,
    log:
        "results/logs/figures/{study}/{figure}.log",
    benchmark:
        "results/benchmarks/figures/{study}/{figure}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../envs/posterity.yaml"
    message:
        "figure {wildcards.figure} of {wildcards.study}"
    script:
        "../scripts/figures.py"
