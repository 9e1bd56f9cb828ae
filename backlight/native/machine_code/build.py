"""From LLVM's text to machine code: optimised, written as an object, loaded into the process."""

from __future__ import annotations

import functools
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import backlight
from backlight.errors import ArgumentError
from backlight.native.machine_code import cache
from backlight.native.machine_code.machine import Target, binding, host

# Held by whoever is inside LLVM, so that no fork leaves a child with half of a compilation; and
# by whoever waits for that, so that a thread that compiles on and on lets a fork come between.
_INSIDE, _NEXT = threading.RLock(), threading.RLock()
_LIBRARIES_PER_LINKER = 64


def compile_object(ir_text: str, target: Target | None = None, level: int = 2) -> bytes:
    """Machine code for a module of LLVM's language, as the bytes of an object file.

    Parameters
    ----------
    ir_text : str
        The module.
    target : Target, optional
        The processor it is for; by default this machine's.
    level : int, 0 to 3
        How hard LLVM tries. It never vectorises: kernels are written in vectors.

    Raises
    ------
    ArgumentError
        If the text is not a valid module, or the level is not one.
    MissingExtraError
        If llvmlite is not installed.

    Examples
    --------
    >>> code = compile_object("define i64 @twice(i64 %x) { %y = add i64 %x, %x ret i64 %y }")
    >>> library = load([code])
    >>> import ctypes
    >>> ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(library.address("twice"))(21)
    42
    """
    with _optimised(ir_text, target, level) as (module, machine):
        return bytes(machine.emit_object(module))


def assembly(ir_text: str, target: Target | None = None, level: int = 2) -> str:
    """What `compile_object` makes, in the processor's assembly language."""
    with _optimised(ir_text, target, level) as (module, machine):
        return str(machine.emit_assembly(module))


def optimised(ir_text: str, target: Target | None = None, level: int = 2) -> str:
    """The module after LLVM's passes, before instructions are chosen."""
    with _optimised(ir_text, target, level) as (module, _):
        return str(module)


def kept_object(ir_text: str, target: Target | None = None, level: int = 2) -> bytes:
    """The same as `compile_object`, from the cache on disk if it was compiled before."""
    with _inside():
        found = target or host()
    return cache.get_or_build(
        kept_under(ir_text, found, level), lambda: compile_object(ir_text, found, level)
    )


def kept_under(ir_text: str, target: Target, level: int = 2) -> str:
    """The material under which `kept_object` keeps a module's code in the cache."""
    return f"{version()}\n{target.key}\n{level}\n{ir_text}"


@functools.cache
def version() -> str:
    """What machine code depends on besides the module and the target."""
    llvm = binding()
    import llvmlite

    return (
        f"Backlight {backlight.__version__}, llvmlite {llvmlite.__version__}, "
        f"LLVM {'.'.join(map(str, llvm.llvm_version_info))}, "
        f"{platform.system()} {platform.machine()}"
    )


class Library:
    """Functions in memory, which stay there for as long as this object does.

    Made by `load`.
    """

    def __init__(self, linker: Any, name: str, tracker: Any) -> None:
        self._linker, self._name = linker, name
        self._kept = [tracker]
        self._addresses: dict[str, int] = {}

    def address(self, name: str) -> int:
        """Where a function starts; valid only while this library is kept.

        Raises
        ------
        ArgumentError
            If there is no such function, or it calls one that is nowhere.
        """
        if name not in self._addresses:
            with _inside(), _linking():
                found = self._linker.lookup(self._name, name)
            self._kept.append(found)
            self._addresses[name] = int(found[name])
        return self._addresses[name]


