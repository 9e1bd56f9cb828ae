"""The frameworks that Backlight is compared with: how they are imported and installed."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

from backlight.errors import UsageError, nearest


@dataclass(frozen=True)
class Peer:
    """What a framework is imported as, and installed as."""

    module: str
    package: str


PEERS = {
    "numpy": Peer("numpy", "numpy"),
    "torch": Peer("torch", "torch"),
    "jax": Peer("jax", "jax"),
    "tinygrad": Peer("tinygrad", "tinygrad"),
    "micrograd": Peer("micrograd", "micrograd"),
    "faiss": Peer("faiss", "faiss-cpu"),
    "scikit-learn": Peer("sklearn", "scikit-learn"),
}
OURS = "backlight"
COMPILED = "backlight (compiled)"
EAGER = "backlight (eager)"


def chosen(names: str | None) -> tuple[str, ...]:
    """The peers of a comma-separated list; all of them where there is none.

    Raises
    ------
    UsageError
        If one is unknown.

    Examples
    --------
    >>> chosen("torch,jax")
    ('torch', 'jax')
    """
    if names is None:
        return tuple(PEERS)
    found = tuple(filter(None, (name.strip() for name in names.split(","))))
    for name in found:
        if name not in PEERS:
            raise UsageError(
                "--peers",
                got=repr(name),
                needs="names of peers, separated by commas",
                remedy=nearest(name, PEERS),
            )
    return found


def version(framework: str) -> str:
    """The version of a framework in this Python."""
    package = PEERS[framework].package if framework in PEERS else framework
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def how_to_install(framework: str) -> str:
    """The command that installs a peer."""
    return f"pip install {PEERS[framework].package}"
