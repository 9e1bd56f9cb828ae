"""`backlight verify RUN`: proof that a run comes to the same bits, however it is run."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from backlight.errors import UsageError


def verify(
    run: str,
    /,
    *,
    steps: Annotated[str, Parameter(help="steps of each comparison")] = "8",
    json: Annotated[bool, Parameter(negative="", help="one JSON object")] = False,
) -> int:
    """Prove that a run is the same on any threads, eager or compiled, killed or not.

    It works in copies and leaves the run as it is. Exit code 1 says that something differs.

    Parameters
    ----------
    run
        Run folder.
    """
    from backlight.train import strict_json
    from backlight.train.verify import verify as prove

    if not steps.strip().isdecimal() or not 1 <= int(steps) <= 10**6:
        raise UsageError(
            "--steps", got=repr(steps), needs="a whole number from 1", remedy="Write --steps 8."
        )
    live = sys.stderr.isatty() and not json
    found = prove(run, int(steps), _announce if live else lambda _: None)
    ok = all(proof.ok is not False for proof in found)
    if json:
        proofs = [{"name": one.name, "ok": one.ok, "told": one.told} for one in found]
        sys.stdout.write(strict_json.dumps({"run": run, "ok": ok, "proofs": proofs}) + "\n")
        return 0 if ok else 1
    width = max(len(proof.name) for proof in found)
    for proof in found:
        mark = {True: "✓", False: "✗", None: "–"}[proof.ok]
        sys.stdout.write(f"{mark} {proof.name:{width}}  {proof.told}\n")
    sys.stdout.write("all the same\n" if ok else "not the same\n")
    return 0 if ok else 1


def _announce(name: str) -> None:
    sys.stderr.write(f"{name} …\n")
