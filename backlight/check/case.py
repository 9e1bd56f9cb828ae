"""A case under check: a function or model, the tensors its gradient is taken by, in float64.

The check works on float64 copies, so the caller's tensors and model are never touched. What would
make two evaluations differ is held still: random generators start each one from the same state, and
buffers such as running means are set back.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from backlight import dtypes, philox
from backlight.check.difference import EPSILON, Reading
from backlight.check.kink import Recorder
from backlight.engine import random
from backlight.engine.backward import _history, propagate
from backlight.engine.mode import enable_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, DTypeError
from backlight.gates.gate import Gate

Array = np.ndarray[Any, Any]


class Case:
    """A function of named leaves with one or several tensors as results.

    Parameters
    ----------
    run : callable
        Computes the results from the leaves' present values.
    leaves : dict of str to Tensor
        What to differentiate by: float64 leaves, nudged in place.
    state : sequence of Tensor
        Tensors that `run` changes and that are set back before each evaluation.
    generators : sequence of Generator
        Random generators that start each evaluation from their present state.
    seed : int
        Draws the cotangent: random, not uniform, so that no two mistakes cancel.
    ones : bool
        Add the results up instead: readable, but mistakes may cancel.
    """

    blind = False
    """Whether nothing is known of the winners of gates, and so of kinks."""

    def __init__(
        self,
        run: Callable[[], Any],
        leaves: dict[str, Tensor],
        *,
        state: Sequence[Tensor] = (),
        generators: Iterable[Any] = (),
        seed: int = 0,
        ones: bool = False,
    ) -> None:
        self.leaves = leaves
        for leaf in leaves.values():  # a single number may be held as such: it is to be nudged
            leaf._value = np.asarray(leaf._value)
        self._run = run
        self.state = list(state)
        self.generators = list(generators)
        self._state = [(tensor, np.array(tensor._value)) for tensor in state]
        self._generators = [(one, one.state_dict()) for one in (random.default, *generators)]
        self.seed = seed
        self.outputs = self.results()
        self.weights = [
            np.asarray(philox.normal(seed, 900 + place, output.shape, np.float64))
            for place, output in enumerate(self.outputs)
        ]
        self.ones = ones or (len(self.outputs) == 1 and self.outputs[0].size == 1)
        if self.ones:  # a scalar's own gradient is readable
            self.weights = [np.ones(output.shape) for output in self.outputs]

    def results(self) -> list[Tensor]:
        """The floating results of one evaluation, with their history."""
        for tensor, value in self._state:
            tensor._value = np.array(value)
        try:
            return self.history()
        finally:
            for generator, state in self._generators:
                generator.load_state_dict(state)

    def history(self) -> list[Tensor]:
        """The floating results as they come, with nothing set back."""
        with enable_grad():
            found = self._run()
        return [one for one in flattened(found) if one.dtype.kind == "f"]

    def gradients(self, share: float = 1.0, stir: int = 0) -> dict[str, Array]:
        """The analytic gradient of Σ share·weights·results by each leaf; zeros where none flows.

        With `stir`, at inputs whose last digits are changed at random.
        """
        if stir:
            return self._stirred(share, stir)
        outputs = self.results()
        wanted = list(self.leaves.values())
        pairs = [
            (output, weight)
            for output, weight in zip(outputs, self.weights, strict=True)
            if output.requires_grad
        ]
        found = propagate(
            [output for output, _ in pairs],
            [Tensor.share((share * weight).astype(output.dtype)) for output, weight in pairs],
            wanted,
        )
        return {
            name: np.zeros(leaf.shape)
            if gradient is None
            else np.asarray(gradient._value, np.float64)
            for (name, leaf), gradient in zip(self.leaves.items(), found, strict=True)
        }

    def _stirred(self, share: float, stir: int) -> dict[str, Array]:
        before = [np.array(leaf._value) for leaf in self.leaves.values()]
        size = self.rounding
        for place, (leaf, value) in enumerate(zip(self.leaves.values(), before, strict=True)):
            noise = philox.normal(stir, place, value.shape, np.float64)
            leaf._value[...] = value * (1 + size * noise)
        try:
            return self.gradients(share)
        finally:
            for leaf, value in zip(self.leaves.values(), before, strict=True):
                leaf._value[...] = value

    def read(self) -> Reading:
        """One evaluation's numbers in a row, with the winners of its gates."""
        with Recorder() as recorder:
            outputs = self.results()
        return Reading(in_a_row(output._value for output in outputs), recorder.winners)

    @property
    def rounding(self) -> float:
        """Relative rounding of the coarsest type that is computed in on the way."""
        outputs = self.results()
        tensors = [*outputs, *_history([one for one in outputs if one.requires_grad])[0]]
        kinds = {one.dtype for one in tensors if one.dtype.kind == "f"}
        return max([EPSILON, *(float(np.finfo(kind).eps) for kind in kinds)])

    @property
    def cotangent(self) -> Array:
        """The weights of all results in a row."""
        return in_a_row(self.weights)

    @property
    def sizes(self) -> set[int]:
        """The sizes of axes: a factor of one of them is a sum taken for a mean."""
        return {size for leaf in self.leaves.values() for size in leaf.shape}

    def check_repeatable(self) -> None:
        """Refuse a function whose results differ between two evaluations, or that writes.

        Raises
        ------
        ArgumentError
            If the check could not tell a mistake from chance.
        """
        before = [np.array(leaf._value) for leaf in self.leaves.values()]
        first, second = self.read(), self.read()
        if not np.array_equal(first.numbers, second.numbers, equal_nan=True):
            raise ArgumentError(
                "gradcheck",
                got="two different results for the same inputs",
                needs="a function that only its inputs decide",
                remedy="Draw random numbers from backlight's generators, or seed your own inside.",
            )
        for (name, leaf), value in zip(self.leaves.items(), before, strict=True):
            if leaf._value.tobytes() != value.tobytes():
                raise ArgumentError(
                    "gradcheck",
                    got=f"a function that writes into {name}",
                    needs="a function that leaves its inputs as they are",
                    remedy="Compute a new tensor instead of changing the input.",
                )


