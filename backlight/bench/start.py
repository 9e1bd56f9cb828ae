"""Starts a contender's process: `python start.py`, in whichever Python the contender lives.

Only the package itself is made importable, from where this file lies: the folder it stands in may
hold other libraries, for another Python, and they must not hide the ones of this.
"""

import importlib
import importlib.util
import sys
from pathlib import Path


def adopt(package: Path) -> None:
    """Make `import backlight` find the package in this folder."""
    spec = importlib.util.spec_from_file_location(
        package.name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[package.name] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    adopt(Path(__file__).resolve().parents[1])
    importlib.import_module("backlight.bench.child").main()
