import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.data.layout import is_ignored, lay_out
from backlight.errors import DataError

TINY = [
    "t/train/n2/images/n2_0.JPEG",
    "t/train/n1/images/n1_0.JPEG",
    "t/val/images/v0.JPEG",
    "t/val/images/v1.JPEG",
    "t/test/images/test_0.JPEG",
]
ANNOTATED = {
    "t/wnids.txt": b"n2\nn1\n",
    "t/words.txt": b"n1\tcrane, bird\nn2\tbarrel\nn3\tx\n",
    "t/val/val_annotations.txt": b"v0.JPEG\tn2\t0\t0\t9\t9\nv1.JPEG\tn1\t1\t1\t8\t8\n",
}


def placed(images, texts=None, **options):
    layout = lay_out(images, texts or {}, "pets", **options)
    return layout.classes, {
        split: [(path, layout.classes[label]) for path, label in pairs]
        for split, pairs in layout.splits.items()
    }


@pytest.mark.parametrize("around", ["", "pets/", "a/b/pets/"])
def test_a_folder_for_each_class_at_any_depth(around):
    images = [around + path for path in ("dog/1.png", "cat/tabby/2.png", "cat/1.png", "loose.png")]
    if around:
        images.pop()  # beside the class folders it would stop the looking through
    assert placed(images) == (
        ("cat", "dog"),
        {
            "train": [
                (around + "cat/1.png", "cat"),
                (around + "cat/tabby/2.png", "cat"),
                (around + "dog/1.png", "dog"),
            ]
        },
    )


@pytest.mark.parametrize(
    ("val", "test"), [("val", "test"), ("validation", "testing"), ("Valid", "TEST")]
)
def test_splits_by_folders_whatever_their_spelling(val, test):
    classes, splits = placed(
        [f"{split}/{name}/1.png" for split in ("train", val, test) for name in ("dog", "cat")]
    )
    assert classes == ("cat", "dog")
    assert list(splits) == ["train", "validation", "test"] or set(splits) == {
        "train",
        "validation",
        "test",
    }
    assert [name for _, name in splits["validation"]] == ["cat", "dog"]
    assert placed(["train/a/1.png", "train/b/1.png"])[0] == ("a", "b")


def test_a_class_may_be_called_train():
    assert placed(["train/1.png", "bus/1.png", "test/1.png"])[0] == ("bus", "test", "train")


def test_tiny_imagenet_takes_the_classes_of_its_val_images_from_their_list():
    classes, splits = placed(TINY, ANNOTATED)
    assert classes == ("crane", "barrel")
    assert splits == {
        "train": [
            ("t/train/n1/images/n1_0.JPEG", "crane"),
            ("t/train/n2/images/n2_0.JPEG", "barrel"),
        ],
        "test": [("t/val/images/v0.JPEG", "barrel"), ("t/val/images/v1.JPEG", "crane")],
    }


def test_two_classes_with_one_word_keep_their_codes():
    texts = ANNOTATED | {"t/words.txt": b"n1\tcrane, bird\nn2\tcrane, machine\n"}
    assert placed(TINY, texts)[0] == ("crane (n1)", "crane (n2)")
    assert placed(TINY, {k: v for k, v in ANNOTATED.items() if "words" not in k})[0] == ("n1", "n2")


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (b"v0.JPEG\tn2\n", "v1.JPEG got no line"),
        (b"v0.JPEG n2\n", "line 1: 'v0.JPEG n2'"),
        (b"v0.JPEG\tn2\nv1.JPEG\tn7\n", "classes in test that train does not have: n7"),
    ],
)
def test_a_val_list_that_does_not_fit_is_told(annotations, message):
    with pytest.raises(DataError, match=message):
        placed(TINY, ANNOTATED | {"t/val/val_annotations.txt": annotations})


def test_numbers_in_names_count_by_value_where_asked():
    images = [f"s{k}/{n}.pgm" for k in (10, 2, 1) for n in (10, 9)]
    assert placed(images)[0] == ("s1", "s10", "s2")
    classes, splits = placed(images, by_number=True)
    assert classes == ("s1", "s2", "s10")
    assert [path for path, _ in splits["train"]] == [
        "s1/9.pgm",
        "s1/10.pgm",
        "s2/9.pgm",
        "s2/10.pgm",
        "s10/9.pgm",
        "s10/10.pgm",
    ]


@pytest.mark.parametrize(
    ("images", "folders", "message"),
    [
        ([], [], "pets got no images"),
        (["1.png", "2.png"], [], "0 class folders and 2 images beside class folders"),
        (["cat/1.png", "cat/2.png"], [], r"1 class folder \('cat', 2 images\)"),
        (["cat/1.png", "dog/1.png"], ["cat", "dog", "eel", "cat/small"], "without images: eel"),
        (
            ["train/a/1.png", "train/b/1.png", "val/a/1.png"],
            ["train/c", "val/b"],
            "without images: c",
        ),
        (["train/a/1.png", "train/b/1.png", "val/z/1.png"], [], "validation that .* not have: z"),
        (["Cat/1.png", "cat/1.png"], [], "'Cat' and 'cat', which look alike"),
        (["\u1112\u1161/1.png", "\ud558/1.png"], [], "look alike"),
        (["a\udcff/1.png", "b/1.png"], [], r"'a\\udcff' whose name is not UTF-8"),
    ],
)
def test_what_is_no_layout_is_told(images, folders, message):
    with pytest.raises(DataError, match=message):
        placed(images, folders=folders)


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>",
        "[bold]",
        "%s",
        "{0}",
        "__proto__",
        "🙂",
        "';DROP",
        "a\x1b[2J",
    ],
)
def test_a_strange_name_is_a_class_as_it_is(name):
    assert name in placed([f"{name}/1.png", "b/1.png"])[0]
    with pytest.raises(DataError) as caught:
        placed([f"{name}/1.png"])
    assert "\x1b" not in str(caught.value)


def test_ignored_names():
    assert [
        is_ignored(path) for path in ("a/.b/c.png", "__MACOSX/a/1.png", "a/Thumbs.db", "a/b.c")
    ] == [True, True, True, False]


@given(
    st.lists(st.text("ab/.trainvl0", min_size=1, max_size=12), max_size=8),
    st.dictionaries(
        st.sampled_from(["wnids.txt", "words.txt", "val/val_annotations.txt"]),
        st.binary(max_size=20),
    ),
)
def test_any_paths_are_laid_out_or_refused(paths, texts):
    try:
        layout = lay_out(paths, texts, "any")
    except DataError:
        return
    assert len(layout.classes) >= 2
    assert {label for _, label in layout.splits["train"]} == set(range(len(layout.classes)))
