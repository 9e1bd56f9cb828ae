"""Elementwise rules as functions of arrays, and how far a result is from the truth."""

import ctypes
import functools

import numpy as np
from llvmlite import ir

from backlight.native.functions.mathematics import FUNCTIONS
from backlight.native.machine_code.build import compile_object, load
from backlight.native.machine_code.emit import kernel, operand
from backlight.native.machine_code.machine import host, named


def written(rule, dtypes, machine, lanes):
    """A module whose function computes a rule of arrays, and the type of the result."""
    module = ir.Module()
    code, operands, begin, end = kernel("sweep", module, machine)
    *inputs, output = (operand(code, operands, place) for place in range(len(dtypes) + 1))
    found = []

    def turn(index):
        numbers = [
            code.load(base, index, dtype, lanes) for base, dtype in zip(inputs, dtypes, strict=True)
        ]
        result = rule(code, *numbers)
        found.append(result.dtype)
        code.store(result, output, index)

    code.loop(begin, end, lanes, turn)
    code.finish()
    return module, found[0]


def with_rule(rule, dtypes=("float32",), machine=None, lanes=16):
    """The rule as a function of arrays, which are padded to whole vectors."""
    machine = machine or host()
    module, dtype = written(rule, dtypes, machine, lanes)
    library = load([compile_object(str(module), machine)])
    address = library.address("sweep")
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(address)

    def run(*arrays):
        whole = -(-len(arrays[0]) // 64) * 64
        padded = [np.resize(one, whole) for one in arrays]
        result = np.empty(whole, dtype)
        bases = (ctypes.c_void_p * (len(arrays) + 1))(
            *(one.ctypes.data for one in (*padded, result))
        )
        function(ctypes.addressof(bases), 0, whole)
        return result[: len(arrays[0])]

    run.library = library
    return run


@functools.cache
def compiled(name, dtypes, target, lanes):
    machine = named(target) if target and target != host().name else host()
    lanes = lanes or machine.lanes(np.dtype(dtypes[-1]).itemsize)
    return with_rule(FUNCTIONS[name], dtypes, machine, lanes)


def compute(name, *arrays, target="", lanes=0):
    """The native function of arrays."""
    return compiled(name, tuple(str(one.dtype) for one in arrays), target, lanes)(*arrays)


def distance(got, true):
    """Units in the last place between a result and the true value, given in a wider type."""
    limit = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = true.astype(got.dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), limit.max)).astype(true.dtype)
        found = np.abs(got.astype(true.dtype) - true) / unit
    equal = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(equal, 0.0, np.where(np.isnan(found), np.inf, found))


def same_bits(x, y):
    kind = f"u{x.dtype.itemsize}"
    return (x.view(kind) == y.view(kind)) | ((x != x) & (y != y))
