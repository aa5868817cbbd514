"""Between Snakemake and the library: jobs, resources, failures."""
