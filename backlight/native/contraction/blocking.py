"""Blocking: into which pieces a product is cut, for the caches and for the threads.

A product is cut three ways. K falls into blocks of about 128: shorter sums in registers, added
up in order, are more accurate than one long one, and a block of a panel stays in the first cache.
M and N fall into blocks, one pair of them a *chunk* of work: what a thread takes. The cut depends
on the product's shape alone, so that any number of threads gives the same bits. Where M and N are
too small for that and K is long, K falls into *splits* that are summed by another kernel.

Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.tile import shape_for
from backlight.native.machine_code.machine import Target

DEPTH = 128
FAR, PAGE = 8192, 4096
"""Bytes between neighbours from which on a copy pays, and whose multiples are worst."""

SQUARE = 6, 4
"""The tile that loads least of those that fit into 32 registers."""

SCRATCH = 256 * 1024
"""Bytes of sums and of packed rows of A that one chunk keeps on the stack."""

ROWS = 512
"""Rows of one chunk, at most: their block of A stays in the second cache."""

TEAMS = ((1, 1.0), (2, 1.0), (4, 0.5), (8, 0.5))
"""Numbers of threads that a cut should suit, and their weights."""


@dataclass(frozen=True)
class Blocks:
    """How a product is cut.

    Attributes
    ----------
    rows, vectors, lanes : int
        The register tile.
    m, n : int
        Tiles of rows, and panels of columns, of one chunk.
    m_blocks, n_blocks : int
        How many chunks along M and along N.
    depth : int
        K of a block.
    pack_a, pack_b : bool
        Whether a chunk copies its rows of A, its columns of B, into panels.
    """

    rows: int
    vectors: int
    lanes: int
    m: int
    n: int
    m_blocks: int
    n_blocks: int
    depth: int
    pack_a: bool
    pack_b: bool

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes


def depth_of(k: int) -> int:
    """K of a block: K cut evenly into blocks of about `DEPTH`."""
    blocks = max(1, -(-k // DEPTH))
    return (-(-k // blocks) + 3) // 4 * 4 if blocks > 1 else k


def splits_for(m: int, n: int, k: int, batch: int = 1) -> int:
    """How many pieces K should fall into, so that eight threads have work.

    More than one only where K is long and the output is small.
    """
    outputs = batch * max(1, m // 12) * max(1, n // 64)
    if outputs >= 16 or m * n * k * batch < 1 << 21:
        return 1
    return max(1, min(16 // outputs, k // (2 * DEPTH)))


def blocks_for(
    target: Target,
    dtype: Any,
    batch: int,
    sizes: tuple[int, int, int],
    a_strides: tuple[int, int],
    b_strides: tuple[int, int],
    packed: bool,
    pairs: bool = False,
) -> Blocks:
    """The cut of a product of m × k by k × n, `batch` times.

    `sizes` are m, n and k; `a_strides` are those of i and k, `b_strides` those of k and n;
    `packed` says that B is in panels already, `pairs` that both are packed as pairs of bfloat16.
    """
    m, n, k = sizes
    size = np.dtype(dtype).itemsize
    lanes = target.lanes(size)
    rows, vectors = shape_for(target, dtype, m, n)
    width = vectors * lanes
    depth = depth_of(k)
    m_tiles, n_tiles = -(-m // rows), -(-n // width)
    mask = target.name in ("avx512", "avx2") and size >= 4
    edge = bool(n % lanes) and not mask
    # Straight from the array is faster where rows are less than about a page apart; beyond, and
    # at whole pages, lines fall on one another in the cache.
    step = b_strides[0] * size
    far = (step >= FAR or (step % PAGE == 0 and step > 0)) and m_tiles >= 20
    pack_b = not packed and (b_strides[1] != 1 or edge or far or pairs)
    paged = a_strides[0] == 1 and a_strides[1] * size % PAGE == 0 and k > 1
    if paged and not (pack_b or packed or pairs) and (rows, vectors) == SQUARE and m >= 2 * rows:
        # Lines of A fall on one another in the cache: a higher tile reads fewer of them.
        rows, vectors, width = 2 * rows, vectors // 2, width // 2
        m_tiles, n_tiles = -(-m // rows), -(-n // width)
    near = a_strides[1] == 1 or (a_strides[0] == 1 and a_strides[1] * size < FAR)
    pack_a = pairs or (not near and n_tiles >= 4 and m >= 4)
    b_cost = 0.0 if not pack_b else (8.0 if b_strides[1] == 1 else 16.0) / lanes
    a_cost = 0.5 if pack_a else 0.0
    a_bytes = depth * size if pack_a else 0
    best = (math.inf, 1, 1)
    for m_block in _candidates(m_tiles):
        for n_block in _candidates(n_tiles):
            if m_block * rows > ROWS and m_block > 1:
                continue
            sums = n_block * width * size if k > depth else 0
            if m_block * rows * (sums + a_bytes) > SCRATCH and m_block * n_block > 1:
                continue
            chunk = m_block * n_block * max(rows * vectors / 2, 4.0)
            chunk += n_block * width * (b_cost + 0.06 * size / 4)
            chunk += m_block * rows * (a_cost + 0.06 * size / 4)
            chunk = chunk * k + 100 + 20 * m_block * n_block
            count = batch * -(-m_tiles // m_block) * -(-n_tiles // n_block)
            cost = sum(w * team * -(-count // team) * chunk for team, w in TEAMS)
            # Below some microseconds of work threads cost more than they bring.
            if count > 1 and chunk * count < 40_000 and batch == 1:
                continue
            best = min(best, (cost, m_block, n_block))
    _, m_block, n_block = best
    return Blocks(
        rows,
        vectors,
        lanes,
        m_block,
        n_block,
        -(-m_tiles // m_block),
        -(-n_tiles // n_block),
        depth,
        pack_a,
        pack_b,
    )


def _candidates(tiles: int) -> list[int]:
    """Sizes of blocks: the even cuts of so many tiles, and powers of two."""
    even = {-(-tiles // parts) for parts in range(1, min(tiles, 64) + 1)}
    return sorted(even | {1 << bit for bit in range(max(1, tiles.bit_length()))})
