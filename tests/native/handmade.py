"""Tiny kernels written by hand, as a workload for the loop that runs them."""

import functools

import numpy as np

from backlight.native.machine_code import build
from backlight.native.running.table import Table

TEXT = """
declare i64 @llvm.smin.i64(i64, i64)

; a[i] += 1
define void @increment(ptr %operands, i64 %begin, i64 %end) {
entry:
  %array = load ptr, ptr %operands
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %place = getelementptr i64, ptr %array, i64 %i
  %old = load i64, ptr %place
  %new = add i64 %old, 1
  store i64 %new, ptr %place
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}

; b[i] = a[n-1-i]·3 + scalar: wrong if another thread's part of a is not written yet
define void @mirror(ptr %operands, i64 %begin, i64 %end) {
entry:
  %a = load ptr, ptr %operands
  %b_at = getelementptr ptr, ptr %operands, i64 1
  %b = load ptr, ptr %b_at
  %scalar_at = getelementptr ptr, ptr %operands, i64 2
  %scalar_place = load ptr, ptr %scalar_at
  %scalar = load i64, ptr %scalar_place
  %n_at = getelementptr ptr, ptr %operands, i64 3
  %n = load i64, ptr %n_at
  %last = sub i64 %n, 1
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %other = sub i64 %last, %i
  %from = getelementptr i64, ptr %a, i64 %other
  %old = load i64, ptr %from
  %tripled = mul i64 %old, 3
  %sum = add i64 %tripled, %scalar
  %to = getelementptr i64, ptr %b, i64 %i
  store i64 %sum, ptr %to
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}

; the error word becomes 7 when chunk 5 is reached
define void @fail(ptr %operands, i64 %begin, i64 %end) {
  %word = load ptr, ptr %operands
  %low = icmp sle i64 %begin, 5
  %high = icmp sgt i64 %end, 5
  %inside = and i1 %low, %high
  br i1 %inside, label %set, label %done
set:
  store atomic i64 7, ptr %word monotonic, align 8
  br label %done
done:
  ret void
}

; keeps the processor busy: about a millisecond a chunk
define void @busy(ptr %operands, i64 %begin, i64 %end) {
entry:
  %sink = load ptr, ptr %operands
  %chunks = sub i64 %end, %begin
  %turns = mul i64 %chunks, 1000000
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %x = phi i64 [ 88172645463325252, %entry ], [ %mixed, %head ]
  %shifted = shl i64 %x, 7
  %once = xor i64 %x, %shifted
  %back = lshr i64 %once, 9
  %mixed = xor i64 %once, %back
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %head, label %done
done:
  store i64 %mixed, ptr %sink
  ret void
}
"""


@functools.cache
def library():
    return build.load([build.compile_object(TEXT)])


def address(name):
    return library().address(name)


def mirrors(n=97, depth=20):
    """A chain in which every record needs what all threads wrote in the one before."""
    buffers = [np.arange(n, dtype=np.int64), np.zeros(n, np.int64)]
    scalar = np.array([1], np.int64)
    table = Table()
    for step in range(depth):
        a, b = buffers[step % 2], buffers[1 - step % 2]
        # The last operand is a number, which the kernel does not follow.
        table.add(
            address("mirror"), [a.ctypes.data, b.ctypes.data, scalar.ctypes.data, n], chunks=n
        )
    table.keep(library(), buffers, scalar)
    return table, buffers, scalar


def mirrored(n, depth, repetitions=1, scalars=None):
    """What `mirrors` computes, by NumPy."""
    buffers = [np.arange(n, dtype=np.int64), np.zeros(n, np.int64)]
    for repetition in range(repetitions):
        scalar = 1 if scalars is None else scalars[repetition]
        for step in range(depth):
            with np.errstate(over="ignore"):
                buffers[1 - step % 2][:] = buffers[step % 2][::-1] * 3 + scalar
    return buffers
