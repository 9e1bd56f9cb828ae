"""The two ways in: watch a function that trains, or examine a model with its data and loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backlight import optim, philox
from backlight.data.dataset import DataSet, Examples
from backlight.doctor.diagnosis import Diagnosis, diagnose
from backlight.doctor.evidence import Evidence
from backlight.doctor.left_alone import left_as_it_was
from backlight.doctor.listening import Enough, listening
from backlight.doctor.looking import look_at
from backlight.doctor.session import INTERRUPTED, Look, Session
from backlight.doctor.trained import Trained
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, BacklightError, UsageError
from backlight.nn.module import Module

Array = np.ndarray[Any, Any]

STEPS, BATCH, FEW = 60, 32, 20
"""Steps of the short training, examples of a batch, and how many are to be learnt by heart."""


def watch(
    function: Callable[[], Any],
    *,
    seconds: float | None = None,
    steps: int | None = None,
    target: str = "",
) -> Diagnosis:
    """Run a function that trains, listen to it, and say what is wrong.

    Parameters
    ----------
    function : callable
        Trains in any way: with an optimiser or by hand, with modules or bare tensors. It may
        answer with a case, (model, loss, data) or (model, loss, data, optimizer); that is examined.
    seconds, steps : numbers, optional
        Stop it after this time, or after so many updates.
    target : str
        How the diagnosis calls it.

    Returns
    -------
    Diagnosis

    Raises
    ------
    Exception
        What the function raises, unless a fault was found before, which may explain it: the
        diagnosis then tells the error too.

    Examples
    --------
    >>> from backlight import nn, optim, tensor
    >>> import numpy as np
    >>> def train():
    ...     rng = np.random.RandomState(0)
    ...     x = rng.randn(64, 2).astype("float32")
    ...     y = (x[:, 0] > x[:, 1]).astype(int)
    ...     model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    ...     rule = optim.SGD(model.parameters(), lr=0.1)
    ...     for _ in range(20):
    ...         loss = nn.functional.cross_entropy(model(tensor(x)), tensor(y))
    ...         loss.backward()
    ...         rule.step()
    >>> [fault.probe for fault in watch(train).faults]
    ['gradients_not_zeroed']
    """
    answer: Any = None
    with listening(seconds, steps) as session:
        try:
            answer = function()
        except Enough:
            pass
        except (KeyboardInterrupt, SystemExit) as ended:
            if not session.backwards:
                raise
            session.stopped = INTERRUPTED if isinstance(ended, KeyboardInterrupt) else ""
        except Exception as problem:  # whatever a script raises: what was seen may explain it
            session.error = problem
    if not session.backwards and is_case(answer):
        return examine(answer[0], answer[2], answer[1], *answer[3:4], target=target)
    if session.error is not None and not (session.models or session.backwards):
        raise session.error
    if not (session.models or session.backwards):
        called = target or getattr(function, "__name__", "the function")
        raise _nothing(called, answer, session.stopped)
    found = diagnose(Evidence(session), target)
    if session.error is not None and found.ok:
        raise session.error
    return found


def _nothing(target: str, answer: Any, stopped: str) -> UsageError:
    """Neither a model nor a loss was seen, and the answer is no case."""
    got = "no training: neither a model nor a backward pass was seen"
    if stopped:
        got += f" in {stopped}"
    elif isinstance(answer, tuple) and answer:
        kinds = ", ".join(type(one).__name__ for one in answer[:5])
        got = f"no training, and the answer ({kinds})"
    return UsageError(
        target,
        got=got,
        needs="a function that trains, or one that answers with (model, loss, data)",
        remedy="Name the function in which loss.backward() is called; data is (inputs, targets).",
    )


def is_case(answer: Any) -> bool:
    """Whether a function answered with (model, loss, data) or (model, loss, data, optimizer)."""
    return (
        isinstance(answer, tuple)
        and len(answer) in (3, 4)
        and isinstance(answer[0], Module)
        and callable(answer[1])
    )


def examine(
    model: Any,
    data: Any,
    loss: Callable[[Any, Any], Any],
    optimizer: Any = None,
    *,
    validation: Any = None,
    steps: int = STEPS,
    batch_size: int = BATCH,
    seed: int = 0,
    history: Sequence[Mapping[str, Any]] = (),
    trained: Trained | None = None,
    target: str = "",
) -> Diagnosis:
    """Train a model for a moment on its data, and say what is wrong. It is left as it was.

    Parameters
    ----------
    model : Module
        Called with a batch of inputs.
    data : (inputs, targets), Examples or DataSet
        The training split; of a DataSet the validation split is taken too.
    loss : callable
        loss(scores, targets) → one number.
    optimizer : Optimizer, optional
        Over the model's parameters. Default: Adam with lr 1e-3.
    validation : (inputs, targets) or Examples, optional
        To be evaluated, and compared with the training split.
    steps, batch_size, seed : int
        Of the short training.
    history : sequence of mappings
        The lines of a run's metrics, whose curve is then judged instead of the short one.
    trained : Trained, optional
        What `look_back` saw of the model as the run left it; `model` is as the run began.
    target : str
        How the diagnosis calls it.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ArgumentError
        If the data are no inputs with targets.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.data import load
    >>> moons = load("moons").train
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> examine(model, (moons.inputs, moons.labels), nn.CrossEntropyLoss()).ok
    True
    """
    if isinstance(data, DataSet):
        validation = data.validation if validation is None else validation
        data = data.train
    inputs, targets = _pair(data)
    held_out = None if validation is None else _pair(validation)
    with left_as_it_was(model, optimizer):
        model.train()
        with listening() as session:
            rule = optimizer or optim.Adam(list(model.named_parameters()), lr=1e-3)
            try:
                _train(model, inputs, targets, loss, rule, steps, batch_size, seed)
                if held_out is not None:
                    _evaluate(model, held_out[0][:256])
            except BacklightError as problem:
                if not session.backwards:
                    raise
                session.error = problem
        few = None
        if session.error is None:
            few = _few(model, inputs[:FEW], targets[:FEW], loss, session)
        # Batches are the doctor's own, mixed; what is judged is the order of the data themselves.
        seen = Evidence(session, None if held_out is None else held_out[0], history, few, trained)
        return diagnose(seen, target)


def _pair(data: Any) -> tuple[Array, Array]:
    """Inputs and targets as arrays of equal length."""
    if isinstance(data, Examples):
        return np.asarray(data.inputs), np.asarray(data.labels)
    if isinstance(data, (tuple, list)) and len(data) == 2:
        inputs, targets = (np.asarray(getattr(one, "_value", one)) for one in data)
        if inputs.dtype == np.float64:
            inputs = inputs.astype(np.float32)
        if inputs.ndim and targets.ndim and len(inputs) == len(targets) and len(inputs):
            return inputs, targets
    raise ArgumentError(
        "doctor",
        got=f"data that are a {type(data).__name__}",
        needs="a pair (inputs, targets) of the same length, Examples or a DataSet",
        remedy="Pass for example (x, y) with shapes (n, …) and (n,).",
    )


def _train(
    model: Any,
    inputs: Array,
    targets: Array,
    loss: Any,
    rule: Any,
    steps: int,
    batch_size: int,
    seed: int,
) -> None:
    size = min(batch_size, len(inputs))
    taken, epoch = 0, 0
    while taken < steps:
        order = philox.permutation(seed + epoch, 8000, len(inputs))
        epoch += 1
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            scores = model(Tensor(inputs[chosen]))
            cost = loss(scores, Tensor(targets[chosen]))
            rule.zero_grad()
            cost.backward()
            rule.step()
            taken += 1
            if taken == steps:
                return


def _evaluate(model: Any, inputs: Array) -> None:
    model.eval()
    with no_grad():
        model(Tensor(inputs))
    model.train()


def _few(model: Any, inputs: Array, targets: Array, loss: Any, session: Session) -> Look | None:
    """A pass over a few examples, without dropout, from where the short training came to."""
    model.eval()
    try:
        scores = model(Tensor(inputs))
        cost = loss(scores, Tensor(targets))
        return look_at(cost, session, scores) if cost.requires_grad else None
    finally:
        model.train()
