# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The package cache: damage, races, folders that must not be used, full disks."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import attn
from attn import cache, compiler, reference
from attn.cache import Cache

Q = np.random.default_rng(0).standard_normal((1, 2, 3, 64)).astype(np.float32)
KEY = {"ir_sha256": "0" * 64, "target": "host"}


def call():
    """One attention call, checked; returns the program that served it."""
    compiler._programs.clear()
    attn.frontend._kernels.clear()
    attn.attention.forget()
    out = attn.attention(Q, Q, Q)
    assert np.abs(out - reference.attention(Q, Q, Q)[0]).max() < 1e-6
    return next(iter(compiler._programs.values()))


def entry_of(root: Path) -> Path:
    (entry,) = root.glob("*.attnpkg")
    return entry


# ---- the plain road ---------------------------------------------------------------


def test_first_call_compiles_and_the_next_process_would_not(cache_dir, stand_in):
    assert call().source == "compiled"
    assert call().source == "disk"
    assert stand_in.compiled == 1
    assert os.stat(cache_dir).st_mode & 0o777 == 0o700
    found = cache.entries()
    assert len(found) == 1 and found[0].key["attn"] == attn.__version__


def test_a_disk_hit_loads_no_compiler(cache_dir, stand_in, small_package):
    call()
    script = """
        import sys, numpy as np, attn
        q = np.ones((1, 1, 2, 64), np.float32)
        attn.attention(q, q, q)
        assert attn.cache.stats()["hits"] == 1, attn.cache.stats()
        assert "attn._compiler" not in sys.modules
        assert not any("libMLIR" in line or "libLLVM" in line for line in open("/proc/self/maps"))
        assert "torch" not in sys.modules and "jax" not in sys.modules
    """
    run(script)


def run(script: str, *args: str, **environment: str) -> str:
    """Runs a script in a new interpreter that finds the same attn."""
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *args],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cache_can_be_disabled(cache_dir, stand_in, monkeypatch):
    monkeypatch.setenv("ATTN_DISABLE_CACHE", "1")
    assert call().source == "compiled" and call().source == "compiled"
    assert not cache_dir.exists()


def test_default_folder_follows_the_environment(monkeypatch):
    monkeypatch.delenv("ATTN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.default_root() == "/somewhere/attn"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/x")
    assert cache.default_root() == "/home/x/.cache/attn"


def test_oldest_entries_go_first(tmp_path, monkeypatch):
    store = Cache(str(tmp_path / "c"))
    monkeypatch.setenv("ATTN_CACHE_LIMIT", "30000")
    for i in range(4):
        store.store({"n": i}, bytes(10000))
        os.utime(store.path_of(cache.key_digest({"n": i})), (i, i))
    kept = sorted(e.key["n"] for e in store.entries())
    assert kept == [2, 3]


# ---- damage -----------------------------------------------------------------------


