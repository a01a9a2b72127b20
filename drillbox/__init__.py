"""drillbox: MLOps-in-a-box. Bring up a small machine-learning service, let an incident happen to it, and take charge."""

import os as _os

_ROOMS = ("sandbox", "scenarios", "stacks", "tui")


def _check_rooms(folder: str) -> None:
    """Make sure that the links to the rooms are folders: ZIP downloads, and Windows without links, make small files of them.

    Raises:
        ImportError: one is not; it says what to do.
    """
    broken = [room for room in _ROOMS if not _os.path.isdir(_os.path.join(folder, room))]
    if broken:
        raise ImportError(
            f"this copy of drillbox is incomplete: {', '.join(broken)} in {folder} should be a folder or a link to one. ZIP "
            "downloads, and git on Windows without symbolic links, replace links by small text files. Install the released "
            "package (pip install drillbox), or clone with git on Linux, macOS or WSL2; on Windows itself, switch developer mode "
            "on and clone with `git clone -c core.symlinks=true`"
        )


_check_rooms(_os.path.dirname(_os.path.abspath(__file__)))

__version__: str


def __getattr__(name: str) -> object:
    """`__version__` and `run_drill`, found when first asked for: the import of the package itself costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("drillbox")
    elif name == "run_drill":
        from importlib import import_module

        value = import_module(f"{__name__}.wiring").run_drill
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
