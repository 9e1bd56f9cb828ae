import numpy as np
import pytest

from backlight.errors import RangeError
from backlight.explain.look.occlusion import occlusion
from tests.explain.look.small import linear


def planted():
    """A classifier that looks at one 2×2 corner, and a picture that has something there."""
    subject = linear(2, (1, 8, 8))
    weights = np.zeros((2, 1, 8, 8), np.float32)
    weights[1, :, 4:6, 2:4] = 3
    subject.module[1].load_state_dict(
        {"weight": weights.reshape(2, 64), "bias": np.zeros(2, np.float32)}
    )
    picture = np.full((1, 8, 8), 0.2, np.float32)
    picture[:, 4:6, 2:4] = 1
    return subject, picture


@pytest.mark.parametrize("answer", ["probability", "score"])
def test_the_map_peaks_on_the_planted_patch(answer):
    subject, picture = planted()
    found = occlusion(subject, picture, 1, patch=2, stride=1, answer=answer)
    assert np.unravel_index(found.answers.argmin(), (7, 7)) == (4, 2)
    row, column = np.unravel_index(found.drop.argmax(), (8, 8))
    assert row in (4, 5)
    assert column in (2, 3)
    assert found.drop[0, 7] == pytest.approx(0, abs=1e-6)


def test_patches_reach_the_border_whatever_the_stride():
    subject, picture = planted()
    found = occlusion(subject, picture, patch=3, stride=3)
    assert found.answers.shape == (3, 3)
    assert np.isfinite(found.drop).all()


@pytest.mark.parametrize(("patch", "stride"), [(0, 1), (9, 1), (2, 0), (2, 3)])
def test_impossible_patches_are_refused(patch, stride):
    with pytest.raises(RangeError, match="occlusion got"):
        occlusion(*planted(), patch=patch, stride=stride)
