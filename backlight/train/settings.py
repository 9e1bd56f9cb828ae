"""The settings of a training run, each declared once.

The same declaration is the command-line flag, the environment variable (BACKLIGHT_LR), the key in
a TOML file, what the run folder records, and the check of the value, with its sentence.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backlight.errors import UsageError, nearest

Convert = Callable[[str, Any], Any]


_SHOWN = 80
_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_MOST_LAYERS = 100
_WIDEST = 2**20


def _refuse(name: str, given: Any, needs: str, remedy: str = "") -> UsageError:
    told = repr(given) if isinstance(given, str) else str(given)
    if len(told) > _SHOWN:
        told = f"{told[:_SHOWN]}… ({len(told):,} characters)"
    return UsageError(
        f"setting {name}", got=told, needs=needs, remedy=remedy or f"Give {name} such a value."
    )


def _real(given: Any) -> float:
    """The number that a value or a text is; ValueError or TypeError if it is none."""
    if isinstance(given, (bool, bytes)) or (isinstance(given, str) and "_" in given):
        raise ValueError
    try:
        return float(given)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


def _whole(given: Any) -> int:
    """The whole number that a value or a text is, in digits 0–9; else ValueError."""
    if isinstance(given, (bool, float)) or not _WHOLE.fullmatch(str(given).strip()):
        raise ValueError
    return int(str(given))


def number(
    *, above: float | None = None, least: float | None = None, below: float | None = None
) -> Convert:
    """A converter for finite numbers within bounds, from text or TOML."""
    bounds = [
        sign
        for sign in (
            f"> {above:g}" if above is not None else "",
            f"≥ {least:g}" if least is not None else "",
            f"< {below:g}" if below is not None else "",
            "finite",
        )
        if sign
    ]
    needs = "a number " + " and ".join(bounds)

    def convert(name: str, given: Any) -> float:
        try:
            value = _real(given)
        except (TypeError, ValueError):
            raise _refuse(name, given, needs) from None
        if (
            not math.isfinite(value)
            or (above is not None and value <= above)
            or (least is not None and value < least)
            or (below is not None and value >= below)
        ):
            raise _refuse(name, given, needs)
        return value

    return convert


def count(least: int = 1, most: int | None = None) -> Convert:
    """A converter for whole numbers within bounds."""
    needs = f"a whole number ≥ {least}" + (f" and ≤ {most}" if most is not None else "")

    def convert(name: str, given: Any) -> int:
        try:
            value = _whole(given)
        except ValueError:
            raise _refuse(name, given, needs) from None
        if value < least or (most is not None and value > most):
            raise _refuse(name, given, needs)
        return value

    return convert


def part() -> Convert:
    """A converter for a part of the data: a fraction between 0 and 1, or a count of examples."""
    needs = "a fraction between 0 and 1, or a whole number of examples ≥ 1"

    def convert(name: str, given: Any) -> float | int:
        try:
            value = _real(given)
        except (TypeError, ValueError):
            raise _refuse(name, given, needs) from None
        if not math.isfinite(value) or value <= 0:
            raise _refuse(name, given, needs)
        if value < 1:
            return value
        if value != int(value) or (value == 1 and "." in str(given)):
            raise _refuse(name, given, needs)
        return int(value)

    return convert


def widths() -> Convert:
    """A converter for layer widths: "512,256" or [512, 256]."""
    needs = "widths of hidden layers, whole numbers ≥ 1, such as 128 or 512,256"

    def convert(name: str, given: Any) -> tuple[int, ...]:
        parts = (
            given.split(",")
            if isinstance(given, str)
            else (list(given) if isinstance(given, (list, tuple)) else [given])
        )
        if len(parts) > _MOST_LAYERS:
            raise _refuse(name, given, f"{needs}, for at most {_MOST_LAYERS} layers")
        return tuple(width(name, given, place, one) for place, one in enumerate(parts, start=1))

    def width(name: str, given: Any, place: int, one: Any) -> int:
        try:
            size = _real(one)
        except (TypeError, ValueError):
            size = math.nan
        if math.isfinite(size) and size > _WIDEST:
            raise _refuse(
                name,
                given,
                f"{needs}; hidden layer {place} of {size:g} units would take "
                f"{size * 4 / 2**30:,.1f} GiB for each input that it has",
                "Use fewer units.",
            )
        try:
            exact = _whole(one)
        except ValueError:
            exact = 0
        if exact < 1:
            raise _refuse(
                name, given, f"{needs}; hidden layer {place} was given {str(one)[:_SHOWN]!r}"
            )
        return exact

    return convert


def choice(options: Callable[[], list[str]], *, prefixes: tuple[str, ...] = ()) -> Convert:
    """A converter for one of a closed set of names; the nearest is suggested."""

    def convert(name: str, given: Any) -> str:
        text = str(given)
        known = options()
        if text in known:
            return text
        for prefix in prefixes:
            if text.startswith(prefix):
                if not _sound_text(text[len(prefix) :]):
                    raise _refuse(name, given, f"a path after {prefix}, without control characters")
                return text
        raise _refuse(
            name,
            given,
            "a known name",
            nearest(text, [*known, *(prefix + "PATH" for prefix in prefixes)]),
        )

    return convert


def flag() -> Convert:
    """A converter for yes or no."""

    def convert(name: str, given: Any) -> bool:
        text = str(given).lower()
        if text in ("true", "1", "yes", "on"):
            return True
        if text in ("false", "0", "no", "off"):
            return False
        raise _refuse(name, given, "true or false")

    return convert


def text() -> Convert:
    """A converter that takes any text without control characters."""

    def convert(name: str, given: Any) -> str:
        if not isinstance(given, str) or not _sound_text(given):
            raise _refuse(name, given, "a text that is not empty, without control characters")
        return given

    return convert


def _sound_text(given: str) -> bool:
    """Whether a text has something in it, and nothing that a TOML file could not hold."""
    return bool(given.strip()) and not any(
        ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in given
    )


def _models() -> list[str]:
    from backlight.models import names

    return names()


def _precisions() -> list[str]:
    from backlight.native.compile import PRECISIONS

    return list(PRECISIONS)


def _optimizers() -> list[str]:
    from backlight.optim import rules

    # One that asks for the loss several times a step has no place in a mini-batch loop.
    return [name for name, rule in rules().items() if not rule.needs_closure]


def _schedules() -> list[str]:
    from backlight.optim import schedules

    return list(schedules())


def _data_sets() -> list[str]:
    from backlight.data import known_names

    return [name for name in known_names() if ":" not in name]


def setting(
    default: Any,
    convert: Convert,
    help: str,
    alias: str = "",
    among: Callable[[], list[str]] | None = None,
) -> Any:
    """A field of `Settings`: default, converter, one line of help, and the names it can take."""
    return dataclasses.field(
        default=default, metadata={"convert": convert, "help": help, "alias": alias, "among": among}
    )


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes. None stands for the recipe's own value."""

    data: str = setting(
        "digits",
        choice(_data_sets, prefixes=("folder:", "faces:", "stream:")),
        "data set: folder:PATH, stream:PATH (read image by image), faces:PATH, or one of",
        among=_data_sets,
    )
    data_dir: str | None = setting(None, text(), "folder that holds the data set's files")
    model: str = setting("convnet", choice(_models), "one of", among=_models)
    epochs: int | None = setting(None, count(1, 10**9), "times every training example is seen")
    batch_size: int | None = setting(None, count(1, 2**31), "examples a step")
    optimizer: str | None = setting(
        None, choice(_optimizers), "update rule: one of", among=_optimizers
    )
    lr: float | None = setting(
        None, number(above=0), "learning rate at its highest", alias="learning-rate"
    )
    schedule: str | None = setting(
        None, choice(_schedules), "how the learning rate changes: one of", among=_schedules
    )
    warmup: int = setting(0, count(0), "steps over which the learning rate rises from 0")
    momentum: float | None = setting(None, number(least=0, below=1), "momentum, for sgd")
    weight_decay: float | None = setting(None, number(least=0), "λ of ½λ‖w‖², or AdamW's")
    clip: float | None = setting(None, number(above=0), "largest norm of the whole gradient")
    ema: float | None = setting(
        None, number(least=0, below=1), "decay of the averaged parameters that are evaluated"
    )
    hidden: tuple[int, ...] = setting((), widths(), "widths of hidden layers, such as 512,256")
    dropout: float | None = setting(
        None, number(least=0, below=1), "probability of dropping a unit"
    )
    augment: bool | None = setting(None, flag(), "shift (and flip) the training images at random")
    image_size: int | None = setting(
        None, count(4, 4096), "side to which images of a folder are resized, in pixels"
    )
    validation: float | int = setting(0.15, part(), "validation split: fraction or count")
    test: float | int = setting(0.15, part(), "test split, where the data have none of their own")
    limit: int | None = setting(None, count(2), "use only this many training examples")
    seed: int = setting(0, count(0, 2**63 - 1), "seed of every random number")
    checkpoint_every: int = setting(1, count(1), "epochs between checkpoints")
    compile: bool = setting(True, flag(), "run each step as one native program")
    check: bool = setting(True, flag(), "compare the program with eager and float64 as it runs")
    precision: str = setting(
        "float32", choice(_precisions), "how products are taken: one of", among=_precisions
    )
    threads: int | None = setting(None, count(1, 256), "threads of the program; all cores if unset")
    workers: int | None = setting(
        None, count(0, 256), "processes that read the images of stream:PATH; one a core if unset"
    )
    skip_bad: int = setting(0, count(0), "damaged images of folder:PATH or stream:PATH left out")

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], origin: str = "") -> dict[str, Any]:
        """Checked values for the keys of `given`; hyphens and underscores are the same.

        Raises
        ------
        UsageError
            If a key is unknown or a value is not allowed; the message says where it stands.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        aliases = {
            str(f.metadata["alias"]).replace("-", "_"): f.name
            for f in known.values()
            if f.metadata["alias"]
        }
        checked = {}
        for key, value in given.items():
            name = str(key).replace("-", "_")
            name = aliases.get(name, name)
            if name not in known:
                raise UsageError(
                    origin or "settings",
                    got=f"the unknown key {str(key)[:_SHOWN]!r}",
                    needs="known settings",
                    remedy=nearest(name, known),
                )
            shown = name.replace("_", "-")
            if name in checked:
                raise UsageError(
                    f"setting {shown}",
                    got="two values",
                    needs="one",
                    source=f"It was set in {origin}." if origin else "",
                    remedy="Leave one of its two spellings out.",
                )
            try:
                checked[name] = known[name].metadata["convert"](shown, value)
            except UsageError as error:
                raise error.within(
                    error.subject, f"It was set in {origin}." if origin else ""
                ) from None
        return checked

    def as_dict(self) -> dict[str, Any]:
        """The settings that have a value, as plain types for TOML and JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }
