"""Approximate neighbours: recall, saving, and refusals."""

import numpy as np
import pytest

pytest.importorskip("faiss", reason="faiss is not installed")

from backlight.errors import ArgumentError, DataError
from backlight.estimators import KNeighborsClassifier
from backlight.estimators.approximate import ApproximateSearch, compare_searches

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(4000, 16)).astype(np.float32)
QUERIES = RANDOM.normal(size=(100, 16)).astype(np.float32)


def test_more_effort_finds_more():
    rows = compare_searches(POINTS, QUERIES, k=5, efforts=(1, 16, 256))
    assert [row.name for row in rows] == ["exact", *["hnsw"] * 3, *["ivf"] * 3]
    for kind in ("hnsw", "ivf"):
        recalls = [row.recall for row in rows if row.name == kind]
        assert recalls == sorted(recalls)
        assert recalls[-1] > 0.99 > recalls[0]


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_saved_and_loaded_it_finds_the_same(kind, tmp_path):
    search = ApproximateSearch(kind)
    search.add(POINTS[:2000])
    search.add(POINTS[2000:])
    assert len(search) == 4000
    search.save(tmp_path / "index")
    again = ApproximateSearch.load(tmp_path / "index", kind)
    for ours, theirs in zip(search.find(QUERIES, 3), again.find(QUERIES, 3), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_mistakes_are_said(tmp_path):
    with pytest.raises(ArgumentError, match="hnsw"):
        ApproximateSearch("hns")
    with pytest.raises(ArgumentError, match="effort=0"):
        ApproximateSearch(effort=0)
    with pytest.raises(ArgumentError, match="Euclid"):
        ApproximateSearch(p=1)
    search = ApproximateSearch()
    search.add(POINTS[:5])
    with pytest.raises(ArgumentError, match="k=6 among 5"):
        search.find(QUERIES, 6)
    with pytest.raises(DataError, match="no such file"):
        ApproximateSearch.load(tmp_path / "nothing")
    (tmp_path / "damaged").write_bytes(b"IxHNxxxx")
    with pytest.raises(DataError, match="cannot read"):
        ApproximateSearch.load(tmp_path / "damaged")


def test_neighbours_vote_as_the_exact_ones_do():
    labels = (POINTS[:, 0] > 0).astype(int)
    exact = KNeighborsClassifier(5).fit(POINTS, labels)
    for kind in ("hnsw", "ivf"):
        found = KNeighborsClassifier(5, algorithm=kind, effort=300).fit(POINTS, labels)
        assert np.mean(found.predict(QUERIES) == exact.predict(QUERIES)) > 0.98
        with pytest.raises(ArgumentError, match="give its points back"):
            found.kneighbors()
    with pytest.raises(ArgumentError, match="metric='cosine'"):
        KNeighborsClassifier(5, algorithm="hnsw", metric="cosine").fit(POINTS, labels)
    with pytest.raises(ArgumentError, match="hnsw"):
        KNeighborsClassifier(5, algorithm="hns").fit(POINTS, labels)
