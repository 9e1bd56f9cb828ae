import ctypes  # noqa: F401 - imported first, so that the audit below sees only what reading does
import gc
import pickle
import struct
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.data.unpickle import read_pickle
from backlight.errors import DataError

PROTOCOLS = range(6)
BATCH = {
    "data": np.arange(60, dtype=np.uint8).reshape(6, 10),
    "labels": [3, 0, np.int64(4), 9],
    "names": ["a.png", "ü\n.png", "🙂"],
    "more": (1.5, -1, 2**40, -(2**70), None, True, False, b"", b"\x80\xff", (), {}),
}


def python2_string(content):
    """How Python 2 wrote a byte string, short or long."""
    if len(content) < 256:
        return b"U" + bytes([len(content)]) + content
    return b"T" + struct.pack("<i", len(content)) + content


def python2_batch(data, labels, protocol_line=b"\x80\x02"):
    """A CIFAR batch, instruction by instruction as it was published."""
    shape = b"M" + struct.pack("<H", data.shape[0]) + b"M" + struct.pack("<H", data.shape[1])
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03"
        b"K\x00\x85U\x01b\x87R"
        b"(K\x01" + shape + b"\x86cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + python2_string(data.tobytes()) + b"tb"
    )
    items = b"".join(b"K" + bytes([label]) for label in labels)
    return protocol_line + b"}q\x01(U\x04data" + array + b"U\x06labels](" + items + b"eu."


