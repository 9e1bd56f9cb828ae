"""IDX, the format of MNIST's files: a magic number, the lengths, then the numbers, row by row.

The header is read first and says how much content there must be; at most one byte more is read,
so that a compressed file cannot unfold into more.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from backlight.data.files import decompressed, shown
from backlight.errors import DataError

Array = np.ndarray[Any, Any]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4
_MOST_BYTES = 1 << 33
_AGAIN = "Download it again and compare its checksum."


def read_idx(path: str | Path) -> Array:
    """The array of an IDX file, plain or compressed with gzip.

    Parameters
    ----------
    path : str or Path
        The file; whether it is compressed is seen in its first bytes.

    Returns
    -------
    ndarray
        Of 1 to 4 dimensions, in the machine's byte order.

    Raises
    ------
    DataError
        Wrong magic, type or number of dimensions; shorter or longer than its header says.
    """
    path = Path(path)
    with decompressed(path) as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
            raise DataError(
                shown(path),
                got=f"the first bytes {magic.hex(' ') or '(none)'}",
                needs=f"00 00, a type ({', '.join(f'{code:02x}' for code in _TYPES)}) and the "
                "number of dimensions",
                remedy="Name an IDX file, such as MNIST's.",
            )
        dimensions = magic[3]
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise DataError(
                shown(path),
                got=f"{dimensions} dimensions in its header",
                needs=f"1 to {_MOST_DIMENSIONS}",
                remedy=_AGAIN,
            )
        lengths = stream.read(4 * dimensions)
        if len(lengths) < 4 * dimensions:
            raise DataError(
                shown(path),
                got="an end within the header",
                needs=f"{dimensions} lengths of 4 bytes",
                remedy=_AGAIN,
            )
        shape = struct.unpack(f">{dimensions}I", lengths)
        dtype = np.dtype(_TYPES[magic[2]])
        count = math.prod(shape) * dtype.itemsize
        if count > _MOST_BYTES:
            raise DataError(
                shown(path),
                got=f"a header for {count} bytes, shape {shape}",
                needs=f"at most {_MOST_BYTES} bytes",
                remedy=_AGAIN,
            )
        content = stream.read(count + 1)
    if len(content) != count:
        present = f"{len(content)} bytes" if len(content) < count else "more bytes"
        raise DataError(
            shown(path),
            got=f"{present} of content",
            needs=f"{count}, as its header says: shape {shape}",
            remedy=_AGAIN,
        )
    values: Array = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)