def load(objects: Sequence[bytes], symbols: Mapping[str, int] | None = None) -> Library:
    """Put machine code into memory, joined to itself, to `symbols` and to the C library.

    Parameters
    ----------
    objects : sequence of bytes
        As `compile_object` returns them, for this platform. They are trusted: they will be run.
    symbols : mapping from name to address, optional
        Functions the code calls that this process does not have under that name.

    Raises
    ------
    ArgumentError
        If the bytes are no object file, or two objects define the same function.
    """
    with _inside(), _linking():
        llvm = binding()
        builder = llvm.JITLibraryBuilder().add_current_process()
        for code in objects:
            builder.add_object_img(code)
        for name, address in (symbols or {}).items():
            builder.import_symbol(name, address)
        linker, name = _Linkers.next()
        return Library(linker, name, builder.link(linker, name))


class _Linkers:
    """LLVM's linkers, each used for some libraries only.

    A linker never forgets the name of a library, so that one for all would grow for ever. One
    that has no library left is freed whole.
    """

    current: Any = None
    made = 0

    @classmethod
    def next(cls) -> tuple[Any, str]:
        """A linker, and a name that is new to it."""
        if cls.current is None or cls.made % _LIBRARIES_PER_LINKER == 0:
            cls.current = binding().create_lljit_compiler(
                _create_machine(host()), use_jit_link=os.name != "nt", suppress_errors=True
            )
        cls.made += 1
        return cls.current, f"library{cls.made}"


@contextmanager
def _linking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as problem:
        raise ArgumentError(
            "loading machine code",
            got=f"objects that do not fit together: {problem}",
            needs="functions defined once, and all that are called to exist",
            remedy="Compile them again, for this platform",
        ) from problem


@contextmanager
def _optimised(ir_text: str, target: Target | None, level: int) -> Iterator[tuple[Any, Any]]:
    """The module after the passes, and the machine that writes code for it."""
    if level not in (0, 1, 2, 3):
        raise ArgumentError(
            "compiling", got=f"level {level!r}", needs="0, 1, 2 or 3", remedy="Use 2"
        )
    with _inside():  # the import too: a fork in the middle of it would leave it locked for ever
        llvm = binding()
        machine = _machine(target or host(), level)
        # A context of its own: types and constants of a shared one are never given back.
        context = llvm.create_context()
        try:
            module = llvm.parse_assembly(ir_text, context=context)
            module.triple = machine.triple
            module.data_layout = str(machine.target_data)
            module.verify()
        except RuntimeError as problem:
            raise ArgumentError(
                "LLVM",
                got=f"a module that is not valid: {problem}",
                needs="a module of its language",
                remedy="This is a mistake in the compiler, not in your program: please report it",
            ) from problem
        # Measured on products: the passes of level 3 take longer than those of 2 and gain nothing
        # where the code is in vectors already.
        options = llvm.create_pipeline_tuning_options(speed_level=min(level, 2))
        options.loop_vectorization = False
        options.slp_vectorization = False
        options.loop_interleaving = False
        passes = llvm.create_pass_builder(machine, options)
        passes.getModulePassManager().run(module, passes)
        yield module, machine


@functools.cache
def _machine(target: Target, level: int) -> Any:
    return _create_machine(target, level)


def _create_machine(target: Target, level: int = 2) -> Any:
    llvm = binding()
    if target.triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        kind = llvm.Target.from_triple(target.triple)
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        kind = llvm.Target.from_triple(llvm.get_process_triple())
    return kind.create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=level,
        reloc="pic",
        codemodel="small",
        jit=True,
    )


@contextmanager
def _inside() -> Iterator[None]:
    with _NEXT:
        _INSIDE.acquire()
    try:
        yield
    finally:
        _INSIDE.release()


def _before_fork() -> None:
    _NEXT.acquire()
    _INSIDE.acquire()
    for lock in _llvmlite_locks():
        lock.__enter__()


def _after_fork() -> None:
    for lock in _llvmlite_locks():
        lock.__exit__(None, None, None)
    _INSIDE.release()
    _NEXT.release()


def _llvmlite_locks() -> list[Any]:
    """Llvmlite's own lock, which also those hold who give memory back."""
    ffi = sys.modules.get("llvmlite.binding.ffi")
    lock = getattr(getattr(ffi, "lib", None), "_lock", None)
    return [] if lock is None else [lock]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_child=_after_fork, after_in_parent=_after_fork
    )
