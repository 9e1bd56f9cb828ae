"""Reads the pickles of published data sets without running anything in them.

A pickle is a program for a small stack machine, and the usual machine imports and calls whatever
the file names. This one knows numbers, texts, lists, tuples and dicts, and the few names that
NumPy writes when it saves an array, for which there are classes of our own: nothing is ever
imported. All other instructions and names are refused.

The machine takes all protocols, 0 to 5, and what Python 2 wrote.

Source: the protocol is described in Python's `pickletools`.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Callable
from typing import Any

from backlight.data.files import shown
from backlight.data.pickled_array import NAMES, Name, SavedArray, SavedType, text_of
from backlight.errors import DataError

_MOST_INSTRUCTIONS = 500_000  # twice what 50,000 images with names take
_LONGEST_NUMBER = 40
# What Python 2 writes in the text form of a string; possessive, so that it needs no memory.
_QUOTED = re.compile(rb"(?:[^\\]++|\\(?:[\\'\"nrt]|x[0-9a-fA-F]{2}))*+")


def read_pickle(content: bytes, subject: str) -> Any:
    r"""The value that a pickle holds: plain Python values and NumPy arrays.

    Parameters
    ----------
    content : bytes
        A whole pickle, and nothing behind it.
    subject : str
        What messages call the file.

    Returns
    -------
    object
        Strings of Python 2 come as bytes. Arrays are read-only views of the content; they are
        found as the value itself or directly in its dict.

    Raises
    ------
    DataError
        Where the pickle is damaged, or asks for anything but data.

    Examples
    --------
    >>> read_pickle(b"(dp0\nS'labels'\np1\n(lp2\nI3\naI5\nas.", "batch")
    {b'labels': [3, 5]}
    >>> read_pickle(b"cos\nsystem\n(S'true'\ntR.", "batch")
    Traceback (most recent call last):
        ...
    backlight.errors.DataError: batch got a pickle that wants to import os.system.
      It needs numbers, texts, lists, dicts and NumPy arrays only. Nothing in it was run.
      Do not use this file; get it from its publisher.
    """
    machine = _Machine(content, subject)
    try:
        value = machine.run()
    except DataError:
        raise
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
        struct.error,
        AttributeError,
    ) as error:
        raise machine.damaged(f"{type(error).__name__}: {str(error)[:80]}") from error
    if isinstance(value, dict):
        return {key: _finished(item, subject) for key, item in value.items()}
    return _finished(value, subject)


def _finished(value: Any, subject: str) -> Any:
    if not isinstance(value, SavedArray):
        return value
    if value.array is None:
        raise DataError(
            subject,
            got="a pickled array without content",
            needs="a whole pickle",
            remedy="Download or copy it again.",
        )
    return value.array


class _Machine:
    """The stack machine: one method for each family of instructions."""

    def __init__(self, content: bytes, subject: str) -> None:
        self._content = content
        self._subject = subject
        self._at = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks set aside by marks
        self._memo: dict[int, Any] = {}
        self._may_encode = len(content)

    def damaged(self, what: str) -> DataError:
        return DataError(
            self._subject,
            got=f"a damaged pickle, at byte {self._at} of {len(self._content)} ({shown(what)})",
            needs="a whole pickle, as it was published",
            remedy="Download or copy it again and compare its checksum.",
        )

    def refused(self, wants: str) -> DataError:
        return DataError(
            self._subject,
            got=f"a pickle that wants {shown(wants)[:200]}",
            needs="numbers, texts, lists, dicts and NumPy arrays only",
            source="Nothing in it was run",
            remedy="Do not use this file; get it from its publisher.",
        )

    def run(self) -> Any:
        for _ in range(_MOST_INSTRUCTIONS):
            code = self._take(1)
            if code == b".":
                break
            if code in _FORBIDDEN:
                raise self._forbidden(code)
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise self.damaged(f"no instruction has the code {code!r}")
            instruction(self)
        else:
            raise self.damaged(f"more than {_MOST_INSTRUCTIONS} instructions")
        if self._at != len(self._content):
            raise self.damaged(f"{len(self._content) - self._at} bytes follow its end")
        if len(self._stack) != 1 or self._below:
            raise self.damaged("its end leaves other than one value")
        return self._stack[0]

    # -- the bytes ------------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._content):
            raise self.damaged(f"{count} bytes wanted, {len(self._content) - self._at} left")
        piece = self._content[self._at : end]
        self._at = end
        return piece

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _line(self) -> bytes:
        end = self._content.find(b"\n", self._at)
        if end < 0:
            raise self.damaged("a line without an end")
        piece = self._content[self._at : end]
        self._at = end + 1
        return piece

    def _short_line(self) -> str:
        line = self._line()
        if len(line) > _LONGEST_NUMBER:
            raise self.damaged(f"a number of {len(line)} digits")
        return line.decode("ascii")

    # -- values ---------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _to_mark(self) -> list[Any]:
        if not self._below:
            raise self.damaged("no mark on the stack")
        items = self._stack
        self._stack = self._below.pop()
        return items

    def whole_line(self) -> None:
        line = self._short_line()
        if line in ("00", "01"):  # how protocol 0 writes False and True
            self._push(line == "01")
        else:
            self._push(int(line.removesuffix("L"), 10))

    def little_integer(self, form: str) -> None:
        count = self._number(form)
        if count > _LONGEST_NUMBER:
            raise self.damaged(f"a number of {count} bytes")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def quoted(self) -> None:
        line = self._line().strip()
        inside = line[1:-1]
        if (
            len(line) < 2
            or line[:1] != line[-1:]
            or line[:1] not in b"'\""
            or (not _QUOTED.fullmatch(inside))
        ):
            raise self.damaged("a string that is not quoted as Python 2 does")
        self._push(codecs.escape_decode(inside)[0])

    # -- containers -----------------------------------------------------------------------------

    def mark(self) -> None:
        if len(self._below) > 1000:
            raise self.damaged("more than 1000 marks")
        self._below.append(self._stack)
        self._stack = []

    def drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise self.damaged("too few values for a tuple")
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._push(items)

    def append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise self.damaged(f"items for a {type(target).__name__}, not a list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise self.damaged("keys and values that do not make a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only plain keys: hashing a tuple of shared tuples can take for ever.
            if type(key) not in (str, bytes, int):
                raise self.damaged(f"a {type(key).__name__} as a key")
            target[key] = value

    def new_dict(self) -> None:
        items = self._to_mark()
        self._push({})
        self.set_items(items)

    def pair(self) -> list[Any]:
        value, key = self._stack.pop(), self._stack.pop()
        return [key, value]

    def remember(self, index: int) -> None:
        if index < 0:
            raise self.damaged("a negative place in the memo")
        self._memo[index] = self._stack[-1]

    # -- names and calls ------------------------------------------------------------------------

    def name(self, module: str, name: str) -> None:
        known = NAMES.get((module, name))
        if known is None:
            raise self.refused(f"to import {module}.{name}")
        self._push(known)

    def stack_name(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self.name(text_of(module), text_of(name))

    def call(self) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Name) or type(arguments) is not tuple:
            raise self.refused(f"to call a {type(called).__name__}")
        self._push(self._result(called.meaning, arguments))

    def _result(self, meaning: str, arguments: tuple[Any, ...]) -> Any:
        if meaning == "_reconstruct":
            if getattr(arguments[0], "meaning", None) != "ndarray":
                raise self.refused("an array of another class")
            return SavedArray()  # the shape among the arguments is replaced by the state's
        if meaning == "dtype":
            return SavedType(text_of(arguments[0]))
        if meaning == "_frombuffer":
            content, saved, shape, order = arguments
            array = SavedArray()
            array.fill(shape, saved, text_of(order), content)
            return array
        if meaning == "scalar":
            saved, content = arguments
            array = SavedArray()
            array.fill((), saved, "C", content)
            return array.array.item() if array.array is not None else None
        if meaning == "encode":
            return self._encoded(*arguments)
        if meaning == "bytes" and not arguments:
            return b""
        raise self.refused(f"to call {meaning} with {len(arguments)} arguments")

    def _encoded(self, text: Any, encoding: Any = "latin1") -> bytes:
        if type(text) is not str or text_of(encoding) not in ("latin1", "latin-1"):
            raise self.refused("a text in another encoding than latin1")
        # One text encoded a thousand times would make a thousand copies.
        self._may_encode -= len(text)
        if self._may_encode < 0:
            raise self.damaged("more bytes made than the file has")
        return text.encode("latin-1")

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, (SavedArray, SavedType)):
            raise self.refused(f"to set the state of a {type(target).__name__}")
        target.set_state(state)

    def skip_frame(self) -> None:
        length = self._number("<Q")
        if length > len(self._content) - self._at:
            raise self.damaged(f"a frame of {length} bytes")

    def protocol(self) -> None:
        version = self._number("<B")
        if version > 5:
            raise self.damaged(f"protocol {version}, which no Python writes")

    def _forbidden(self, code: bytes) -> DataError:
        if code == b"i":
            module, name = self._line(), self._line()
            return self.refused(
                f"to import {module[:80].decode('latin-1')}.{name[:80].decode('latin-1')}"
            )
        return self.refused(_FORBIDDEN[code])


_FORBIDDEN = {
    b"i": "to make an object",
    b"o": "to make an object",
    b"\x81": "to make an object",
    b"\x92": "to make an object",
    b"\x82": "an extension",
    b"\x83": "an extension",
    b"\x84": "an extension",
    b"P": "an object from outside",
    b"Q": "an object from outside",
    b"\x97": "a buffer from outside",
    b"\x98": "a buffer from outside",
    b"\x8f": "a set",
    b"\x90": "a set",
    b"\x91": "a set",
}


def _sized(form: str, convert: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    """An instruction that pushes what follows its length."""

    def instruction(machine: _Machine) -> None:
        machine._push(convert(machine._take(machine._number(form))))

    return instruction


def _unicode(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"\x95": _Machine.skip_frame,
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"I": _Machine.whole_line,
    b"L": _Machine.whole_line,
    b"J": lambda m: m._push(m._number("<i")),
    b"K": lambda m: m._push(m._number("<B")),
    b"M": lambda m: m._push(m._number("<H")),
    b"\x8a": lambda m: m.little_integer("<B"),
    b"\x8b": lambda m: m.little_integer("<i"),
    b"F": lambda m: m._push(float(m._short_line())),
    b"G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    b"S": _Machine.quoted,
    b"T": _sized("<i", bytes),
    b"U": _sized("<B", bytes),
    b"B": _sized("<I", bytes),
    b"C": _sized("<B", bytes),
    b"\x8e": _sized("<Q", bytes),
    b"\x96": _sized("<Q", bytes),
    b"V": lambda m: m._push(m._line().decode("raw-unicode-escape")),
    b"X": _sized("<I", _unicode),
    b"\x8c": _sized("<B", _unicode),
    b"\x8d": _sized("<Q", _unicode),
    b"(": _Machine.mark,
    b"0": _Machine.drop,
    b"1": lambda m: m._to_mark().clear(),
    b"2": lambda m: m._push(m._stack[-1]),
    b")": lambda m: m._push(()),
    b"t": lambda m: m._push(tuple(m._to_mark())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"]": lambda m: m._push([]),
    b"l": lambda m: m._push(m._to_mark()),
    b"a": lambda m: m.append([m._stack.pop()]),
    b"e": lambda m: m.append(m._to_mark()),
    b"}": lambda m: m._push({}),
    b"d": _Machine.new_dict,
    b"s": lambda m: m.set_items(m.pair()),
    b"u": lambda m: m.set_items(m._to_mark()),
    b"p": lambda m: m.remember(int(m._short_line(), 10)),
    b"q": lambda m: m.remember(m._number("<B")),
    b"r": lambda m: m.remember(m._number("<I")),
    b"\x94": lambda m: m.remember(len(m._memo)),
    b"g": lambda m: m._push(m._memo[int(m._short_line(), 10)]),
    b"h": lambda m: m._push(m._memo[m._number("<B")]),
    b"j": lambda m: m._push(m._memo[m._number("<I")]),
    b"c": lambda m: m.name(m._line().decode("latin-1"), m._line().decode("latin-1")),
    b"\x93": _Machine.stack_name,
    b"R": _Machine.call,
    b"b": _Machine.build,
}
