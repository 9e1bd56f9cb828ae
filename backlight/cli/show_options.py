"""Which options a kind of picture looks at; one that would change nothing is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from backlight.errors import UsageError, nearest

if TYPE_CHECKING:
    from backlight.cli.show import Asked

SPLITS = ("train", "validation")
MOST_EXAMPLES = 20_000
_PICTURE = ("image", "fit", "index", "split")

USED: dict[str, tuple[str, ...]] = {
    "weights": (),
    "layers": ("examples", "layer"),
    "unit": ("examples", "layer", "unit"),
    "features": _PICTURE,
    "saliency": (*_PICTURE, "layer", "target", "method", "answer", "seed"),
    "occlusion": (*_PICTURE, "target", "answer", "patch"),
    "class-image": ("target", "steps", "seed"),
    "dream": ("image", "layer", "steps", "octaves", "seed"),
    "adversary": (*_PICTURE, "target", "method", "epsilon"),
    "boundary": ("examples",),
    "embedding": ("examples", "split", "layer", "method", "seed"),
    "probes": ("examples",),
    "taxonomy": ("examples",),
    "family": (*_PICTURE, "examples"),
    "activations": ("method", "seed"),
    "collapse": ("seed",),
    "note": (),
}
"""The options of each kind, beside --out, --theme, --lang and --json, which all have."""

_DEFAULTS: dict[str, Any] = {
    "fit": False,
    "index": 0,
    "split": "validation",
    "octaves": 4,
    "seed": 0,
}
_FLAGS = {"target": "--class"}
_COMMON = ("kind", "theme", "language")


def check_options(asked: Asked) -> None:
    """Refuse values that are not known, and options that the kind would not look at.

    Raises
    ------
    UsageError
        With the options that the kind has.
    """
    from backlight.words import LANGUAGES

    _among("--split", asked.split, SPLITS)
    _among("--theme", asked.theme, ("light", "dark"))
    _among("--lang", asked.language, tuple(LANGUAGES))
    if asked.examples is not None and not 2 <= asked.examples <= MOST_EXAMPLES:
        raise UsageError(
            "--examples",
            got=str(asked.examples),
            needs=f"2 to {MOST_EXAMPLES:,}",
            remedy="Leave it out.",
        )
    if asked.steps is not None and asked.steps < 1:
        raise UsageError(
            "--steps",
            got=str(asked.steps),
            needs="at least 1",
            remedy="Leave it out.",
        )
    used = USED[asked.kind]
    for field in fields(asked):
        name, value = field.name, getattr(asked, field.name)
        if name in (*_COMMON, *used) or value == _DEFAULTS.get(name):
            continue
        raise UsageError(
            f"show {asked.kind}",
            got=f"{_flag(name)}, which changes nothing in it",
            needs=f"no options but {', '.join(_flag(one) for one in used)}"
            if used
            else "no options but --out, --theme, --lang and --json",
            remedy="Leave it out.",
        )


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name}")


def _among(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise UsageError(
            option,
            got=repr(value),
            needs=" or ".join(known),
            remedy=nearest(value, known),
        )
