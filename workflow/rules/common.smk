# What the rules share: the project, the paths of its artefacts, and messages for the user.
import functools
import os
import sys
from pathlib import Path

# The folder of the workflow, also if another Snakefile uses this one as a module
FOLDER = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
LIBRARY = FOLDER / "lib"
sys.path.insert(0, str(LIBRARY))
# Jobs inherit the path, so that they use this library even if another one is installed.
PYTHON_PATH = [str(LIBRARY.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ.update(PYTHONPATH=os.pathsep.join(PYTHON_PATH))

from posterity.config.registry import DRAW_KINDS
from posterity.errors import UserError
from posterity.workflow import failures, paths
from posterity.workflow.project import Project


def exit_on_error(function):
    """Turn a UserError into a message for the user: Snakemake shows others with a traceback."""

    @functools.wraps(function)
    def call(*arguments, **options):
        try:
            result = function(*arguments, **options)
        except UserError as error:
            sys.exit(f"posterity: {error}")
        return exit_on_error(result) if callable(result) else result

    return call


class RuleProject:
    """The project, with methods that end Snakemake with a message for the user."""

    def __init__(self, project):
        self.project = project

    def __getattr__(self, name):
        value = getattr(self.project, name)
        return exit_on_error(value) if callable(value) else value


project = RuleProject(exit_on_error(Project.load)(config, FOLDER, workflow))
if project.scratch:  # each job expands variables in it, since nodes of a cluster differ
    os.environ.update(POSTERITY_SCRATCH=project.scratch)
if workflow.is_main_process:
    exit_on_error(failures.check_project_folder)(Path(), paths.RESULTS)


wildcard_constraints:
    study="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    fit="[A-Za-z0-9_]+",
    figure="[A-Za-z0-9_]+",
    table="[a-z]+",
