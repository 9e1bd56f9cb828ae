"""Transforms: what they learn, from whom, and that bytes do not wrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from backlight import philox
from backlight.data.normalize import Normalize
from backlight.data.transform import Compose, Flatten, ToFloat, Transform
from backlight.data.whiten import Whiten
from backlight.errors import ArgumentError, CheckpointError, DataError, ShapeError


def images(n=40, seed=0, shape=(3, 8, 8)):
    words = philox.integers(seed, 0, n * int(np.prod(shape)))
    return (words >> np.uint32(24)).astype(np.uint8).reshape(n, *shape)


@pytest.mark.parametrize("per", ["pixel", "channel"])
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=6)))
@settings(max_examples=50)
def test_fit_is_numpys_mean_and_std(per, inputs):
    axes = 0 if per == "pixel" else (0, 2, 3)
    normalize = Normalize.fit(inputs, per=per)
    mean, std = (f(inputs.astype(np.float64), axis=axes) for f in (np.mean, np.std))
    np.testing.assert_allclose(normalize.mean.reshape(mean.shape), mean, rtol=1e-13)
    varies = np.ptp(inputs, axis=axes) > 0
    np.testing.assert_allclose(
        normalize.std.reshape(std.shape), np.where(varies, std, 1), rtol=1e-12
    )
    assert normalize.constant == np.count_nonzero(~varies)
    out = normalize(inputs)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert abs(out.mean(axis=axes, dtype=np.float64)).max() < 1e-4


def test_bytes_do_not_wrap():
    normalize = Normalize(mean=200.0, std=1.0)
    assert normalize(np.array([[100, 255]], np.uint8)).tolist() == [[-100.0, 55.0]]
    assert ToFloat()(np.array([[255]], np.uint8)).dtype == np.float32
    with pytest.raises(DataError, match="int64"):
        ToFloat()(np.array([[255]]))


def test_sums_of_bytes_do_not_overflow():
    inputs = np.full((70_000, 1, 1, 2), 255, np.uint8)
    inputs[0] = 0
    assert Normalize.fit(inputs, per="pixel").mean.ravel() == pytest.approx(
        255 * 69_999 / 70_000, rel=1e-14
    )


def test_poisoned_validation_data_changes_nothing():
    """The statistics are a function of the training split alone."""
    pool = images(60)
    train, validation = pool[:40], pool[40:]
    clean, white = Normalize.fit(train, per="pixel"), Whiten.fit(train, components=5)
    validation[:] = 255
    assert (Normalize.fit(train, per="pixel").mean == clean.mean).all()
    before = clean.mean.copy(), clean.std.copy()
    clean(validation)
    assert (clean.mean == before[0]).all()
    assert (clean.std == before[1]).all()
    assert (Whiten.fit(train, components=5).components == white.components).all()


def test_transforms_leave_their_input_alone():
    batch = images(4)
    kept = batch.copy()
    for transform in (Normalize.fit(batch), Whiten.fit(batch), ToFloat(), Flatten()):
        transform(batch)
        assert (batch == kept).all()
    floating = kept.astype(np.float32)
    Normalize.fit(batch)(floating)
    assert (floating == kept).all()


@pytest.mark.parametrize("value", [0.1, 1e-30, 1e30, -7.3])
def test_constant_features_are_found_exactly_and_said(value):
    inputs = np.stack([np.full(1000, value), np.arange(1000.0)], axis=1).astype(np.float32)
    normalize = Normalize.fit(inputs)
    assert normalize.std[0] == 1
    assert normalize.constant == 1
    assert "1 of 2 channels is constant" in normalize.note
    assert "1 constant" in repr(normalize)
    assert np.isfinite(normalize(inputs)).all()
    assert Normalize.fit(inputs[:, 1:]).note == ""


def test_a_constant_whose_mean_rounds_is_still_constant():
    inputs = np.full((1000, 1), 0.1)
    assert inputs.sum(axis=0)[0] / 1000 != 0.1  # so that the computed std is not 0
    normalize = Normalize.fit(inputs)
    assert (normalize.std[0], normalize.constant) == (1, 1)


def test_large_mean_beside_small_spread_is_not_lost():
    inputs = 1e6 + np.arange(16, dtype=np.float32).reshape(16, 1)
    out = Normalize.fit(inputs)(inputs)
    np.testing.assert_allclose(out.mean(dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(dtype=np.float64), 1, rtol=1e-6)
    # The mean lies between two float32 numbers.
    between = np.array([[0], [0.0625], [0.0625]], np.float32) + np.float32(1e6)
    np.testing.assert_allclose(
        Normalize.fit(between)(between).ravel(),
        [-np.sqrt(2), np.sqrt(0.5), np.sqrt(0.5)],
        rtol=1e-5,
    )
    doubles = 1e9 + np.linspace(0, 1e-3, 50)[:, None]
    assert Normalize.fit(doubles)(doubles).std() == pytest.approx(1, rel=1e-4)


def test_mean_image_only_is_subtracted_only():
    out = Normalize.fit(images(), per="pixel", scale=False)(images())
    np.testing.assert_allclose(out, images() - images().mean(axis=0), atol=1e-4)
    back = Normalize.fit(images()).invert(Normalize.fit(images())(images()))
    np.testing.assert_allclose(back, images(), atol=1e-3)


@pytest.mark.parametrize(("count", "place"), [(1, (7, 1, 2, 3)), (3, (0, 0, 0, 1))])
def test_not_finite_training_data_is_counted_and_placed(count, place):
    inputs = images().astype(np.float32)
    inputs[39, 2, 7, 8 - count + 1 :] = np.inf
    inputs[place] = np.nan
    said = ", ".join(str(i) for i in place)
    for fit in (Normalize.fit, Whiten.fit):
        with pytest.raises(DataError, match=rf"{count} value.*nan at \[{said}\]"):
            fit(inputs)


def test_bad_arguments_of_normalize():
    with pytest.raises(ArgumentError, match="per='image'"):
        Normalize.fit(images(), per="image")
    with pytest.raises(ArgumentError, match=r"std of 0\.0"):
        Normalize(0.0, 0.0)
    with pytest.raises(ArgumentError, match="finite"):
        Normalize(np.nan)
    with pytest.raises(DataError, match=r"shape \(0, 3\)"):
        Normalize.fit(np.zeros((0, 3)))
    with pytest.raises(DataError, match="shape"):
        Normalize.fit(["a"])
    with pytest.raises(ShapeError, match=r"batch of shape \(40, 1, 8, 8\)"):
        Normalize.fit(images())(images()[:, :1])
    with pytest.raises(ShapeError, match="shape"):
        Normalize.fit(images(), per="pixel")(images(shape=(3, 9, 9)))


def test_channel_statistics_as_a_plain_list():
    out = Normalize([1, 2, 3], [1, 1, 2])(np.full((2, 3, 2, 2), 5, np.uint8))
    assert out[0, :, 0, 0].tolist() == [4, 3, 1]


def test_state_goes_through_arrays():
    chain = Compose([ToFloat(), Normalize.fit(images() / 255.0, per="pixel"), Flatten()])
    state = chain.state_dict()
    assert sorted(state) == ["1.constant", "1.mean", "1.std"]
    other = Compose([ToFloat(), Normalize(0.0), Flatten()])
    other.load_state_dict(state)
    assert (other(images()) == chain(images())).all()
    single = Normalize.from_state_dict(Normalize.fit(images()).state_dict())
    assert (single(images()) == Normalize.fit(images())(images())).all()
    with pytest.raises(CheckpointError, match="place 1"):
        Compose([ToFloat()]).load_state_dict(state)
    with pytest.raises(CheckpointError, match="no name"):
        other.load_state_dict({})
    with pytest.raises(CheckpointError, match="mean"):
        Compose([Flatten(), Flatten()]).load_state_dict(state)
    with pytest.raises(CheckpointError, match="mean"):
        Normalize(0.0).load_state_dict({"mean": np.zeros(1)})


def test_whitened_covariance_is_the_identity():
    mixed = philox.normal(1, 0, (2000, 12), np.float64) @ philox.normal(2, 0, (12, 12), np.float64)
    inputs = 200 * mixed + 50
    whiten = Whiten.fit(inputs)
    z = whiten(inputs)
    np.testing.assert_allclose(z.T @ z / 2000, np.eye(12), atol=1e-6)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(whiten.invert(z), inputs, rtol=1e-9, atol=1e-9)
    # The first principal component has the largest variance, and PCA keeps variances.
    along = Whiten.fit(inputs, components=3, scale=False)(inputs)
    np.testing.assert_allclose(along.var(axis=0), whiten.eigenvalues[:3])
    assert (np.diff(whiten.eigenvalues) <= 0).all()


def test_whitening_divides_by_the_root_of_eigenvalue_plus_epsilon():
    inputs = np.array([[-3.0, 0], [3, 0], [0, 0], [0, 0]])
    np.testing.assert_allclose(
        Whiten.fit(inputs)(inputs)[:, 0], inputs[:, 0] / np.sqrt(4.5 + 1e-5), rtol=1e-12
    )
    assert np.isfinite(Whiten.fit(inputs)(inputs)).all()


def test_components_that_are_kept_reconstruct_best():
    inputs = images(200, shape=(1, 6, 6))
    errors = []
    for kept in (1, 12, 36):
        whiten = Whiten.fit(inputs, components=kept)
        errors.append(np.abs(whiten.invert(whiten(inputs)) - inputs.reshape(200, -1)).mean())
    assert errors[0] > errors[1] > 100 * errors[2]
    state = Whiten.fit(inputs, 4).state_dict()
    assert (Whiten.from_state_dict(state)(inputs) == Whiten.fit(inputs, 4)(inputs)).all()
    assert Whiten.fit(inputs).explained.sum() == pytest.approx(1)


def test_bad_arguments_of_whiten():
    with pytest.raises(ArgumentError, match="components=200"):
        Whiten.fit(images(), components=200)
    with pytest.raises(ArgumentError, match="components=0"):
        Whiten.fit(images(), components=0)
    with pytest.raises(ArgumentError, match="epsilon=0"):
        Whiten.fit(images(), epsilon=0)
    with pytest.raises(ShapeError, match="192"):
        Whiten.fit(images())(images()[:, :1])


def test_a_transform_without_apply_and_a_class_in_compose():
    with pytest.raises(NotImplementedError, match="Transform defines no apply"):
        Transform()(np.zeros((1, 1)))
    with pytest.raises(ArgumentError, match="place 0"):
        Compose([3])
