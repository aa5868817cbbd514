# A target for each stage: `snakemake --cores 4 fits` stops after the fits.


rule datasets:
    """Make the data of all studies."""
    input:
        project.list_study_paths(paths.DATA),


rule priors:
    """Draw from the priors of all models."""
    input:
        project.list_model_paths(paths.PRIOR),


rule fits:
    """Fit all models."""
    input:
        project.list_fit_paths(paths.POSTERIOR),


rule diagnoses:
    """Diagnose all fits."""
    input:
        project.list_fit_paths(paths.DIAGNOSIS),


rule predictions:
    """Predict from all fits with draws."""
    input:
        project.list_fit_paths(paths.PREDICTIVE, kinds=DRAW_KINDS),


rule sensitivities:
    """Measure the sensitivities of all fits with draws."""
    input:
        project.list_sensitivities(),


rule comparisons:
    """Compare models and fits of all studies."""
    input:
        project.list_comparisons(),


rule all_figures:
    """Draw all figures."""
    input:
        project.list_figure_files(),


rule all_tables:
    """Write all tables."""
    input:
        project.list_table_files(),
