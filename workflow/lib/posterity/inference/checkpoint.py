"""
Checkpoints of a fit: its state and its draws so far, so that it goes on where it was killed.

A checkpoint is a folder. `draws-<n>.npz` hold what was recorded, piece by piece, and `state.npz` the state after the last of them.
This is renamed into its place after they are there, so that at any moment the folder holds one whole checkpoint, or none. Each
file carries checksums (those of zip). It is never an output of a rule: Snakemake deletes those of a job that failed.
"""

import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posterity.artefact.atomic import owns_file
from posterity.errors import UserError

STATE = "state.npz"


@dataclass(frozen=True)
class SavedState:
    """What a checkpoint holds: the leaves of the state, plain values about it, and the files with what was recorded."""

    leaves: list[np.ndarray]
    about: dict
    files: list[Path]


class Checkpoint:
    """
    The checkpoint of one fit, in a folder of its own.

    `inputs` says what the fit is made from, a hash for each part (model, data, settings, ...): a checkpoint of other inputs is not
    gone on from. `output` is the artefact that the fit makes: a job that another one has taken it over from writes no more.
    """

    def __init__(self, folder: str | Path, inputs: dict[str, str], output: str | Path):
        self.folder, self.inputs, self.output = Path(folder), inputs, output

    def load(self) -> tuple[SavedState | None, str]:
        """Read the checkpoint. Returns it and a sentence about it; None where there is none, or none that can be gone on from."""
        try:
            with np.load(self.folder / STATE) as archive:
                about = json.loads(str(archive["about"]))
                leaves = [archive[f"leaf{i}"] for i in range(about["leaves"])]
            different = sorted(
                name
                for name in self.inputs | about["inputs"]
                if self.inputs.get(name) != about["inputs"].get(name)
            )
            files = [self.folder / f"draws-{i}.npz" for i in range(about["pieces"])]
            for file in files:
                with zipfile.ZipFile(file) as archive:
                    if damaged := archive.testzip():
                        raise ValueError(f"{file.name}: {damaged}")
        except FileNotFoundError:
            if (self.folder / STATE).exists():
                return (
                    None,
                    f"{self.folder}: a part of the checkpoint is missing; the fit starts anew",
                )
            return None, ""
        except Exception as error:  # whatever a damaged file does to zip and NumPy
            return None, f"{self.folder}: the checkpoint is damaged ({error}); the fit starts anew"
        if different:
            return (
                None,
                f"{self.folder}: the checkpoint is of other inputs ({', '.join(different)} differ); the fit starts anew",
            )
        return SavedState(leaves, about, files), ""

    def clear(self) -> None:
        """Remove it, unless another job has taken the fit over."""
        if owns_file(self.output):
            shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, piece: int, values: dict[str, np.ndarray]) -> Path:
        """Write a piece of what was recorded."""
        return self._write(f"draws-{piece}.npz", values)

    def save(self, leaves: list[np.ndarray], about: dict, pieces: int) -> None:
        """Write the state after the first `pieces` pieces."""
        about = about | {"inputs": self.inputs, "pieces": pieces, "leaves": len(leaves)}
        self._write(
            STATE,
            {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
            | {"about": np.array(json.dumps(about))},
        )

    def _write(self, name: str, values: dict[str, np.ndarray]) -> Path:
        if not owns_file(self.output):
            raise UserError(
                f"{self.output}: another job has taken it over since this one started; this one ends here"
            )
        path = self.folder / name
        beside = path.with_name(f".{os.getpid()}.{name}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(beside, "wb") as file:
                np.savez(file, **values)
            os.replace(beside, path)
        except OSError as error:
            raise UserError(
                f"{path}: the checkpoint cannot be written ({error.strerror or error}); look at the disk"
            ) from error
        return path