def of_function(
    function: Callable[..., Any],
    inputs: Any,
    seed: int = 0,
    ones: bool = False,
    kind: type[Case] = Case,
) -> Case:
    """The case of a function or gate and its inputs, copied to float64.

    Tensors with requires_grad are the leaves if there are any, else every floating input is.
    """
    given = several(inputs)
    asked = [isinstance(x, Tensor) and x.requires_grad for x in given]
    names = input_names(function, len(given))
    leaves: dict[str, Tensor] = {}
    arguments: list[Any] = []
    for name, x, wanted in zip(names, given, asked, strict=True):
        chosen = wanted or (not any(asked) and is_floating(x))
        placed = _copy(x, chosen)
        arguments.append(placed)
        if chosen:
            leaves[name] = placed
    if not leaves:
        raise DTypeError(
            "gradcheck",
            got="inputs " + ", ".join(_kind(x) for x in given),
            needs="at least one with floating numbers, to differentiate by",
            remedy="Pass for example numpy.array([1.0, 2.0]).",
        )
    return kind(lambda: function(*arguments), leaves, seed=seed, ones=ones)


def of_model(
    model: Any,
    inputs: Any,
    loss: Any = None,
    seed: int = 0,
    ones: bool = False,
    kind: type[Case] = Case,
) -> Case:
    """The case of a float64 copy of a model, with its loss if there is one.

    Without a loss the inputs all go to the model; with one, the last is the labels.
    """
    given = several(inputs)
    if loss is not None and len(given) < 2:
        raise ArgumentError(
            "gradcheck",
            got=f"a loss, and {len(given)} input" + ("" if len(given) == 1 else "s"),
            needs="the model's inputs and the labels",
            remedy="Pass (inputs, labels), or leave the loss out.",
        )
    own = copy.deepcopy(model).double()
    if loss is not None and hasattr(loss, "named_parameters"):
        loss = copy.deepcopy(loss).double()
    leaves = {
        name: parameter for name, parameter in own.named_parameters() if parameter.requires_grad
    }
    arguments = []
    features = len(given) - (loss is not None)
    for place, x in enumerate(given):
        leaf = place < features and is_floating(x)
        arguments.append(_copy(x, leaf))
        if leaf:
            leaves["input" if features == 1 else f"input {place}"] = arguments[-1]

    def run() -> Any:
        output = own(*arguments[:features])
        return output if loss is None else loss(output, *arguments[features:])

    generators = {
        id(value): value
        for module in own.modules()
        for value in vars(module).values()
        if isinstance(value, random.Generator)
    }
    return kind(
        run,
        leaves,
        state=list(own.buffers()),
        generators=generators.values(),
        seed=seed,
        ones=ones,
    )


