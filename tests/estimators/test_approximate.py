"""Approximate neighbours: recall, saving, and refusals."""

import numpy as np
import pytest

pytest.importorskip("faiss", reason="faiss is not installed")

from backlight.errors import ArgumentError, DataError
from backlight.estimators import KNeighborsClassifier
from backlight.estimators.approximate import (
    ApproximateSearch,
    compare_searches,
    principal_components,
)

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(4000, 16)).astype(np.float32)
QUERIES = RANDOM.normal(size=(100, 16)).astype(np.float32)


def test_more_effort_finds_more():
    labels = (POINTS[:, 0] > 0).astype(int), (QUERIES[:, 0] > 0).astype(int)
    rows = compare_searches(POINTS, QUERIES, k=5, efforts=(1, 16, 256), labels=labels)
    exact = KNeighborsClassifier(5).fit(POINTS, labels[0]).score(QUERIES, labels[1])
    assert rows[0].accuracy == exact == pytest.approx(rows[3].accuracy, abs=0.02)
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


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_wide_points_are_laid_out_by_their_components(kind, tmp_path):
    """A few directions matter most, as in pictures; the true distances decide at the end."""
    scales = (1 / np.arange(1, 301)).astype(np.float32)
    points = RANDOM.normal(size=(3000, 300)).astype(np.float32) * scales + 5
    queries = RANDOM.normal(size=(50, 300)).astype(np.float32) * scales + 5
    exact = KNeighborsClassifier(1).fit(points, np.zeros(3000)).kneighbors(queries, 3)
    search = ApproximateSearch(kind, effort=100)
    search.add(points[:2000])
    search.add(points[2000:])
    distances, places = search.find(queries, 3)
    assert np.mean(places == exact[1]) > 0.95
    same = places == exact[1]
    np.testing.assert_allclose(distances[same], exact[0][same], rtol=1e-3)
    search.save(tmp_path / "index")
    again = ApproximateSearch.load(tmp_path / "index", kind, effort=100)
    np.testing.assert_array_equal(again.find(queries, 3)[1], places)


def test_components_are_orthonormal_and_in_order():
    axes, mean = principal_components(POINTS * np.arange(16, 0, -1), 5)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-5)
    assert abs(axes).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert mean.shape == (16,)


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