def cost(content):
    """Bytes of memory and seconds of the processor that a reading takes, and what it raises."""
    # What thousands of other tests left on the heap is not to be looked through on our time.
    gc.collect()
    gc.freeze()
    try:
        began = time.process_time()
        with pytest.raises(DataError) as caught:
            read_pickle(content, "batch")
        seconds = time.process_time() - began
    finally:
        gc.unfreeze()
    tracemalloc.start()
    with pytest.raises(DataError):
        read_pickle(content, "batch")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, seconds, str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_and_arrays_come_back_from_every_protocol(protocol):
    read = read_pickle(pickle.dumps(BATCH, protocol), "batch")
    np.testing.assert_array_equal(read.pop("data"), BATCH["data"])
    assert read == {key: value for key, value in BATCH.items() if key != "data"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["u1", "?", "<i2", ">i4", "i8", ">u8", "f2", "<f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_keep_type_shape_and_order(protocol, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    read = read_pickle(pickle.dumps(array, protocol), "array")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_what_python_2_wrote_is_read():
    data = np.arange(600, dtype=np.uint8).reshape(2, 300)
    read = read_pickle(python2_batch(data, [7, 1]), "batch")
    np.testing.assert_array_equal(read[b"data"], data)
    assert read[b"labels"] == [7, 1]
    text = rb"""(dp0
S'data'
p1
S'\xff\x00\'"\\\n'
p2
sS"l'"
p3
(lp4
I5
aI01
aL12345678901234567890L
aF-0.5
aVcaf\u00e9
as."""
    assert read_pickle(text, "text form") == {
        b"data": b"\xff\x00'\"\\\n",
        b"l'": [5, True, 12345678901234567890, -0.5, "café"],
    }


WANTS = [
    b"cos\nsystem\n(S'touch {}'\ntR.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x08touch {}\x85R.",
    b"(S'touch {}'\nios\nsystem\n.",
    b"(cos\nsystem\nS'touch {}'\no.",
    b"\x80\x02cos\nsystem\nU\x08touch {}\x85\x81.",
    b"\x80\x04cos\nsystem\n)}\x92.",
    b"\x80\x02\x82\x01.",
    b"\x80\x02\x83\x01\x00.",
    b"\x80\x02\x84\x01\x00\x00\x00.",
    b"cnumpy\n__builtins__\n.",
    b"cnumpy\nload\n.",
    b"cnumpy.f2py.crackfortran\nmyeval\n.",
    b"cnumpy.testing._private.utils\nrunstring\n.",
    b"cbuiltins\ngetattr\n.",
    b"c__main__\nx\n.",
    b"\x80\x04\x8c\x05numpy\x8c\x08os.system\x93.",
    b"cnumpy.core.multiarray\nos.system\n.",
    b"cnumpy.core.multiarray\nfromfile\n.",
    b"c_codecs\ndecode\n.",
    b"c__builtin__\neval\n.",
    b"Pperson\n.",
    b"K\x01Q.",
    b"\x97.",
    b"\x8f.",
    b"(\x91.",
    b"c_codecs\nencode\n(Vaaaa\nVrot13\ntR.",
    b"c__builtin__\nbytes\n(I1000000000\ntR.",
    b"]K\x01R.",
    b"]}b.",
    b"cnumpy\nndarray\n(I4000000000\ntR.",
    b"cnumpy\nndarray\n}b.",
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\ntR.",
]


@pytest.mark.parametrize("content", WANTS)
def test_a_pickle_that_wants_more_than_data_is_refused_and_nothing_runs(content, tmp_path):
    marker = tmp_path / "marker"
    content = content.replace(b"{}", bytes(marker))
    with pytest.raises(DataError, match=r"batch got a pickle that wants|damaged"):
        read_pickle(content, "batch")
    assert not marker.exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


class WithState(Hostile):
    def __reduce__(self):
        return list, (), {"a": 1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_pickle_itself_writes_of_objects_is_refused_by_name(protocol, tmp_path):
    with pytest.raises(DataError, match=r"wants to import \w+\.open"):
        read_pickle(pickle.dumps([Hostile(str(tmp_path / "marker"))], protocol), "batch")
    assert not (tmp_path / "marker").exists()
    for value in (
        {1, 2},
        bytearray(b"x") if protocol < 5 else {3},
        complex(1),
        WithState(""),
        np.array([object()]),
        np.zeros(2, "V3"),
        np.zeros(2, "i4,f4"),
        range(3),
        np.array(["a"]),
    ):
        with pytest.raises(DataError, match=r"wants|damaged"):
            read_pickle(pickle.dumps(value, protocol), "batch")


def array_pickle(shape, content, letters=b"u1", fortran=b"I00\n", state=b"S'|'\nNNNI-1\nI-1\nI0\n"):
    lengths = b"".join(b"I%d\n" % length for length in shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n("
        + lengths
        + b"tcnumpy\ndtype\n(S'"
        + letters
        + b"'\nI0\nI1\ntR(I3\n"
        + state
        + b"tb"
        + fortran
        + b"S'"
        + content
        + b"'\ntb."
    )


def test_the_array_builder_of_these_tests_is_right():
    assert read_pickle(array_pickle((2, 2), b"abcd"), "a").tolist() == [[97, 98], [99, 100]]
    assert read_pickle(array_pickle((2, 2), b"abcd", fortran=b"I01\n"), "a").tolist() == [
        [97, 99],
        [98, 100],
    ]


@pytest.mark.parametrize(
    "content",
    [
        array_pickle((4_000_000_000,), b"abcd"),
        array_pickle((5,), b"abcd"),
        array_pickle((3,), b"abcd"),
        array_pickle((-4,), b"abcd"),
        array_pickle((-2, -2), b"abcd"),
        array_pickle((2**40, 2**40, 0), b""),
        array_pickle((1,) * 60, b"a"),
        array_pickle((4,), b"abcd", b"O8"),
        array_pickle((1,), b"abcdefgh", b"O"),
        array_pickle((1,), b"abcd", b"V4"),
        array_pickle((1,), b"abcd", b"S4"),
        array_pickle((1,), b"abcdefgh", b"M8"),
        array_pickle((1,), b"abcd", b"i4,i4"),
        array_pickle((1,), b"abcd", b"(2,)i2"),
        array_pickle((1,), b"abcd", b"u1" * 1000),
        array_pickle((4,), b"abcd", state=b"S'|'\n(I1\ntNNI-1\nI-1\nI0\n"),
        array_pickle((4,), b"abcd", state=b"S'!'\nNNNI-1\nI-1\nI0\n"),
        array_pickle((4,), b"abcd", state=b"N"),
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I4000000000\ntS'b'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntRI3\nb.",
    ],
)
def test_an_array_whose_parts_do_not_agree_is_refused_without_memory(content):
    peak, seconds, _ = cost(content)
    assert peak < 1 << 22
    assert seconds < 1


def shared_tuples(depth):
    return b"(t" + b"".join(b"p0\ng0\n\x86" for _ in range(depth))


@pytest.mark.parametrize(
    "content",
    [
        b"\x8e" + struct.pack("<Q", 2**40),
        b"\x8b" + struct.pack("<i", 2**31 - 1),
        b"\x8b" + struct.pack("<i", -1),
        b"\x95" + struct.pack("<Q", 2**40) + b"N.",
        b"T" + struct.pack("<i", -5) + b".",
        b"B" + struct.pack("<I", 2**32 - 1),
        b"\x8d" + struct.pack("<Q", 2**63),
        b"\x96" + struct.pack("<Q", 2**64 - 1),
        b"I" + b"9" * 1_000_000 + b"\n.",
        b"L" + b"9" * 1_000_000 + b"L\n.",
        b"F" + b"9" * 1_000_000 + b"\n.",
        b"}" + shared_tuples(26) + b"K\x01s.",
        b"(" * 1_000_000,
        b"]" * 2_000_000 + b".",
        b"p-1\n.",
        b"g5\n.",
        b"h\x05.",
        b"N" * 10 + b".",
        b"",
        b".",
        b"N",
        b"N.N",
        b"1.",
        b"0.",
        b"a.",
        b"s.",
        b"R.",
        b"b.",
        b"\x86.",
        b"t.",
        b"(.",
        b"\x80\x06N.",
        b"\xff",
        b"S'a\n.",
        b"S'\\'\n.",
        b"S\\q\n.",
        b"I1_0\x00\n.",
        b"N(.",
        b"V\\ud8\n.",
        b"V" + b"a" * 1000 + b"\np0\n0" + b"c_codecs\nencode\n(g0\nVlatin1\ntR0" * 100 + b"N.",
    ],
)
def test_a_damaged_pickle_is_refused_quickly_without_memory(content):
    peak, seconds, message = cost(content)
    assert "damaged" in message
    assert peak < 3 * len(content) + (64 << 20)
    assert seconds < 1


def test_deep_lists_and_shared_tuples_are_read_and_dropped_quickly():
    deep = b"]" * 100_000 + b"a" * 99_999 + b"."
    assert len(read_pickle(deep, "deep")) == 1
    assert len(read_pickle(shared_tuples(60) + b".", "shared")) == 2


VALID = [
    *(pickle.dumps(BATCH, protocol) for protocol in PROTOCOLS),
    python2_batch(np.zeros((2, 300), np.uint8), [7, 1]),
    array_pickle((2, 2), b"abcd"),
]


@st.composite
def mutants(draw):
    content = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                content[at] = draw(st.integers(0, 255))
            case 1:
                del content[at : at + draw(st.integers(1, 9))]
            case 2:
                content[at:at] = draw(st.binary(min_size=1, max_size=9))
            case 3:
                other = draw(st.sampled_from(VALID))
                start = draw(st.integers(0, len(other) - 1))
                content[at:at] = other[start : start + 40]
            case 4:
                content[at : at + 4] = struct.pack("<i", draw(st.sampled_from([-1, 2**31 - 1, 0])))
        if not content:
            break
    return bytes(content)


@settings(max_examples=400, deadline=1000)
@given(mutants())
def test_a_mutant_is_read_or_refused_and_nothing_else(content):
    try:
        read_pickle(content, "mutant")
    except DataError:
        return


@settings(max_examples=300, deadline=1000)
@given(
    st.lists(
        st.sampled_from(
            [
                b"N",
                b"(",
                b"]",
                b"}",
                b"t",
                b"l",
                b"d",
                b"a",
                b"e",
                b"s",
                b"u",
                b"0",
                b"1",
                b"2",
                b"R",
                b"b",
                b")",
                b"\x85",
                b"\x86",
                b"\x94",
                b"h\0",
                b"K\1",
                b"U\1u",
                b"U\2u1",
                b"cnumpy\ndtype\n",
                b"cnumpy\nndarray\n",
                b"cnumpy.core.multiarray\n_reconstruct\n",
                b"c_codecs\nencode\n",
                b"cnumpy.core.multiarray\nscalar\n",
                b"cnumpy._core.numeric\n_frombuffer\n",
            ]
        ),
        max_size=30,
    )
)
def test_any_program_of_allowed_instructions_is_read_or_refused(program):
    try:
        read_pickle(b"".join(program) + b".", "program")
    except DataError:
        return


def test_reading_opens_imports_and_runs_nothing():
    events = []
    recording = True

    def audit(event, arguments):
        if recording and event.split(".")[0] in (
            "open",
            "import",
            "exec",
            "compile",
            "os",
            "subprocess",
            "socket",
            "ctypes",
        ):
            events.append((event, arguments))

    sys.addaudithook(audit)  # cannot be taken away again: it stops recording below
    for content in [*VALID, *WANTS]:
        try:
            read_pickle(content, "audited")
        except DataError:
            continue
    recording = False
    assert events == []
