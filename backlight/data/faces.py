"""The Database of Faces of AT&T Laboratories Cambridge: 40 people, ten photographs of each."""

from __future__ import annotations

from pathlib import Path

from backlight.data.dataset import DataSet
from backlight.data.folder import load_folder


def load_faces(path: str | Path, size: int | tuple[int, int] | None = None) -> DataSet:
    """The faces from sK/N.pgm, in a folder or a tar: 400 grey images of 112×92.

    Parameters
    ----------
    path : str or Path
        The folder that holds s1 … s40, or a tar of it. A folder that holds just orl-faces.tar
        is looked into.
    size : int or (height, width), optional
        As in `load_folder`; without it the photographs keep their size.

    Returns
    -------
    DataSet
        Inputs uint8 (400, 1, 112, 92), classes "s1" … "s40" by number, photographs 1 … 10 of
        each in turn; all in the train split, to be split by class.

    Raises
    ------
    DataError
        As `load_folder`.

    Source: F. Samaria and A. Harter, "Parameterisation of a stochastic model for human face
    identification", 1994.
    """
    path = Path(path)
    for packed in ("orl-faces.tar", "orl-faces/orl-faces.tar", "orl-faces"):
        if path.is_dir() and not (path / "s1").exists() and (path / packed).exists():
            path = path / packed
            break
    return load_folder(path, size, channels=1, name="faces", by_number=True)
