"""
Checkpoints of a fit: its state and its draws so far, from which it resumes after it was killed.

A checkpoint is a folder. The folders `draws-<n>` in it hold the records, piece by piece, and
`state.npz` the state after the last of them, which is written after them and renamed into its
place. At any moment the folder therefore holds a whole checkpoint, or none. All files carry
checksums. A checkpoint is never the output of a rule, as Snakemake deletes the outputs of a job
that fails.
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posterity.artefact.atomic import owns_file
from posterity.artefact.provenance import collect_provenance, hash_files, hash_values
from posterity.artefact.streamed import check_array_folder, write_array_folder
from posterity.config.stage import ComputeSettings, ModelSource, StageIds
from posterity.errors import UserError

STATE_NAME = "state.npz"
# Attributes of the artefact that a fit depends on.
INPUT_ATTRIBUTES = ("model_hash", "data_hash", "settings", "seed", "versions", "float_type")


@dataclass(frozen=True)
class SavedState:
    """
    The content of a checkpoint.

    Attributes
    ----------
    leaves : list of np.ndarray
        The arrays of the state.
    about : dict
        Plain values that describe it.
    pieces : list of Path
        The folders with the records, in order.
    """

    leaves: list[np.ndarray]
    about: dict
    pieces: list[Path]


class Checkpoint:
    """
    The checkpoint of a fit, or of a phase of it.

    Parameters
    ----------
    folder : str or Path
        The folder, for this checkpoint alone.
    inputs : dict of str to str
        What the fit depends on, by part: model, data, settings and others. A fit does not resume
        from other inputs.
    output : str or Path
        The artefact that the fit writes. A job whose claim to it is lost writes no checkpoint.
    """

    def __init__(self, folder: str | Path, inputs: dict[str, str], output: str | Path):
        self.folder = Path(folder)
        self.inputs = inputs
        self.output = output

    def for_phase(self, name: str) -> "Checkpoint":
        """Return the checkpoint of a phase of the fit."""
        return Checkpoint(self.folder / name, self.inputs, self.output)

    def load(self) -> tuple[SavedState | None, str]:
        """
        Read the checkpoint.

        Returns it, or None if there is none to resume from, and a message if it is there but cannot
        be used.
        """
        try:
            with np.load(self.folder / STATE_NAME) as archive:
                about = json.loads(str(archive["about"]))
                leaves = [archive[f"leaf{number}"] for number in range(about["leaves"])]
            pieces = [self._piece_folder(number) for number in range(about["pieces"])]
            for piece in pieces:
                check_array_folder(piece)
        except FileNotFoundError:
            if (self.folder / STATE_NAME).exists():
                return (
                    None,
                    f"{self.folder}: a part of the checkpoint is missing. The fit starts again.",
                )
            return None, ""
        except Exception as error:  # whatever a damaged file makes zip, JSON and NumPy raise
            return (
                None,
                f"{self.folder}: the checkpoint is damaged ({error}). The fit starts again.",
            )
        different = [
            name
            for name in sorted(self.inputs | about["inputs"])
            if self.inputs.get(name) != about["inputs"].get(name)
        ]
        if different:
            return (
                None,
                f"{self.folder}: the checkpoint has other inputs ({', '.join(different)} differ). "
                "The fit starts again.",
            )
        return SavedState(leaves, about, pieces), ""

    def clear(self) -> None:
        """Remove the checkpoint, unless another job has claimed the output."""
        if owns_file(self.output):
            shutil.rmtree(self.folder, ignore_errors=True)

    def add_piece(self, number: int, records: dict[str, np.ndarray]) -> Path:
        """Write a piece of the records and return its folder. Raises UserError if that fails."""
        folder = self._piece_folder(number)
        self._check_claim()
        try:
            write_array_folder(folder, records)
        except OSError as error:
            raise _write_error(folder, error) from error
        return folder

    def save(self, leaves: list[np.ndarray], about: dict, pieces: int) -> None:
        """Write the state after the first `pieces` pieces. Raises UserError if that fails."""
        self._check_claim()
        path = self.folder / STATE_NAME
        unfinished = path.with_name(f".{os.getpid()}.{STATE_NAME}")
        about = about | {"inputs": self.inputs, "pieces": pieces, "leaves": len(leaves)}
        arrays: dict[str, Any] = {f"leaf{number}": leaf for number, leaf in enumerate(leaves)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(unfinished, "wb") as file:
                np.savez(file, about=np.array(json.dumps(about)), **arrays)
            os.replace(unfinished, path)
        except OSError as error:
            raise _write_error(path, error) from error

    def _piece_folder(self, number: int) -> Path:
        return self.folder / f"draws-{number}"

    def _check_claim(self) -> None:
        if not owns_file(self.output):
            raise UserError(
                f"{self.output}: another job has taken it over since this one started. "
                "This one ends here."
            )


def collect_fit_inputs(
    ids: StageIds, model: ModelSource, settings: dict, compute: ComputeSettings, data_hash: str
) -> dict:
    """
    Return the attributes of an artefact that say what a fit depends on.

    Parameters
    ----------
    ids : StageIds
        Study, model and fit.
    model : ModelSource
        The model's entry in the study, and its files.
    settings : dict
        The fit's entry in the study.
    compute : ComputeSettings
        Seed and float type.
    data_hash : str
        Hash of the data.

    Returns
    -------
    dict
        Provenance (see `collect_provenance`), hashes of model and data, and float type.
    """
    packages = ("jax", "jaxlib", "numpyro", "numpy")
    names = {"model": ids.model, "fit": ids.fit}
    attributes = collect_provenance("fit", ids.study, settings, compute.seed, packages, **names)
    return attributes | {
        "model_hash": hash_files(model.files),
        "data_hash": data_hash,
        "float_type": compute.float_type,
    }


def open_checkpoint(
    folder: str | Path | None,
    output: str | Path,
    attributes: dict,
    model: ModelSource,
    code_files: Iterable[str],
) -> Checkpoint | None:
    """
    Return the checkpoint of a fit, or None without a folder.

    Parameters
    ----------
    folder : str or Path, or None
        The folder of the checkpoint.
    output : str or Path
        The artefact that the fit writes.
    attributes : dict
        The attributes of `collect_fit_inputs`.
    model : ModelSource
        The model's entry in the study.
    code_files : iterable of str
        Files of the stage's code.

    Returns
    -------
    Checkpoint or None
        The checkpoint, with all that the fit depends on.
    """
    if not folder:
        return None
    inputs = {name: attributes[name] for name in INPUT_ATTRIBUTES}
    inputs |= {
        "names": " ".join(attributes[name] for name in ("study", "model", "fit")),
        "spec": hash_values(model.spec),
        "code": hash_files(list(code_files)),
    }
    return Checkpoint(folder, inputs, output)


def _write_error(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: the checkpoint cannot be written ({error.strerror or error}). Check the disk."
    )
