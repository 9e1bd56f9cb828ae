import numpy as np
import pytest

from backlight.data.dataset import DataSet, Examples, check_examples
from backlight.errors import DataError, RangeError


def four(labels=(0, 1, 0, 1), shape=(4, 2)):
    return Examples(np.zeros(shape, np.float32), np.array(labels))


def test_one_example_is_a_pair_and_a_slice_is_examples():
    examples = Examples(np.arange(8.0).reshape(4, 2), np.array([0, 1, 2, 1]))
    values, label = examples[-1]
    assert values.tolist() == [6.0, 7.0]
    assert label == 1
    assert type(label) is int
    assert examples[1:3].labels.tolist() == [1, 2]
    assert examples[np.array([True, False, False, True])].labels.tolist() == [0, 1]
    assert len(examples[[]]) == 0
    assert [label for _, label in examples] == [0, 1, 2, 1]
    assert len(examples) == 4


@pytest.mark.parametrize("index", [4, -5, np.int64(4), [0, 4], [-5]])
def test_an_index_outside_is_refused(index):
    with pytest.raises(RangeError, match=r"4|-5"):
        four()[index]


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        (np.zeros((3, 2)), np.zeros(4, int)),
        (np.zeros(4), np.zeros(4, int)),
        (np.zeros((4, 2)), np.zeros(4)),
        (np.zeros((4, 2)), np.zeros((4, 1), int)),
        (np.array([["a"], ["b"]]), np.zeros(2, int)),
    ],
)
def test_examples_refuse_what_is_not_rows_with_labels(inputs, labels):
    with pytest.raises(DataError):
        Examples(inputs, labels)


def test_a_negative_label_is_named_with_its_row():
    with pytest.raises(RangeError, match="label -1 at row 2"):
        four((0, 1, -1, 1))


def test_a_label_without_a_class_is_named_with_split_and_row():
    with pytest.raises(RangeError, match=r"pets, test split got label 2 at row 3"):
        DataSet("pets", ("cat", "dog"), four(), four((0, 1, 0, 2)))


def test_a_data_set_needs_two_classes_and_examples_of_one_shape():
    with pytest.raises(DataError, match="1 class"):
        DataSet("pets", ("cat",), four((0, 0, 0, 0)))
    with pytest.raises(DataError, match="no examples"):
        DataSet("pets", ("cat", "dog"), four()[:0])
    with pytest.raises(DataError, match=r"test split got inputs of shape \(3,\)"):
        DataSet("pets", ("cat", "dog"), four(), four(shape=(4, 3)))


def test_the_fingerprint_sees_every_input_label_class_and_split():
    base = DataSet("pets", ("cat", "dog"), four())
    changed = four().inputs.copy()
    changed[3, 1] = 1e-30
    others = [
        DataSet("pets", ("cat", "dog"), Examples(changed, four().labels)),
        DataSet("pets", ("cat", "dog"), four((0, 1, 1, 1))),
        DataSet("pets", ("cat", "hog"), four()),
        DataSet("pets", ("cat", "dog"), four(), four()),
        DataSet("pets", ("cat", "dog"), Examples(four().inputs.astype(float), four().labels)),
        DataSet("pets", ("cat", "dog"), Examples(four().inputs.reshape(4, 1, 2), four().labels)),
    ]
    assert len({data.fingerprint for data in [base, *others]}) == 7
    again = DataSet("other name", ("cat", "dog"), four(), source="elsewhere")
    assert again.fingerprint == base.fingerprint
    swapped = Examples(four().inputs.astype(">f4"), four().labels)
    assert DataSet("pets", ("cat", "dog"), swapped).fingerprint == base.fingerprint


def test_nan_and_infinity_are_counted_and_the_first_is_placed():
    inputs = np.zeros((50, 3, 4), np.float32)
    inputs[7, 2, 1] = np.nan
    inputs[9] = np.inf
    with pytest.raises(DataError, match=r"13 of 600 .* first is nan at \[7, 2, 1\]"):
        check_examples(inputs, np.arange(50) % 2)


def test_nan_is_found_behind_the_first_block():
    inputs = np.zeros((5_000_000, 1), np.float32)
    inputs[4_999_999] = -np.inf
    with pytest.raises(DataError, match=r"first is -inf at \[4999999, 0\]"):
        check_examples(inputs, np.arange(len(inputs)) % 2)


def test_inputs_keep_or_change_their_type_by_the_stated_rule():
    labels = [0, 1]
    for given, kept in [
        (np.uint8, np.uint8),
        (np.float32, np.float32),
        (float, float),
        (np.int16, np.float32),
        (bool, np.float32),
        (np.float16, np.float32),
    ]:
        examples, _ = check_examples(np.ones((2, 3), given), labels)
        assert examples.inputs.dtype == kept
    assert check_examples([1.0, 2.0], labels)[0].inputs.shape == (2, 1)


@pytest.mark.parametrize("inputs", [["a", "b"], [[1, 2], [3]], 3.0, [None, 1], [{}, {}]])
def test_inputs_that_are_not_numbers_are_refused(inputs):
    with pytest.raises(DataError):
        check_examples(inputs, [0, 1])


def test_no_examples_and_one_class_are_refused():
    with pytest.raises(DataError, match="no examples"):
        check_examples(np.zeros((0, 2)), [])
    with pytest.raises(DataError, match="all of class '1'"):
        check_examples(np.zeros((3, 2)), [1, 1, 1])
    with pytest.raises(DataError, match="3 inputs and 2 labels"):
        check_examples(np.zeros((3, 2)), [0, 1])
