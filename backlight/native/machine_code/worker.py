"""A process that makes machine code for another: LLVM's text comes in, object code goes back.

It is started by `workers`, as `python -m backlight.native.machine_code.worker`, and ends when its
input does. Each message is its length in 8 bytes and as many bytes: the target as JSON, then text
after text; the answer to each is object code, or nothing where there is none.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from backlight.errors import BacklightError
from backlight.native.machine_code.build import compile_object
from backlight.native.machine_code.machine import Target

LARGEST = 1 << 30
"""Bytes of a message at most: more is no message, but something else on the pipe."""
_LENGTH = 8


def send(stream: BinaryIO, message: bytes) -> None:
    """Write a message."""
    stream.write(len(message).to_bytes(_LENGTH, "little") + message)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Read a message; None where the stream has ended.

    Raises
    ------
    OSError
        If what comes is no whole message.
    """
    head = stream.read(_LENGTH)
    if not head:
        return None
    length = int.from_bytes(head, "little")
    if len(head) < _LENGTH or length > LARGEST:
        raise OSError("no message")
    found = stream.read(length)
    if len(found) < length:
        raise OSError("half a message")
    return found


def main(given: BinaryIO, answers: BinaryIO) -> None:
    """Answer text after text until there is none."""
    head = receive(given)
    if head is None:
        return
    target = Target(**json.loads(head))
    while (text := receive(given)) is not None:
        try:
            made = compile_object(text.decode("utf-8"), target)
        except BacklightError:  # whoever asked compiles it again, and says what is wrong
            made = b""
        send(answers, made)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked
    with suppress(OSError):
        main(sys.stdin.buffer, sys.stdout.buffer)
