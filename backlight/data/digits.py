"""The handwritten digits that come with scikit-learn: what `backlight train` learns by default."""

from __future__ import annotations

import numpy as np

from backlight.data.dataset import DataSet, Examples


def load_digits() -> DataSet:
    """1,797 images of handwritten digits, 8×8, grey levels 0 … 16; all in the train split.

    Returns
    -------
    DataSet
        Inputs uint8 (1797, 1, 8, 8), classes "0" … "9". There is no published test split: it is
        to be split from train.

    Examples
    --------
    >>> load_digits()
    DataSet('digits': 10 classes, train 1797 × (1, 8, 8), from scikit-learn)

    Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", 1998.
    """
    from sklearn.datasets import load_digits as published

    bunch = published()
    images = np.asarray(bunch.images)[:, None].astype(np.uint8)
    labels = np.asarray(bunch.target).astype(np.int64)
    classes = tuple(str(name) for name in bunch.target_names)
    return DataSet("digits", classes, Examples(images, labels), source="scikit-learn")
