"""
The command line of the library: `python -m posterity <command> ...`.

Each command is a module that also runs by itself. It is imported when it is called, since each
needs other packages.
"""

import runpy
import sys

# The module of each command, and what it does.
COMMANDS = {
    "check": ("posterity.cli.check", "check models and data of studies, without a run"),
    "plan": ("posterity.cli.plan", "list the jobs of a run with cores, memory and hours"),
    "sizes": ("posterity.workflow.model_sizes", "count the values of the models of studies"),
    "reference": ("posterity.cli.reference", "print the reference of all keys"),
}


def run_command(arguments: list[str]) -> None:
    """
    Run the command that the first argument names, with the other arguments.

    Raises SystemExit with a message if it is missing or unknown.
    """
    if not arguments:
        lines = [f"  {name:10} {purpose}" for name, (_, purpose) in COMMANDS.items()]
        sys.exit("\n".join(["usage: python -m posterity <command> ...", *lines]))
    command, *rest = arguments
    if command not in COMMANDS:
        sys.exit(f"posterity: unknown command '{command}'. Commands: {', '.join(COMMANDS)}.")
    module = COMMANDS[command][0]
    sys.argv = [f"posterity {command}", *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_command(sys.argv[1:])
