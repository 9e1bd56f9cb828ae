"""Every gate of the table on every sample: forward, gradient and second gradient, compiled."""

import numpy as np
import pytest

from backlight.errors import TraceError
from backlight.gates import find, gates
from backlight.native.compile import compile
from tests.native.derived import derived, inputs_of

GATES = list(gates())
GROUP = 8
BARS = {np.float64: 1e-10, np.float32: 4e-6}


def traceable(gate, sample):
    """A mask in an index makes a shape that depends on values: the one thing that is refused."""
    return not (gate.name in ("index", "index_add") and "mask" in str(sample.attributes))


def apart(found, wanted, size):
    """The largest difference, by the largest number of the gate's results or of this one."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return np.inf
    if wanted.dtype.kind != "f":
        return 0.0 if np.array_equal(found, wanted) else np.inf
    odd = ~np.isfinite(wanted)
    if not np.array_equal(found[odd], wanted[odd], equal_nan=True):
        return np.inf
    gap = np.abs(found[~odd].astype(np.float64) - wanted[~odd])
    return float(gap.max(initial=0.0)) / max(size, 1e-30)


def arrays(found):
    return [np.asarray(x.detach() if hasattr(x, "detach") else x) for x in found]


def largest(found):
    floats = [x[np.isfinite(x)] for x in found if x.dtype.kind == "f"]
    return max((float(np.abs(x).max(initial=0.0)) for x in floats), default=0.0)


@pytest.mark.parametrize("dtype", BARS, ids=["float64", "float32"])
@pytest.mark.parametrize("first", range(0, len(GATES), GROUP), ids=lambda at: GATES[at].name)
def test_compiled_as_eager(first, dtype):
    """Many gates are one program, so that the whole table takes a minute."""
    cases = [
        (gate, sample)
        for gate in GATES[first : first + GROUP]
        for sample in gate.samples()
        if traceable(gate, sample)
    ]

    def everything(given):
        return [
            derived(gate, sample.attributes, wires)
            for (gate, sample), wires in zip(cases, given, strict=True)
        ]

    given = [inputs_of(sample, dtype) for _, sample in cases]
    compiled = compile(everything, threads=1)
    found, wanted = compiled(given), everything(given)
    wrong = []
    for (gate, sample), mine, eager in zip(cases, found, wanted, strict=True):
        mine, eager = arrays(mine), arrays(eager)
        for number, (x, y) in enumerate(zip(mine, eager, strict=True)):
            gap = apart(x, y, largest([y]) if dtype is np.float64 else largest(eager))
            if not gap <= BARS[dtype]:
                wrong.append(f"{gate.name} [{sample}] result {number}: {gap:.3g} apart")
    assert not wrong, "\n".join(wrong)
    assert compiled.programs == 1


def test_a_mask_in_an_index_is_refused_by_name():
    key = ("mask",)
    x, mask = np.arange(3.0), np.array([True, False, True])
    with pytest.raises(TraceError, match="mask"):
        compile(lambda x, mask: find("index")(x, mask, key=key))(x, mask)