def test_fault_20_truncated_entry_is_rebuilt(cache_dir, stand_in):
    call()
    entry = entry_of(cache_dir)
    whole = entry.read_bytes()
    for length in (0, 1, 47, len(whole) // 2, len(whole) - 1):
        entry.write_bytes(whole[:length])
        before = cache.stats()["corrupt_rebuilt"]
        assert call().source == "compiled"
        assert cache.stats()["corrupt_rebuilt"] == before + 1
        assert entry.read_bytes() == whole


def test_fault_20_thousand_corruptions_are_all_found(tmp_path):
    store = Cache(str(tmp_path / "c"))
    rng = random.Random(20)
    package = rng.randbytes(3000)
    store.store(KEY, package)
    path = store.path_of(cache.key_digest(KEY))
    whole = Path(path).read_bytes()
    for _ in range(1000):
        damaged = bytearray(whole)
        kind = rng.randrange(4)
        at = rng.randrange(len(whole))
        if kind == 0:
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del damaged[at:]
        elif kind == 2:
            damaged[at:at] = rng.randbytes(rng.randint(1, 9))
        else:
            del damaged[at : at + rng.randint(1, 99)]
        Path(path).write_bytes(damaged)
        assert store.load(KEY) is None
        assert not os.path.exists(path)
    assert store.counters["corrupt_rebuilt"] == 1000
    store.store(KEY, package)
    assert store.load(KEY) == package


def test_fault_20_entry_of_another_key_is_rebuilt(tmp_path):
    store = Cache(str(tmp_path / "c"))
    other = {**KEY, "target": "avx2"}
    store.store(KEY, b"one")
    store.store(other, b"two")
    os.replace(store.path_of(cache.key_digest(other)), store.path_of(cache.key_digest(KEY)))
    (found,) = store.entries(verify=True)
    assert found.fault == "it is stored under another key's name"
    assert store.load(KEY) is None
    assert store.counters["corrupt_rebuilt"] == 1


def test_fault_20_whole_entry_with_a_foreign_package_is_rebuilt(cache_dir, stand_in):
    key = cache_key()
    cache.default_cache().store(key, b"#!/bin/sh\necho no package\n")
    assert call().source == "compiled"
    assert cache.stats()["corrupt_rebuilt"] == 1
    assert call().source == "disk"


def cache_key() -> dict:
    """The key of the program that `call` runs."""
    text = compiler.Plan(call()).mlir()
    cache.clear()
    return compiler.cache_key(text, compiler.Options())


@pytest.mark.parametrize("field", ["attn", "llvm", "compiler", "cpu", "target", "ir_sha256", "opt_level"])  # fmt: skip
def test_fault_21_other_version_cpu_or_options_is_another_key(field):
    key = compiler.cache_key("text", compiler.Options())
    assert field in key
    assert cache.key_digest({**key, field: "other"}) != cache.key_digest(key)


def test_fault_21_key_changes_with_the_program_and_options():
    digest = lambda *a: cache.key_digest(compiler.cache_key(*a))  # noqa: E731
    plain = digest("a", compiler.Options())
    assert digest("b", compiler.Options()) != plain
    assert digest("a", compiler.Options("avx2")) != plain
    assert digest("a", compiler.Options("host", 0)) != plain
    assert digest("a", compiler.Options()) == plain


# ---- folders ----------------------------------------------------------------------


def refused(root: Path) -> str:
    """Calls with a folder that must not be used; returns the one warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert call().source == "compiled"
        assert call().source == "compiled"
    mine = [str(w.message) for w in caught if "attn:" in str(w.message)]
    assert len(mine) == 1, mine
    return mine[0]


def test_fault_22_world_writable_folder_is_refused(cache_dir, stand_in):
    cache_dir.mkdir()
    cache_dir.chmod(0o777)
    assert "is writable by others (mode 0777); run chmod 700" in refused(cache_dir)
    assert list(cache_dir.iterdir()) == []
    with pytest.raises(attn.CacheError, match="writable by others"):
        cache.entries()


def test_fault_22_symbolic_link_is_refused(cache_dir, stand_in, tmp_path):
    (tmp_path / "target").mkdir(mode=0o700)
    cache_dir.symlink_to(tmp_path / "target")
    assert "is a symbolic link" in refused(cache_dir)
    assert list((tmp_path / "target").iterdir()) == []


def test_fault_22_linked_entry_is_not_followed(cache_dir, stand_in, tmp_path):
    call()
    entry = entry_of(cache_dir)
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    assert call().source == "compiled"


def test_fault_22_file_in_place_of_the_folder_is_refused(cache_dir, stand_in):
    cache_dir.write_text("not a folder")
    assert "is not a folder" in refused(cache_dir)


def test_fault_22_folder_of_another_user_is_refused(cache_dir, stand_in, monkeypatch):
    cache_dir.mkdir(mode=0o700)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert f"belongs to user {me}, not to {me + 1}" in refused(cache_dir)


def test_fault_22_parent_that_everyone_may_change_is_refused(cache_dir, stand_in, monkeypatch):
    parent = cache_dir.parent / "open"
    parent.mkdir()
    parent.chmod(0o777)
    monkeypatch.setenv("ATTN_CACHE_DIR", str(parent / "cache"))
    assert "is writable by everyone" in refused(parent / "cache")


def test_fault_19_unwritable_folder_warns_once(cache_dir, stand_in, monkeypatch):
    # Root may write everywhere, so the refusal is the system call's.
    real = os.open
    cache_dir.mkdir(mode=0o700)

    def refuse(path, flags, *rest, **more):
        if str(path).startswith(str(cache_dir)) and flags & (os.O_CREAT | os.O_WRONLY):
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in refused(cache_dir)
    assert cache.stats()["store_failures"] == 2
    assert list(cache_dir.iterdir()) == []


def test_fault_19_full_disk_warns_once_and_leaves_nothing(cache_dir, stand_in):
    cache_dir.mkdir(mode=0o700)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", str(cache_dir)],
        capture_output=True,
    ).returncode:
        pytest.skip("expects the right to mount a small tmpfs")
    try:
        assert "No space left on device" in refused(cache_dir)
        assert [p.name for p in cache_dir.iterdir() if not p.name.startswith(".lock-")] == []
    finally:
        subprocess.run(["umount", str(cache_dir)], check=True)


def test_fault_18_folder_that_nothing_may_be_executed_from(cache_dir, stand_in, tmp_path, monkeypatch):
    import tempfile

    place = tmp_path / "noexec"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(place)], capture_output=True
    ).returncode:
        pytest.skip("expects the right to mount a tmpfs")
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        assert call().source == "compiled"
        assert call().source == "disk"
        assert cache.stats()["corrupt_rebuilt"] == 0
        assert list(place.iterdir()) == []
    finally:
        # Lazily: a failed load may have left a mapping behind.
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_fault_19_io_error_while_flushing_leaves_nothing(cache_dir, stand_in, monkeypatch):
    def fail(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    assert "Input/output error" in refused(cache_dir)
    assert [p.name for p in cache_dir.iterdir() if not p.name.startswith(".lock-")] == []


# ---- several processes -----------------------------------------------------------------

CHILD = """
    import os, shutil, sys, time
    import numpy as np
    import attn
    from attn import compiler, reference

    class Slow:
        def compile_to_file(self, ir, path, *options):
            open(sys.argv[2] + "/compiled-%d-%d" % (os.getpid(), time.monotonic_ns()), "w").close()
            time.sleep(0.02)
            shutil.copy(sys.argv[1], path)

        def compile_times(self):
            return '{"total": 0.02}'

    compiler.backend = lambda: Slow()
    q = np.random.default_rng(0).standard_normal((1, 2, 3, 64)).astype(np.float32)
    want = reference.attention(q, q, q)[0]
    for round in range(int(sys.argv[3])):
        os.environ["ATTN_CACHE_DIR"] = sys.argv[2] + "/cache-%d" % round
        compiler._programs.clear()
        attn.frontend._kernels.clear()
        attn.attention.forget()
        # Everyone starts a round together.
        open(sys.argv[2] + "/ready-%d-%d" % (round, os.getpid()), "w").close()
        while len([n for n in os.listdir(sys.argv[2]) if n.startswith("ready-%d-" % round)]) < 16:
            time.sleep(0.001)
        assert np.abs(attn.attention(q, q, q) - want).max() < 1e-6
        assert attn.cache.stats()["corrupt_rebuilt"] == 0
"""


def start(script: str, *args: str) -> subprocess.Popen:
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *args],
        env={**os.environ, "PYTHONPATH": path, "ATTN_NUM_THREADS": "1"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_fault_23_sixteen_processes_make_one_entry(tmp_path, small_package):
    rounds = 6
    children = [start(CHILD, str(small_package), str(tmp_path), str(rounds)) for _ in range(16)]
    for child in children:
        _, errors = child.communicate(timeout=240)
        assert child.returncode == 0, errors
    for n in range(rounds):
        store = Cache(str(tmp_path / f"cache-{n}"))
        (entry,) = store.entries(verify=True)
        assert entry.fault is None
        assert [x for x in os.listdir(store.root) if x.startswith(".new-")] == []
    # The lock keeps all but one of each round from compiling.
    assert len(list(tmp_path.glob("compiled-*"))) == rounds


WRITER = """
    import sys
    from attn.cache import Cache
    store, n = Cache(sys.argv[1]), 0
    while True:
        store.store({"n": n % 4}, bytes([n % 251]) * 200000)
        n += 1
"""


def test_fault_24_killed_writers_leave_no_partial_entry(tmp_path):
    root = tmp_path / "cache"
    rng = random.Random(24)
    for _ in range(25):
        child = start(WRITER, str(root))
        deadline = time.monotonic() + 20
        while not list(root.glob("*.attnpkg")) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.03)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert all(e.fault is None for e in Cache(str(root)).entries(verify=True))
    store = Cache(str(root))
    assert store.entries()
    # What the killed ones left under temporary names goes with `clear`.
    store.clear()
    assert [n for n in os.listdir(root) if not n.startswith(".lock-")] == []


def test_fault_25_threads_compile_a_program_once(cache_dir, stand_in):
    import threading

    texts = [f"program {i}" for i in range(4)]
    errors: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work(seed: int) -> None:
        try:
            order = random.Random(seed).sample(texts, 4)
            barrier.wait()
            for text in order:
                assert compiler.program(text).text == text
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert stand_in.compiled == 4


# ---- the command line -------------------------------------------------------------------


def test_command_line(cache_dir, stand_in, capsys):
    from attn.__main__ import main

    call()
    assert main(["cache", "ls"]) == 0
    assert "1 entries" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == "1 entries, 0 damaged\n"
    assert main(["cache", "stats"]) == 0
    assert f"folder    {cache_dir}" in capsys.readouterr().out
    entry = entry_of(cache_dir)
    entry.write_bytes(entry.read_bytes()[:-1])
    assert main(["cache", "verify"]) == 1
    assert "1 entries, 1 damaged" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "1 entries removed\n"
    assert main(["cache", "ls"]) == 0
    cache_dir.chmod(0o722)
    assert main(["cache", "ls"]) == 1
    assert "error: the cache folder is not used" in capsys.readouterr().err


def test_entries_say_what_they_are(cache_dir, stand_in):
    call()
    key = json.loads(json.dumps(cache.entries()[0].key))
    assert set(key) >= {"format", "attn", "llvm", "compiler", "cpu", "target", "ir_sha256"}
