"""The register of studies: each is declared where it is computed and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.studies.board import Board
from backlight.studies.material import Material
from backlight.words import say

Told = tuple[Any, dict[str, Any]]
"""A figure, and the numbers that belong to it."""


@dataclass(frozen=True)
class Asked:
    """What a study is asked: on what, drawn how.

    Attributes
    ----------
    board : Board
    seed : int
        Of everything that is drawn by chance.
    given : Material, optional
        The examples; None for studies that need none.
    index : int
        Which example, where one is looked at.
    p, q : tuple of float
        Two distributions, where distributions are compared.
    """

    board: Board
    seed: int = 0
    given: Material | None = None
    index: int = 0
    p: tuple[float, ...] = (0.5, 0.25, 0.25)
    q: tuple[float, ...] = (0.25, 0.5, 0.25)

    @property
    def material(self) -> Material:
        """The examples.

        Raises
        ------
        ArgumentError
            If none were given.
        """
        if self.given is None:
            raise ArgumentError(
                "study",
                got="no examples",
                needs="a Material",
                remedy="Pass given=material(data).",
            )
        return self.given


@dataclass(frozen=True)
class Study:
    """A question and how it is answered.

    Attributes
    ----------
    name : str
    data : str
        Data set that it takes where none is named; empty if it needs none.
    examples : int
        Training examples that it takes where no number is named.
    run : callable
        From Asked to a figure and its numbers.
    """

    name: str
    data: str
    examples: int
    run: Callable[[Asked], Told] = field(repr=False)

    def question(self, language: str | None = None) -> str:
        """What it answers, in a sentence."""
        return say(f"study.{self.name}.what", language)


STUDIES: dict[str, Study] = {}
"""Every study by name; `backlight.studies.open_all` fills it."""

Run = Callable[[Asked], Told]


def study(name: str, *, data: str = "digits", examples: int = 2000) -> Callable[[Run], Run]:
    """Declare the function below as a study."""

    def declared(run: Run) -> Run:
        STUDIES[name] = Study(name, data, examples, run)
        return run

    return declared


def find(name: str) -> Study:
    """The study of this name.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if name not in STUDIES:
        raise ArgumentError(
            "study",
            got=repr(name),
            needs="a known study",
            remedy=nearest(name, STUDIES).partition(" Known:")[0] + " All: backlight study list",
        )
    return STUDIES[name]
