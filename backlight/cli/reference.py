"""`backlight reference [GATE]`: what a gate computes, its gradient, role, domain and kinks."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter


def reference(
    gate: str | None = None,
    /,
    *,
    markdown: Annotated[bool, Parameter(negative="", help="the whole reference")] = False,
) -> int:
    """Show what a gate declares; without a name, list all gates.

    Parameters
    ----------
    gate
        Name of a gate, such as softmax.
    """
    from backlight.gates import find, gates
    from backlight.gates.reference import entry, page, signature

    if markdown:
        sys.stdout.write(page())
    elif gate is not None:
        sys.stdout.write(entry(find(gate)))
    else:
        width = max(len(one.name) for one in gates())
        for one in sorted(gates(), key=lambda g: g.name):
            sys.stdout.write(
                f"{one.name:<{width}}  {one.role.name.lower():<11}  {signature(one)}\n"
            )
    return 0
