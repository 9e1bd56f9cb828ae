import gzip
import io
import lzma
import struct
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.data.archive import tar_members
from backlight.errors import DataError


def member(name="a/1.png", content=b"x", **changed):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changed.items():
        setattr(info, key, value)
    return info, content


def tar(*members, form=tarfile.GNU_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def header(name=b"a", size=b"%011o\0" % 0, kind=b"0", content=b"", magic=b"ustar  \0"):
    """A raw header with a right checksum, and its content padded."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def read(tmp_path, content, **limits):
    (tmp_path / "file.tar").write_bytes(content)
    return dict(tar_members(tmp_path / "file.tar", **limits))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_regular_members_come_out_of_every_form_of_tar(tmp_path, form, pack):
    long = "folder/" * 20 + "é" * 10 + ".png"
    wanted = {"a/1.png": b"one", "a/empty": b"", long: bytes(range(256)) * 5, "b": b"x" * 512}
    folder, _ = member("a", b"", type=tarfile.DIRTYPE)
    made = tar(
        (folder, b""),
        *(member(name, content) for name, content in wanted.items()),
        member("./c/./d", b"y"),
        form=form,
    )
    assert read(tmp_path, pack(made)) == wanted | {"c/d": b"y"}


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "C:/x", "c:x", "..", "\\x", "a\\..\\x", ".", "./.", "x/.."],
)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_outside_the_folder_is_refused(tmp_path, name, form):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match=r"file\.tar got a member named"):
        read(tmp_path / "in", tar(member("ok"), member(name), form=form))
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "file.tar"]


def test_a_nul_an_empty_a_double_and_an_endless_name_are_refused(tmp_path):
    pax = b"17 path=a\0b/../c\n"
    for made in [
        header(b"././@PaxHeader", b"%011o\0" % len(pax), b"x", pax) + header(),
        header(b""),
        tar(member("a/b"), member("a//b")),
        header(b"././@LongLink", b"%011o\0" % 10_000, b"L", b"x" * 10_000) + header(),
    ]:
        with pytest.raises(DataError, match=r"member|name"):
            read(tmp_path, made + bytes(1024))


def test_links_devices_and_pipes_are_passed_over(tmp_path):
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
    made = tar(
        *(member(f"escape{k.decode()}", b"", type=k, linkname="/etc/passwd") for k in kinds),
        member("escape2/x.png", b"data"),
    )
    assert read(tmp_path, made) == {"escape2/x.png": b"data"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a file that is not a tar"),
        (b"x" * 100, "a file that is not a tar"),
        (b"x" * 2000, "a file that is not a tar"),
        (b"PK\x03\x04" + b"x" * 600, "a zip archive"),
        (tar(member())[:512], "an end within the member a/1.png"),
        (tar(member("a", b"x" * 600))[:900], "an end within"),
        (header(size=b"%011o\0" % 5, content=b"12345") + b"x" * 512, "wrong checksum .member 1"),
        (header(size=b"7" * 12), "of 68719476735 bytes"),
        (
            header(size=b"\x80" + b"\0" * 3 + struct.pack(">Q", 2**63)),
            "of 9223372036854775808 bytes",
        ),
        (header(size=b"\xff" * 12), "of -1 bytes"),
        (header(size=b"-0000000001\0"), "not a tar"),
        (header(size=b"%011o\0" % (1 << 27)), "of 134217728 bytes"),
        (header(kind=b"S"), "sparse"),
        (header(b"L", b"%011o\0" % (1 << 30), b"L"), "a name or record of 1073741824 bytes"),
        (header(b"x", b"%011o\0" % (1 << 30), b"x"), "a name or record"),
        (header(b"x", b"%011o\0" % 9, b"x", b"99 path=a") + header(), "damaged record"),
        (header(b"x", b"%011o\0" % 9, b"x", b"00000 a=\n") + header(), "damaged record"),
        (header(b"x", b"%011o\0" % 10, b"x", b"10 size=x\n") + header(), "wrong size"),
    ],
)
def test_damage_is_named_and_nothing_large_is_read(tmp_path, content, message):
    with pytest.raises(DataError, match=f"file.tar got .*{message}"):
        read(tmp_path, content)


def test_a_bomb_is_stopped_by_its_ratio(tmp_path):
    large = header(size=b"%011o\0" % (1 << 30), kind=b"A") + bytes(1 << 20)
    (tmp_path / "bomb.tar.gz").write_bytes(
        gzip.compress(large, 9) + gzip.compress(bytes(1 << 20), 9) * 400
    )
    with pytest.raises(DataError, match="bytes that unfold into more"):
        list(tar_members(tmp_path / "bomb.tar.gz"))


def test_a_wrong_checksum_of_the_compressed_stream_is_noticed(tmp_path):
    packed = gzip.compress(tar(member("a", b"x" * 3000)))
    with pytest.raises(DataError, match="CRC"):
        read(tmp_path, packed[:-8] + b"\1\2\3\4" + packed[-4:])


def test_many_empty_members_do_not_pile_up(tmp_path):
    made = b"".join(header(b"f%d/" % k, kind=b"5") for k in range(20_000)) + bytes(1024)
    assert read(tmp_path, made) == {}


VALID = [
    tar(member("a/1", b"one"), member("b/" * 60 + "2", b"x" * 700), form=form)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
]


def summed(content):
    """The headers with right checksums again, so that mutants get past them."""
    content = bytearray(content)
    for at in range(0, len(content) - 511, 512):
        if content[at + 257 : at + 262] == b"ustar":
            content[at + 148 : at + 156] = b" " * 8
            content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])
    return bytes(content)


@settings(max_examples=300, deadline=2000)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=13)), min_size=1, max_size=4),
    st.booleans(),
)
def test_a_mutant_is_read_or_refused(tmp_path_factory, content, changes, sums):
    for at, piece in changes:
        content = content[:at] + piece + content[at + len(piece) :]
    path = tmp_path_factory.getbasetemp() / "mutant.tar"
    path.write_bytes(summed(content) if sums else content)
    try:
        names = [name for name, _ in tar_members(path)]
    except DataError:
        return
    assert all(".." not in name.split("/") and not name.startswith("/") for name in names)
