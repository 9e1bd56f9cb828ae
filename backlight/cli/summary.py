"""`backlight summary MODEL`: shapes, parameters, memory and multiply-adds, layer by layer."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from backlight.errors import UsageError
from backlight.train.settings import widths


def summary(
    model: str = "convnet",
    /,
    *,
    shape: Annotated[str, Parameter(help="shape of one input, such as 3x32x32")] = "3x32x32",
    classes: Annotated[str, Parameter(help="number of classes")] = "10",
    hidden: Annotated[str | None, Parameter(help="widths of hidden layers")] = None,
    batch: Annotated[str, Parameter(help="examples a batch")] = "1",
) -> int:
    """Show each layer of a model: output shape, parameters, memory and multiply-adds.

    Parameters
    ----------
    model
        Name of a model: softmax, svm, mlp, convnet.
    """
    from backlight import models
    from backlight.nn.summary import summary as summarise
    from backlight.train.memory import check_memory

    size = tuple(_whole("--shape", part) for part in shape.lower().replace("×", "x").split("x"))
    layers = () if hidden is None else widths()("hidden", hidden)
    count, examples = _whole("--classes", classes), _whole("--batch", batch)
    check_memory(model, size, count, layers, 1)
    built = models.build(model, size, count, layers)
    sys.stdout.write(f"{summarise(built.module, (examples, *size))}\n")
    return 0


def _whole(option: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(
            option, got=repr(text), needs="whole numbers ≥ 1", remedy="Write sizes such as 3x32x32."
        )
    return int(text)
