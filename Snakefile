# Posterity: from a NumPyro model and a table of data to a posterior that can be trusted.
#
# Each stage is a rule, a script of the same name in workflow/scripts/, and a NetCDF file that the next stages read.
# What is run is said in config/config.yaml and config/studies/*.yaml.
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/prior.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/sensitivity.smk"
include: "workflow/rules/diagnose.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/verdict.smk"


onstart:
    check_results()
    remove_status(workflow.dag.needrun_jobs())


onerror:
    forget(workflow.scheduler.failed)
    print(f"\n{failures(workflow.scheduler.failed)}\n", file=sys.stderr)


rule all:
    default_target: True
    input:
        rules.verdicts.output,
        every_comparison(),
        every_figure(),
        every_table(),
        every_gate(),
    message:
        "all artefacts, figures, tables and verdicts are there"


# A whole stage, by name: `snakemake --cores 4 fits` stops after the fits.
rule datasets:
    input:
        per_study(DATA),


rule priors:
    input:
        per_model(PRIOR),


rule fits:
    input:
        per_fit(POSTERIOR),


rule diagnoses:
    input:
        per_fit(DIAGNOSIS),


rule predictions:
    input:
        per_fit(PREDICTIVE, gives=registry.DRAW_KINDS),


rule sensitivities:
    input:
        every_sensitivity(),


rule comparisons:
    input:
        every_comparison(),


rule all_figures:
    input:
        every_figure(),


rule all_tables:
    input:
        every_table(),
