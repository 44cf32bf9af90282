"""Where farshore keeps what is not film: models, checkpoints, plans. Freedesktop's folders, movable by one variable."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder for what cannot be made again at will: ``$FARSHORE_HOME``, else the user's data folder."""
    home = os.environ.get("FARSHORE_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "farshore"


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$FARSHORE_HOME/cache``, else the user's cache folder."""
    if os.environ.get("FARSHORE_HOME"):
        return data_folder() / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "farshore"


def models_folder() -> Path:
    """Return the folder of exported and copied models, ``NAME.onnx`` each; need not exist."""
    return data_folder() / "models"


def checkpoints_folder() -> Path:
    """Return the folder of fetched checkpoints; need not exist."""
    return data_folder() / "checkpoints"


def kernels_folder() -> Path:
    """Return the folder of compiled GPU kernels; need not exist, and may be deleted at any time."""
    return cache_folder() / "kernels"


def plans_folder() -> Path:
    """Return the folder of built engines; need not exist, and may be deleted at any time."""
    return cache_folder() / "plans"