def second_order(case: Case) -> Case:
    """The case of the backward pass itself: gradients, by the leaves and by the upstream."""
    upstreams = {
        f"upstream {place}" if len(case.weights) > 1 else "upstream": Tensor(
            weight, dtype=np.float64, requires_grad=True
        )
        for place, weight in enumerate(case.weights)
    }

    def run() -> list[Tensor]:
        pairs = [
            (output, upstream)
            for output, upstream in zip(case.history(), upstreams.values(), strict=True)
            if output.requires_grad
        ]
        found = propagate(
            [output for output, _ in pairs],
            [upstream for _, upstream in pairs],
            list(case.leaves.values()),
            create_graph=True,
            retain_graph=True,
        )
        return [gradient for gradient in found if gradient is not None]

    return type(case)(
        run,
        {**case.leaves, **upstreams},
        state=case.state,
        generators=case.generators,
        seed=case.seed + 1,
    )


def flattened(found: Any) -> list[Tensor]:
    """The tensors of a result, however its tuples are nested (an LSTM's, say)."""
    if isinstance(found, (tuple, list)):
        return [tensor for one in found for tensor in flattened(one)]
    if isinstance(found, dict):
        raise ArgumentError(
            "gradcheck",
            got="a dictionary among the results",
            needs="tensors, to differentiate",
            remedy="Return them in a tuple. A function that answers with (value, gradients) of its "
            "own is checked by check_by_hand, or backlight check --by-hand.",
        )
    return [found] if isinstance(found, Tensor) else []


def in_a_row(arrays: Iterable[Any]) -> Array:
    """All numbers of several arrays as one float64 vector."""
    rows = [np.asarray(array, np.float64).ravel() for array in arrays]
    return np.concatenate(rows) if rows else np.zeros(0)


def several(inputs: Any) -> tuple[Any, ...]:
    """The inputs one by one: a tuple holds several, and so does a list, unless of numbers."""
    if isinstance(inputs, tuple):
        return inputs
    if isinstance(inputs, list) and inputs and not isinstance(inputs[0], (int, float, list)):
        return tuple(inputs)
    return (inputs,)


def _copy(x: Any, leaf: bool) -> Any:
    if leaf:
        return Tensor(x, dtype=np.float64, requires_grad=True)
    if is_floating(x) and not isinstance(x, float):
        return Tensor(x, dtype=np.float64)
    if isinstance(x, (Tensor, np.ndarray, list)):
        return Tensor(x)
    return x


def is_floating(x: Any) -> bool:
    """Whether an input holds fractions, so that a gradient by it can be asked for."""
    if isinstance(x, (int, bool, str, type(None))) or callable(x):
        return False
    if hasattr(x, "dtype"):
        return bool(np.dtype(x.dtype).kind == "f")
    if isinstance(x, (float, list, tuple)):
        return dtypes.is_floating(dtypes.as_array(x, subject="gradcheck").dtype)
    return False


def _kind(x: Any) -> str:
    return str(x.dtype) if hasattr(x, "dtype") else type(x).__name__


def input_names(function: Any, count: int) -> list[str]:
    """The parameter names of the function, or numbers."""
    if isinstance(function, Gate):
        names = [] if function.variadic else list(function.inputs)
    elif hasattr(function, "names"):
        names = list(function.names)
    else:
        try:
            names = [
                p.name
                for p in inspect.signature(function).parameters.values()
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            ]
        except (TypeError, ValueError):
            names = []
    return [names[place] if place < len(names) else f"input {place}" for place in range(count)]
