# figures: reads the artefacts that a figure needs, writes results/{study}/figures/{figure}.svg and .png, a job per figure
#
# A figure shows the values of prior.nc and predictive.nc, not their checks. So these two are `ancient`, and what their values
# come from is listed among the inputs instead: a new threshold of a check draws nothing again.


def figure_of(wildcards):
    study_of(wildcards)
    if wildcards.figure not in FIGURES[wildcards.study]:
        raise WorkflowError(f"study {wildcards.study} has no figure '{wildcards.figure}': {', '.join(FIGURES[wildcards.study])}")
    return FIGURES[wildcards.study][wildcards.figure]


def figure_inputs(wildcards):
    figure, study = figure_of(wildcards), wildcards.study
    model, fit = figure["model"], figure["fit"]
    files = {"data": DATA.format(study=study), "code": figure_code(figure)}
    if "prior" in figure["needs"]:
        files["prior"] = ancient(PRIOR.format(study=study, model=model))
        files["prior_code"] = [*files_of(STUDIES[study]["models"][model]), *code("prior", "model", "prediction")]
    if "posterior" in figure["needs"]:
        files["posterior"] = POSTERIOR.format(study=study, model=model, fit=fit)
    if "posteriors" in figure["needs"]:
        files["posteriors"] = per_fit(POSTERIOR, [study], only=model)
    if "predictive" in figure["needs"]:
        files["predictive"] = ancient(PREDICTIVE.format(study=study, model=model, fit=fit))
        files["predictive_code"] = [*files_of(STUDIES[study]["models"][model]), *code("predict", "model", "prediction")]
    return files


def figure_code(figure):
    modules = [f"plots/{figure['kind']}"] * (figure["own"] is None)
    return [*code("figures", *modules), *filter(None, [figure["own"], figure["curve"]])]


def figure_settings(wildcards):
    """The study's figure options, and those settings of other stages that the drawn values come from."""
    figure, study = figure_of(wildcards), study_of(wildcards)
    settings = {"options": study["figures"], "figure": figure, "title": study["title"]}
    if "prior" in figure["needs"]:
        settings["drawn"] = {key: study[key] for key in ("prior", "seed", "precision")}
        settings["bounds"] = study["checks"].get("prior_predictive", {})
    if "predictive" in figure["needs"]:
        settings["drawn"] = {key: study[key] for key in ("predict", "seed", "precision")}
    return settings


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
