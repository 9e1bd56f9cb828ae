"""Arrays to and from safetensors, with the checks that the library leaves to its caller."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from backlight.errors import CheckpointError
from backlight.train import strict_json

Array = np.ndarray[Any, Any]

MOST_TENSORS = 10_000
LARGEST_HEADER = 4 * 2**20
MOST_AXES = 32
_KINDS = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
}
_SIZES = {kind: np.dtype(name).itemsize for kind, name in _KINDS.items()}
_FIELDS = {"dtype", "shape", "data_offsets"}
_LARGEST = 2**63
_GROUP_LIMITS = [  # Linux's control groups, version 2 and version 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
]


def to_bytes(arrays: Mapping[str, Array]) -> bytes:
    """The arrays as one safetensors file.

    Raises
    ------
    CheckpointError
        An array of a type that the format lacks, or more than it is read with.
    """
    from safetensors.numpy import save

    ready = {}
    for name, array in arrays.items():
        native = array.dtype.newbyteorder("=")
        if native.name not in _KINDS.values() or not name or name == "__metadata__":
            raise CheckpointError(
                f"array {name[:80]!r}",
                got=f"type {array.dtype}",
                needs=f"a name, and one of {', '.join(_KINDS.values())}",
                remedy="Convert it before it is saved.",
            )
        ready[name] = np.ascontiguousarray(array, dtype=native).reshape(array.shape)
    content = save(ready)
    _check_header(_header(content, "checkpoint")[0], "checkpoint")
    return content


def nonfinite(arrays: Mapping[str, Array]) -> list[str]:
    """The names of the arrays that hold NaN or infinity.

    Examples
    --------
    >>> nonfinite({"weight": np.array([1.0, np.nan]), "bias": np.zeros(2)})
    ['weight']
    """
    return [
        name
        for name, array in arrays.items()
        if array.dtype.kind == "f" and not np.isfinite(array).all()
    ]


def from_bytes(content: bytes, subject: str) -> dict[str, Array]:
    """The arrays of a safetensors file.

    Raises
    ------
    CheckpointError
        If the header breaks the format in any way: its length, its JSON, a repeated name, an
        unknown type, a shape that does not match its bytes, a hole or an overlap.
    """
    refuse_foreign(content, subject)
    header, data_length = _header(content, subject)
    _check_header(header, subject)
    _check_layout(header, data_length, subject)
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except Exception as problem:  # the library raises several kinds of its own
        raise _damaged(subject, f"a file that cannot be read ({problem})") from problem


def refuse_foreign(content: bytes, subject: str) -> None:
    """Refuse what looks like a file of PyTorch's or a pickle, and say how to convert it.

    Raises
    ------
    CheckpointError
        If the bytes begin like a zip archive or a pickle.
    """
    # A safetensors file may begin with 0x80 too: its header's length, whose high bytes are zero.
    pickle = content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05" and any(content[3:8])
    if content.startswith(b"PK\x03\x04") or pickle:
        raise CheckpointError(
            subject,
            got="a PyTorch file or another pickle, which could run code when it is read",
            needs="what Backlight writes, or safetensors",
            remedy='Convert it with PyTorch: safetensors.torch.save_file(torch.load("model.pt", '
            'weights_only=True), "model.safetensors")',
        )


def check_room(size: int, subject: str) -> None:
    """Refuse a file that would not fit into the memory that is free.

    Raises
    ------
    CheckpointError
        If reading `size` bytes would take more than is available.
    """
    available = _free_memory()
    if 2 * size > available:
        raise CheckpointError(
            subject,
            got=f"{size / 2**30:.2f} GiB of tensors",
            needs=f"at most half of the {available / 2**30:.2f} GiB that are free",
            remedy="Close other programs, or use a machine with more memory.",
        )


def _free_memory() -> int:
    """Bytes that are free, on the machine and within the limit of a container."""
    free = int(psutil.virtual_memory().available)
    for limit in _GROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max", or no such group
            free = min(free, int(limit.read_text()) - psutil.Process().memory_info().rss)
    return max(0, free)


def _header(content: bytes, subject: str) -> tuple[dict[str, Any], int]:
    if len(content) < 8:
        raise _damaged(subject, f"{len(content)} bytes, fewer than any safetensors file")
    (length,) = struct.unpack("<Q", content[:8])
    if length > LARGEST_HEADER or 8 + length > len(content):
        raise _damaged(
            subject,
            f"a header of {length:,} bytes in a file of {len(content):,}, "
            f"where at most {LARGEST_HEADER:,} are allowed",
        )
    text = content[8 : 8 + length]
    if not text.startswith(b"{"):
        raise _damaged(subject, "a header that does not begin with {")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=strict_json.unique)
    except (ValueError, RecursionError) as problem:
        raise _damaged(subject, f"a header that is not strict JSON ({problem})") from None
    return header, len(content) - 8 - length


def _check_header(header: Any, subject: str) -> None:
    if not isinstance(header, dict) or len(header) > MOST_TENSORS:
        raise _damaged(subject, f"a header that is not a table of at most {MOST_TENSORS:,} tensors")
    notes = header.get("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(one, str) for one in notes.values()):
        raise _damaged(subject, "a __metadata__ that is not a table of texts")


def _check_layout(header: dict[str, Any], data_length: int, subject: str) -> None:
    spans = sorted(
        _span(name, entry, data_length, subject)
        for name, entry in header.items()
        if name != "__metadata__"
    )
    reached = 0
    for start, end, name in spans:
        if start != reached:
            raise _damaged(subject, f"a hole or an overlap before tensor {name[:80]!r}")
        reached = end
    if reached != data_length:
        raise _damaged(subject, f"{data_length - reached} bytes that belong to no tensor")


def _span(name: str, entry: Any, data_length: int, subject: str) -> tuple[int, int, str]:
    """First byte, byte after the last, and name of a tensor whose entry makes sense."""
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise _damaged(subject, f"an unreadable entry for tensor {name[:80]!r}")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _SIZES:
        raise _damaged(subject, f"tensor {name[:80]!r} of the unknown type {str(kind)[:20]!r}")
    # Lengths before products: a shape of a million numbers would take minutes to multiply.
    if not (
        _whole_numbers(shape)
        and len(shape) <= MOST_AXES
        and _whole_numbers(place)
        and len(place) == 2
    ):
        raise _damaged(subject, f"an unreadable shape or place of tensor {name[:80]!r}")
    start, end = place
    if end - start != math.prod(shape) * _SIZES[kind] or end > data_length:
        raise _damaged(subject, f"tensor {name[:80]!r} of shape {shape} in bytes {start}–{end}")
    return start, end, name


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(one) is int and 0 <= one < _LARGEST for one in value
    )


def _damaged(subject: str, got: str) -> CheckpointError:
    return CheckpointError(
        subject,
        got=got,
        needs="a whole safetensors file",
        remedy="Use an earlier checkpoint, or write it again.",
    )
