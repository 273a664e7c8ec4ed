# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Around the process: Ctrl-C, fork, threads, memory limits, machines without LLVM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

# A shell's background job ignores Ctrl-C, and its children inherit that: then Python installs no handler.
PRELUDE = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import attn
from attn import reference
rng = np.random.default_rng(0)
def rand(*shape): return rng.standard_normal(shape).astype(np.float32)
def right(q, k, v):
    return bool(np.abs(attn.attention(q, k, v) - reference.attention(q, k, v)[0]).max() < 1e-5)
"""


def start(script: str, *, stdout=subprocess.PIPE, **environment: str) -> subprocess.Popen:
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(script: str, **environment: str) -> str:
    child = start(script, **environment)
    try:
        out, errors = child.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        child.kill()
        _, errors = child.communicate()
        raise AssertionError(f"a hang: {errors}") from None
    assert child.returncode == 0, errors
    return out


# ---- Ctrl-C ------------------------------------------------------------------------


def interrupted(script: str, **environment: str) -> tuple[float, str]:
    """Starts a script, sends SIGINT shortly after it prints "ready"; returns
    how long it then took to say "stopped"."""
    child = start(script, **environment)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line == "ready\n", (line, child.stderr.read())
        time.sleep(0.3)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        line = child.stdout.readline()
        took = time.monotonic() - sent
        rest, errors = child.communicate(timeout=120)
        assert line == "stopped\n", (line, errors)
        assert child.returncode == 0, errors
        return took, rest
    finally:
        child.kill()


def test_fault_27_ctrl_c_stops_a_running_kernel():
    took, rest = interrupted(
        """
        small = rand(1, 2, 4, 64)
        attn.attention(small, small, small)
        q = rand(1, 64, 8192, 64)
        print("ready", flush=True)
        try:
            while True:
                attn.attention(q, q, q)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        # The process goes on as if nothing had been.
        print(right(small, small, small))
        """
    )
    assert rest == "True\n"
    # 200 ms on an idle machine; the tests' machine may be busy.
    assert took < 1.0, took


def test_fault_27_ctrl_c_does_not_wait_for_the_compiler():
    took, rest = interrupted(
        """
        from attn import compiler
        inner = compiler.backend()
        class Slow:
            def compile_to_file(self, *args):
                time.sleep(2)
                inner.compile_to_file(*args)
            compile_times = staticmethod(inner.compile_times)
        compiler.backend = lambda: Slow()
        q = rand(1, 1, 4, 48)
        print("ready", flush=True)
        try:
            attn.attention(q, q, q)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        compiler.backend = lambda: inner
        print(right(q, q, q))
        """,
        ATTN_DISABLE_CACHE="1",
    )
    assert rest == "True\n"
    assert took < 1.0, took


def test_fault_27_a_handler_of_the_users_own_is_honoured():
    out = run(
        """
        class Mine(Exception): pass
        def handler(*_): raise Mine
        signal.signal(signal.SIGALRM, handler)
        q = rand(1, 64, 8192, 64)
        small = q[:, :1, :4]
        attn.attention(small, small, small)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            while True:
                attn.attention(q, q, q)
        except Mine:
            print("mine")
        """
    )
    assert out == "mine\n"


def test_fault_27_sigterm_ends_a_running_kernel():
    child = start(
        """
        q = rand(1, 64, 8192, 64)
        attn.attention(q[:, :1, :4], q[:, :1, :4], q[:, :1, :4])
        print("ready", flush=True)
        while True:
            attn.attention(q, q, q)
        """
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    time.sleep(0.2)
    child.terminate()
    assert child.wait(timeout=20) == -signal.SIGTERM
    child.communicate()


# ---- fork --------------------------------------------------------------------------


def test_fault_26_a_forked_child_works():
    out = run(
        """
        q, k = rand(1, 4, 40, 64), rand(1, 4, 300, 64)
        assert right(q, k, k)
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                # A kernel of before the fork, and one that has to be compiled.
                ok = right(q, k, k) and right(q[..., :16], k[..., :16], k[..., :16])
                os._exit(0 if ok else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert right(q, k, k)
        print("ok")
        """
    )
    assert out == "ok\n"


def test_fault_26_fork_while_other_threads_compute():
    out = run(
        """
        q, k = rand(1, 4, 200, 64), rand(1, 4, 300, 64)
        assert right(q, k, k)
        stop = threading.Event()
        def work():
            while not stop.is_set():
                attn.attention(q, k, k)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads: t.start()
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if right(q, k, k) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop.set()
        for t in threads: t.join()
        print("ok")
        """
    )
    assert out == "ok\n"


# ---- threads -----------------------------------------------------------------------


def test_fault_25_threads_compile_and_run_at_once():
    out = run(
        """
        errors = []
        def work(seed):
            r = np.random.default_rng(seed)
            try:
                for i in range(6):
                    d = int(r.choice([8, 16, 24]))
                    q = r.standard_normal((1, 2, int(r.integers(1, 40)), d)).astype(np.float32)
                    if not right(q, q, q): errors.append(d)
            except BaseException as e:
                errors.append(e)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert not errors, errors
        assert attn.compiler.counters["compiled"] == 3, attn.compiler.counters
        print("ok")
        """,
        ATTN_DISABLE_CACHE="1",
    )
    assert out == "ok\n"


def test_number_of_threads_follows_the_environment():
    assert run("print(attn.get_num_threads())", ATTN_NUM_THREADS="3") == "3\n"
    out = run(
        """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(attn.get_num_threads())
        """
    )
    assert out == "1\n"
    out = run(
        """
        try:
            attn.get_num_threads()
        except attn.ShapeError as e:
            print(e)
        """,
        ATTN_NUM_THREADS="many",
    )
    assert "ATTN_NUM_THREADS" in out and "many" in out


# ---- resources ---------------------------------------------------------------------


def test_fault_17_memory_that_runs_out_is_an_error_and_leaves_the_process_usable():
    out = run(
        """
        import resource
        q, k = rand(1, 2, 8, 64), rand(1, 2, 4096, 64)
        assert right(q, k, k)
        size = lambda: int(open("/proc/self/statm").read().split()[0]) * 4096
        limit = size() + (64 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        big = np.lib.stride_tricks.as_strided(q, (64, 64, 4096, 64), (0, 0, 0, 4))
        try:
            attn.attention(big, k.repeat(32, 1)[:, :64], k.repeat(32, 1)[:, :64])
        except (attn.ResourceError, attn.ShapeError, MemoryError) as e:
            print("refused")
        assert right(q, k, k)
        """
    )
    assert out == "refused\n"


def test_fault_19_no_temporary_folder_is_a_resource_error():
    out = run(
        """
        import tempfile
        from attn import cache
        tempfile.tempdir = "/proc/nowhere"
        real = tempfile.mkdtemp
        def mkdtemp(*args, dir=None, **more):
            raise OSError(28, "No space left on device")
        tempfile.mkdtemp = mkdtemp
        q = rand(1, 1, 2, 40)
        try:
            attn.attention(q, q, q)
        except attn.ResourceError as e:
            print(e)
        tempfile.mkdtemp, tempfile.tempdir = real, None
        print(right(q, q, q))
        """,
        ATTN_DISABLE_CACHE="1",
    )
    assert "No space left on device" in out and out.endswith("True\n")


def test_fault_04_deep_nesting_and_long_text_are_refused():
    out = run(
        """
        deep = "func.func @main() {" + "scf.execute_region {" * 20000 + "}" * 20000 + "}"
        for text in (deep, "(" * 200000, "module {" * 5000):
            try:
                attn.compile(text)
            except attn.AttnError as e:
                print(type(e).__name__, len(str(e)) < 2000)
        """
    )
    assert [line.split()[1] for line in out.splitlines()] == ["True"] * 3


# ---- machines without LLVM --------------------------------------------------------------


def test_packages_run_where_the_compiler_cannot_be_loaded(tmp_path):
    """The compiler half is hidden; a saved package and a cached program run."""
    run(
        f"""
        q = rand(1, 2, 5, 64)
        plan = attn.compile(attn.attention, q, q, q, causal="top_left")
        plan.save({str(tmp_path / "p.so")!r})
        """
    )
    out = run(
        f"""
        class Hidden:
            def find_spec(self, name, *rest):
                if name == "attn._compiler":
                    raise ImportError("libMLIR.so.22.1: cannot open shared object file")
        sys.meta_path.insert(0, Hidden())
        q = rand(1, 2, 5, 64)
        want = reference.attention(q, q, q, mask=attn.Causal().dense(5))[0]
        plan = attn.load({str(tmp_path / "p.so")!r})
        assert np.abs(plan.run(q, q, q) - want).max() < 1e-5
        assert np.abs(attn.attention(q, q, q, causal="top_left") - want).max() < 1e-5
        assert not any("libMLIR" in line or "libLLVM" in line for line in open("/proc/self/maps"))
        try:
            attn.attention(q, q, q, softcap=3.25)
        except attn.CompileError as e:
            print(e)
        """
    )
    assert "compiler half" in out and "cannot open shared object file" in out


def test_doctor():
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-m", "attn", "doctor"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("attn ", "runtime", "compiler", "llvm", "cpu", "threads", "numpy", "cache"):
        assert word in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["cache", "--help"]])
def test_help(arguments):
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-m", "attn", *arguments], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0 and "cache" in done.stdout


def test_packages_run_where_libmlir_is_not_there(tmp_path):
    """In a mount namespace without LLVM's folder: a saved package and a cached
    program run; compiling says what is missing."""
    folder = "/usr/lib/llvm-22"
    hide = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh"]
    if not os.path.isdir(folder):
        pytest.skip(f"no {folder} to hide")
    if subprocess.run([*hide, "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    package = tmp_path / "p.so"
    common = """
import sys, numpy as np, attn
from attn import reference
q = np.random.default_rng(0).standard_normal((1, 2, 5, 64), dtype=np.float32)
"""
    environment = dict(os.environ, ATTN_CACHE_DIR=str(tmp_path / "cache"))
    subprocess.run(
        [sys.executable, "-c", common + f"""
plan = attn.compile(attn.attention, q, q, q, causal="top_left")
plan.save({str(package)!r})
attn.attention(q, q, q, causal="top_left")
"""], env=environment, check=True)
    done = subprocess.run(
        [*hide, sys.executable, "-c", common + f"""
import os
assert not os.listdir({folder!r})
want = reference.attention(q, q, q, mask=attn.Causal().dense(5))[0]
assert np.abs(attn.load({str(package)!r}).run(q, q, q) - want).max() < 1e-5
assert np.abs(attn.attention(q, q, q, causal="top_left") - want).max() < 1e-5
try:
    attn.attention(q, q, q, softcap=3.25)
except attn.CompileError as e:
    print(e)
"""], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "libMLIR" in done.stdout
