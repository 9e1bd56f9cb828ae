import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight.data.dataset import check_examples
from backlight.errors import DataError, RangeError


def labels_of(labels, classes=None):
    examples, names = check_examples(np.zeros((3, 1)), labels, classes)
    return examples.labels.tolist(), names


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2],
        [0.0, 1.0, 2.0],
        [[0], [1], [2]],
        np.eye(3),
        np.eye(3, dtype=bool),
        np.array([0, 1, 2], np.uint8),
        np.array([[0.0], [1.0], [2.0]], np.float16),
    ],
)
def test_common_forms_of_labels_mean_the_same(labels):
    assert labels_of(labels) == ([0, 1, 2], ("0", "1", "2"))


def test_texts_are_classes_in_alphabetical_order_or_in_the_order_given():
    assert labels_of(["b", "a", "b"]) == ([1, 0, 1], ("a", "b"))
    assert labels_of(np.array(["b", "a", "b"], object)) == ([1, 0, 1], ("a", "b"))
    assert labels_of(["b", "a", "b"], ["b", "c", "a"]) == ([0, 2, 0], ("b", "c", "a"))
    assert labels_of([True, False, True]) == ([1, 0, 1], ("0", "1"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, -1, -1], r"label -1 at row 1 \(2 such labels\)"),
        ([0.0, 1.0, -2.0], "label -2.0 at row 2"),
        ([0.0, 0.5, 1.0], "label 0.5 at row 1"),
        ([0.0, float("nan"), 1.0], "label nan at row 1"),
        ([0.0, float("inf"), 1.0], "label inf at row 1"),
        ([0.0, 1e30, 1.0], "label 1e.30 at row 1"),
        ([0, 2**40, 1], "label 1099511627776 at row 1"),
        ([0, 1_000_000, 1], "label 1000000 at row 1"),
        ([[1, 0], [1, 1], [0, 1]], r"row 1 is \[1, 1\]"),
        ([[1.0, 0.0], [0.3, 0.7], [0, 1]], "row 1 is"),
        ([["a", "b"]] * 3, r"shape \(3, 2\)"),
        (["a", None, "b"], "mixed or unknown types: NoneType, str"),
        ([1j, 0j, 1j], "complex"),
        ([0, 1], "3 inputs and 2 labels"),
    ],
)
def test_other_labels_are_refused_by_value_and_row(labels, message):
    with pytest.raises((DataError, RangeError), match=message):
        labels_of(labels)


def test_a_label_beyond_the_classes_and_an_unknown_text_are_named():
    with pytest.raises(RangeError, match=r"label 2 at row 1.*\n.*0 … 1"):
        labels_of([0, 2, 1], ["a", "b"])
    with pytest.raises(RangeError, match="'c' at row 2"):
        labels_of(["a", "b", "c"], ["a", "b"])
    with pytest.raises(DataError, match="one text"):
        labels_of([0, 1, 1], "ab")


@given(
    arrays.arrays(
        st.sampled_from(
            [np.int8, np.uint64, np.float32, np.float64, np.dtype("U2"), np.dtype(bool)]
        ),
        arrays.array_shapes(max_dims=3, max_side=4, min_side=0),
    )
)
def test_any_labels_give_examples_or_an_error_of_ours(labels):
    count = len(labels)
    try:
        examples, classes = check_examples(np.zeros((count, 1)), labels)
    except (DataError, RangeError):
        return
    assert len(examples) == count
    assert 0 <= examples.labels.min() <= examples.labels.max() < len(classes)
