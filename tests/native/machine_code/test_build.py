"""Machine code is made, loaded, joined to the C library, and given back."""

import ctypes
import gc
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backlight.errors import ArgumentError, MissingExtraError
from backlight.native.machine_code import build, machine

ADD = "define i64 @add{0}(i64 %x) {{ %y = add i64 %x, {0} ret i64 %y }}"
LIBM = """
declare double @pow(double, double)
declare double @llvm.sin.f64(double)
declare float @llvm.fma.f32(float, float, float)
define double @both(double %x) {
  %p = call double @pow(double %x, double 3.0)
  %s = call double @llvm.sin.f64(double %p)
  ret double %s
}
"""
LONG = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)


def resident_kilobytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels(level):
    library = build.load([build.compile_object(ADD.format(5), level=level)])
    assert LONG(library.address("add5"))(37) == 42


def test_libm_and_intrinsics():
    library = build.load([build.compile_object(LIBM)])
    assert DOUBLE(library.address("both"))(1.25) == pytest.approx(math.sin(1.25**3), rel=1e-15)


def test_objects_call_each_other_and_given_symbols():
    caller = """
    declare i64 @add3(i64)
    declare i64 @given(i64)
    define i64 @chain(i64 %x) {
      %y = call i64 @add3(i64 %x)
      %z = call i64 @given(i64 %y)
      ret i64 %z
    }"""
    given = LONG(lambda x: x * 10)
    library = build.load(
        [build.compile_object(caller), build.compile_object(ADD.format(3))],
        {"given": ctypes.cast(given, ctypes.c_void_p).value},
    )
    assert LONG(library.address("chain"))(1) == 40


@pytest.mark.parametrize("name", machine.NAMES)
def test_stages_for_every_target(name):
    target = machine.named(name)
    text = """
    declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
    define <16 x float> @f(<16 x float> %x) {
      %y = call <16 x float> @llvm.fma.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
      ret <16 x float> %y
    }"""
    if name == "sse":  # it has no such instruction, and a call of the library has no registers
        text = "define <16 x float> @f(<16 x float> %x) { ret <16 x float> %x }".replace(
            "ret", "%y = fmul <16 x float> %x, %x ret"
        ).replace("%x }", "%y }")
    assembly = build.assembly(text, target)
    word = {"avx512": "zmm", "avx2": "ymm", "sse": "xmm", "neon": ".4s"}[name]
    assert word in assembly
    assert "<16 x float>" in build.optimised(text, target)
    assert len(build.compile_object(text, target)) > 100


def test_loops_are_left_as_they_are_written():
    text = """
    define void @f(ptr noalias %a, i64 %n) {
    entry:
      br label %head
    head:
      %i = phi i64 [ 0, %entry ], [ %next, %head ]
      %p = getelementptr float, ptr %a, i64 %i
      %x = load float, ptr %p
      %y = fmul float %x, 3.0
      store float %y, ptr %p
      %next = add i64 %i, 1
      %more = icmp slt i64 %next, %n
      br i1 %more, label %head, label %done
    done:
      ret void
    }"""
    assert " x float>" not in build.optimised(text)


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "define i64 @f() { ret i32 0 }",
        "define i64 @f() { %x = add i64 %y, 1 ret i64 %x }",
        "define void @f() { call void @nowhere() ret void }",
    ],
)
def test_wrong_text_is_an_error(text):
    with pytest.raises(ArgumentError, match="module"):
        build.compile_object(text)


def test_wrong_level_is_an_error():
    with pytest.raises(ArgumentError, match="level 4"):
        build.compile_object(ADD.format(1), level=4)


def test_wrong_objects_are_errors():
    code = build.compile_object(ADD.format(1))
    for bad in ([b""], [b"garbage"], [code[:200]], [code, code]):
        with pytest.raises(ArgumentError, match="loading machine code"):
            build.load(bad).address("add1")
    with pytest.raises(ArgumentError, match="nope"):
        build.load([code]).address("nope")
    lost = build.compile_object(
        "declare void @lost_()\ndefine void @f() { call void @lost_() ret void }"
    )
    with pytest.raises(ArgumentError):
        build.load([lost]).address("f")
    assert LONG(build.load([code]).address("add1"))(1) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="counted by /proc")
def test_memory_is_given_back():
    code = build.compile_object(ADD.format(1))

    def rounds(count):
        for _ in range(count):
            build.load([code]).address("add1")
        for number in range(count // 10):
            build.compile_object(ADD.format(number), level=0)
        gc.collect()

    rounds(300)
    before = resident_kilobytes()
    rounds(1500)
    assert resident_kilobytes() - before < 3000  # a leak of a page each would be 6 MB


def test_many_threads_compile():
    found = {}

    def work(number):
        library = build.load([build.compile_object(ADD.format(number))])
        found[number] = LONG(library.address(f"add{number}"))(1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number + 1 for number in range(8)}


def test_import_stays_light_and_exit_is_clean():
    program = """
import sys
import backlight
import backlight.native.machine_code.build
assert not [name for name in sys.modules if name.startswith("llvmlite")]
from backlight.native.machine_code import build
kept = [build.load([build.compile_object("define i64 @f() { ret i64 1 }")]) for _ in range(70)]
print(kept[0].address("f") > 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_without_llvmlite(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        build.compile_object(ADD.format(1), machine.named("avx2"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_waits_for_a_compilation():
    program = """
import os, threading
from backlight.native.machine_code import build
text = "define i64 @f() { ret i64 1 }"
def compile_on():
    while not done:
        build.compile_object(text)
done = []
thread = threading.Thread(target=compile_on)
thread.start()
for _ in range(5):
    child = os.fork()
    if not child:
        build.load([build.compile_object(text)]).address("f")
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
done.append(1)
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
