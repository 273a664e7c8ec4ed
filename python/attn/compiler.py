# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""From program text to a kernel: memory, then disk, then the compiler.

Only the last step loads LLVM. Everything before it (the text, the key, the
package's own signature) is read without the compiler half.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import threading
import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence, TypeVar

from . import _build, _runtime, cache, checks, ir
from .device import is_gpu_target, target_of
from .errors import AttnError, CacheError, CompileError, ResourceError, ShapeError
from .timings import Timings

__all__ = ["Options", "Program", "program"]

_T = TypeVar("_T")

#: Stages of compilation, in the order of `AttnEmitKind` in attn-c/Compiler.h.
STAGES = (
    "attn", "scheduled", "planned", "bufferized", "lowered", "llvm-dialect", "llvm", "asm"
)  # fmt: skip
#: ATTN_EMIT_PTX there.
EMIT_PTX = 9
TARGETS = ("host", "avx512bf16", "avx512", "avx2", "sse4", "generic")


class Options(NamedTuple):
    """How a program is compiled.

    Attributes:
      target: ``"host"``, or one of ``"avx512bf16"``, ``"avx512"``, ``"avx2"``, ``"sse4"`` and
        ``"generic"``; for GPUs ``"cuda"``, or an architecture such as ``"sm_90"``.
      opt_level: LLVM's optimisation level, 0 to 3.
      verify: check the IR between passes.
    """

    target: str = "host"
    opt_level: int = 3
    verify: bool = True

    def checked(self) -> "Options":
        """The options with their values plain.

        Raises:
          CompileError: a target or a level that there is not.
        """
        target = self.target
        if not isinstance(target, str) or (target not in TARGETS and not is_gpu_target(target)):
            wants = f"one of {', '.join(TARGETS)}, cuda or sm_NN"
            raise checks.refusal("target", wants, target, error=CompileError)
        level = checks.whole("opt_level", self.opt_level, 0, 3, wants="0 to 3", error=CompileError)
        return self._replace(target=str(target), opt_level=level)


# ---- the key ---------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def cpu_fingerprint() -> str:
    """What code may depend on about this CPU, read from the kernel."""
    wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags",
              "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part")  # fmt: skip
    lines = [os.uname().machine]
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if not line.strip():
                    break  # the first CPU is enough
                name, _, value = line.partition(":")
                if name.strip() in wanted:
                    lines.append(f"{name.strip()}={value.strip()}")
    except OSError:
        pass
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def installed_ptxas() -> str:
    """The ptxas of NVIDIA's package on this Python's path, or ''.

    The compiler takes it where neither ATTN_PTXAS nor a CUDA toolkit nor PATH has one.
    """
    try:
        found = importlib.util.find_spec("nvidia")
    except (ImportError, ValueError):
        return ""
    for place in (found and found.submodule_search_locations) or ():
        # nvidia/cu13/bin since CUDA 13, nvidia/cuda_nvcc/bin before.
        for path in sorted(glob.glob(os.path.join(glob.escape(place), "*", "bin", "ptxas")), reverse=True):
            if os.access(path, os.X_OK):
                return path
    return ""


def ptxas_fingerprint() -> str:
    """Which ptxas the compiler would find: with another one a package holds other machine code."""
    given = os.environ.get("ATTN_PTXAS")
    if given is not None:
        places = [given]
    else:
        homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_ROOT")]
        places = [os.path.join(home, "bin", "ptxas") for home in homes if home]
        places += [shutil.which("ptxas") or "", "/usr/local/cuda/bin/ptxas", installed_ptxas()]
    for path in places:
        try:
            info = os.stat(path)
        except OSError:
            continue
        return f"{path}-{info.st_size}-{info.st_mtime_ns}"
    return "none"


@functools.lru_cache(maxsize=None)
def compiler_fingerprint() -> str:
    """Which compiler is installed, told without loading it."""
    name = _build.COMPILER_LIBRARY
    if not name:
        return "none"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    try:
        info = os.stat(path)
    except OSError:
        return "none"
    return f"{info.st_size}-{info.st_mtime_ns}"


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def cache_key(text: str | bytes, options: Options) -> dict[str, Any]:
    """Everything that the package of a program depends on."""
    gpu = {"ptxas": ptxas_fingerprint()} if is_gpu_target(options.target) else {}
    return {
        **gpu,
        "format": 1,
        "attn": _build.VERSION,
        "llvm": _build.LLVM_VERSION,
        "compiler": compiler_fingerprint(),
        "cpu": cpu_fingerprint(),
        "target": options.target,
        "opt_level": options.opt_level,
        "ir_sha256": hashlib.sha256(_bytes(text)).hexdigest(),
    }


# ---- the compiler, loaded late --------------------------------------------------------


@functools.lru_cache(maxsize=None)
def backend() -> Any:
    """The extension module of the compiler half.

    Raises:
      CompileError: it is not installed, or LLVM cannot be loaded.
    """
    try:
        from . import _compiler
    except ImportError as e:
        raise CompileError(
            f"compiling expects the compiler half of attn, but it cannot be loaded: {e}"
        ) from e
    return _compiler


def interruptible(work: Callable[[], _T]) -> _T:
    """Runs work on another thread, so that Ctrl-C need not wait for it.

    LLVM cannot be stopped halfway. The thread finishes in the background and its
    package still reaches the cache.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    box: dict[str, Any] = {}
    done = threading.Event()

    def run() -> None:
        try:
            box["value"] = work()
        except BaseException as e:  # handed to the caller below
            box["error"] = e
        finally:
            done.set()

    threading.Thread(target=run, name="attn-compile").start()
    done.wait()
    if "error" in box:
        raise box["error"]
    return box["value"]  # type: ignore[no-any-return]


# ---- programs ---------------------------------------------------------------------------


class Program:
    """A compiled program: its text, its kernel, and where it came from.

    Attributes:
      text: the program in the `attn` dialect, or its bytecode.
      kernel: the loaded entry.
      arguments, results: the signature, with the arguments' names in `names`.
      source: ``"compiled"`` or ``"disk"``; ``"file"`` for a loaded package.
      seconds: what finding or compiling it took.
      times: where that went, in seconds by stage (see `Plan.timings`).
    """

    def __init__(
        self, text: str | bytes | None, options: Options, kernel: Any, source: str, entry: str,
        package: bytes,
    ) -> None:  # fmt: skip
        self.text = text
        self.options = options
        self.kernel = kernel
        self.source = source
        self.entry = entry
        self.package = package
        self.seconds = 0.0
        self.times: dict[str, float] = {}
        self.description = json.loads(kernel.json)
        found = [e for e in self.description["entries"] if e["name"] == entry]
        if not found:
            raise CacheError(f"a package expects an entry named {entry}, but got none")
        self.notes: list[str] = list(found[0].get("notes", ()))
        self.names = [a.get("name") or f"arg{i}" for i, a in enumerate(found[0]["args"])]
        self.arguments, self.results = ir.parse_signature(found[0])
        kernel.set_results([t.dtype for t in self.results], [len(t.dims) for t in self.results])


_programs: dict[tuple[str | bytes, str, Options], Program] = {}
_locks: dict[tuple[str | bytes, str, Options], threading.Lock] = {}
_guard = threading.Lock()
#: How many programs this process compiled and how many it took from disk.
counters = {"compiled": 0, "disk": 0}


def program(text: str | bytes, options: Options = Options(), entry: str = "main") -> Program:
    """Returns the compiled program of a text, compiling it if need be.

    Raises:
      CompileError: the text does not parse, verify or compile.
      ShapeError: static shapes that do not fit together.
      ResourceError: no space for the package, or a size limit.
    """
    key = (text, entry, options)
    found = _programs.get(key)
    if found is not None:
        return found
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        found = _programs.get(key)
        if found is None:
            start = time.perf_counter()
            found = _find(text, options.checked(), entry)
            found.seconds = time.perf_counter() - start
            found.times["other"] = max(0.0, found.seconds - sum(found.times.values()))
            counters[found.source] += 1
            _programs[key] = found
    return found


def _find(text: str | bytes, options: Options, entry: str) -> Program:
    store = cache.default_cache()
    if store is None:
        return interruptible(lambda: _compile(text, options, entry))
    start = time.perf_counter()
    key = cache_key(text, options)
    found = _from_disk(store, key, text, options, entry)
    looked = time.perf_counter() - start
    if found is not None:
        found.times["cache"] = looked - found.times["load"]
        return found

    def build() -> Program:
        with store.building(key):
            # Another process may have been faster.
            if os.path.exists(store.path_of(cache.key_digest(key))):
                found = _from_disk(store, key, text, options, entry)
                if found is not None:
                    return found
            made = _compile(text, options, entry)
            start = time.perf_counter()
            store.store(key, made.package)
            made.times["cache"] = looked + time.perf_counter() - start
            return made

    return interruptible(build)


def _from_disk(
    store: cache.Cache, key: Mapping[str, Any], text: str | bytes, options: Options,
    entry: str,
) -> Program | None:
    package = store.load(key)
    if package is None:
        return None
    try:
        return open_package(package, text, options, "disk", entry)
    except CacheError:
        # Whole, but not what this runtime can load: build it again.
        store.discard(key)
        return None


def _compile(text: str | bytes, options: Options, entry: str) -> Program:
    compiler = backend()
    folder = cache.private_folder()
    try:
        path = os.path.join(folder, "package.so")
        target = None if options.target == "host" else options.target
        ptxas = installed_ptxas() if is_gpu_target(options.target) else ""
        start = time.perf_counter()
        compiler.compile_to_file(text, path, target, options.opt_level, options.verify, ptxas)
        seconds = time.perf_counter() - start
        # The same thread compiled, so these are its times.
        times: dict[str, float] = json.loads(compiler.compile_times())
        del times["total"]
        # Contexts, dialects and the first use of LLVM lie between the stages.
        times["set up"] = max(0.0, seconds - sum(times.values()))
        with open(path, "rb") as f:
            package = f.read()
    except OSError as e:
        if isinstance(e, AttnError):
            raise
        raise ResourceError(f"cannot write a package: {e.strerror or e}") from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    made = open_package(package, text, options, "compiled", entry)
    made.times.update(times)
    return made


def open_package(
    package: bytes, text: str | bytes | None, options: Options, source: str, entry: str
) -> Program:
    """Loads a package from memory.

    The bytes that were checked are the ones that are loaded: they go to a
    private file that nobody else can reach, and whose name goes at once.
    """
    start = time.perf_counter()
    first: Exception | None = None
    # A temporary folder may be full, or mounted so that nothing in it can be
    # executed; then the next place is tried.
    for base in cache.private_places():
        try:
            folder = tempfile.mkdtemp(prefix="attn-", dir=base)
        except OSError as e:
            first = first or e
            continue
        try:
            path = os.path.join(folder, "package.so")
            with open(path, "wb") as f:
                f.write(package)
            kernel = _runtime.Kernel(path, entry)
            made = Program(text, options, kernel, source, entry, package)
            made.times["load"] = time.perf_counter() - start
            return made
        except OSError as e:  # CacheError is one, too
            first = first or e
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if isinstance(first, AttnError):
        raise first
    reason = first.strerror if isinstance(first, OSError) else "there is no temporary folder"
    raise ResourceError(f"cannot write a temporary package: {reason}") from first


def _after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    _locks.clear()


os.register_at_fork(after_in_child=_after_fork)


# ---- plans --------------------------------------------------------------------------------


def in_order(names: Sequence[str], args: Sequence[Any], named: Mapping[str, Any]) -> Sequence[Any]:
    """The arguments of a plan by position.

    Raises:
      ShapeError: too few, too many, or one that the plan does not have.
    """
    if named:
        rest = names[len(args) :]
        if sorted(rest) != sorted(named):
            raise ShapeError(
                f"the plan expects {', '.join(rest) or 'no arguments'} by name, but got "
                f"{', '.join(named)}"
            )
        return (*args, *(named[n] for n in rest))
    if len(args) != len(names):
        raise ShapeError(f"the plan expects the arguments {', '.join(names)}, but got {len(args)}")
    return args


def as_tensors(arrays: Sequence[Any]) -> list[Any]:
    """Takes arrays of any library as `_runtime.Tensor`."""
    return [a if isinstance(a, _runtime.Tensor) else _runtime.tensor(a) for a in arrays]


class Plan:
    """A compiled function, ready to run again and again.

    Made by :func:`attn.compile` or :func:`attn.load`.
    """

    def __init__(self, program: Program, device: str | None = None) -> None:
        self._program = program
        #: Where `run` runs it when it is not told.
        self._device = device

    def __repr__(self) -> str:
        p = self._program
        arguments = ", ".join(f"{n}: {t}" for n, t in zip(p.names, p.arguments))
        results = ", ".join(map(str, p.results))
        return f"<attn.Plan {p.entry}({arguments}) -> {results}>"

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments' types by name, such as ``tensor<?x?x?x64xf32>``."""
        return {n: str(t) for n, t in zip(self._program.names, self._program.arguments)}

    @property
    def results(self) -> list[str]:
        """The results' types."""
        return [str(t) for t in self._program.results]

    @property
    def source(self) -> str:
        """``"compiled"``, ``"disk"`` or ``"file"``."""
        return self._program.source

    def run(
        self, *args: Any, out: Any = None, num_threads: int | None = None,
        device: str | None = None, **named: Any,
    ) -> Any:  # fmt: skip
        """Runs the plan.

        Args:
          *args, **named: the arrays, by position or by the arguments' names.
          out: where to write the results (an array, or a tuple of them), which
            must not overlap an argument; new arrays of the first argument's
            library when left out.
          num_threads: how many threads to use.
          device: for a plan of GPU kernels, ``"cuda"``, ``"cuda:N"`` or
            ``"emulated"``; the plan's own, or the arrays', when left out.

        Returns:
          The result, a tuple of them when there are several, or `out`.

        Raises:
          ShapeError: the arrays do not fit the signature.
          DeviceError: the device is missing, does not fit the plan or the arrays, or
            failed; or the emulated device found a fault.
          KeyboardInterrupt: Ctrl-C; the results are then undefined.
        """
        args = tuple(in_order(self._program.names, args, named))
        return self._launch(as_tensors(args), out, num_threads, device)

    def _launch(
        self, tensors: Sequence[Any], out: Any, num_threads: int | None, device: str | None
    ) -> Any:
        run = self._program.kernel.run
        threads = checks.threads(num_threads)
        if device is not None:
            target_of(device)
        where = self._device if device is None else device
        if out is None:
            return run(tensors, None, 0, threads, where)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        run(tensors, [_runtime.out_tensor(o) for o in outs], 0, threads, where)
        return out

    def oracle(self, *args: Any) -> Any:
        """Runs the float64 interpreter of the dialect instead of the kernel.

        It is slow, shares nothing with the compiled road, and does not round
        float results.

        Args:
          *args: the arrays, in the order of `arguments`.

        Returns:
          numpy arrays, float64 for float results; a tuple when there are several.

        Raises:
          ShapeError: the arrays do not fit the signature.
        """
        return self._interpret(as_tensors(in_order(self._program.names, args, {})))

    def _interpret(self, tensors: Sequence[Any]) -> Any:
        import numpy as np

        p = self._program
        if p.text is None:
            raise CompileError("a plan loaded from a package has no program text to interpret")
        addresses = [t.address for t in tensors]
        dims = backend().interpret_shapes(
            p.text, p.entry, addresses, sum(len(t.dims) for t in p.results)
        )
        results = []
        for t in p.results:
            shape, dims = dims[: len(t.dims)], dims[len(t.dims) :]
            kind = {"i1": "bool", "i8": "int8", "i32": "int32", "i64": "int64"}
            results.append(np.empty(shape, kind.get(t.dtype, "float64")))
        outs = [_runtime.out_tensor(r) for r in results]
        backend().interpret(p.text, p.entry, addresses, [o.address for o in outs])
        return results[0] if len(results) == 1 else tuple(results)

    def mlir(self, stage: str = "attn") -> str:
        """The program at a stage of its compilation.

        Args:
          stage: ``"attn"`` for the program as written; ``"scheduled"``,
            ``"planned"``, ``"bufferized"``, ``"lowered"``, ``"llvm-dialect"``,
            ``"llvm"``, ``"asm"``, for a GPU also ``"ptx"``; or a pass pipeline as
            `attn-opt` takes it.

        Raises:
          CompileError: no such stage, or the program's text is not known.
        """
        stage = checks.words("stage", stage)
        text = self._program.text
        if text is None:
            raise CompileError(
                "a plan loaded from a package has no program text; keep the .mlir file beside it"
            )
        if stage == "attn" and isinstance(text, str):
            return text
        if stage == "cubin":
            raise CompileError(
                'a stage expects text, but got "cubin"; "ptx" prints the kernels, save() writes the package '
                "that has the cubin, and attn-compile --emit=cubin writes it alone"
            )
        options = self._program.options
        target = None if options.target == "host" else options.target

        def emit() -> str:
            if stage in STAGES or stage == "ptx":
                kind = EMIT_PTX if stage == "ptx" else STAGES.index(stage)
                return backend().emit(text, kind, target, options.opt_level)  # type: ignore[no-any-return]
            return backend().run_pipeline(text, stage)  # type: ignore[no-any-return]

        return interruptible(emit)

    def timings(self) -> Timings:
        """What it took until the plan could run, in milliseconds by stage.

        The numbers are those of the first time that this process asked for the
        program: a plan from the cache on disk has neither passes nor code generation,
        and later plans of the same program repeat them.
        """
        p = self._program
        return Timings({s: seconds * 1e3 for s, seconds in p.times.items()}, p.source)

    def explain(self, timings: bool = False) -> str:
        """Why the plan is as it is, and what its runs did so far, as text.

        Args:
          timings: add the table of `timings`.
        """
        p = self._program
        d = p.description
        lines = [
            f"entry {p.entry} for {d.get('target', '?')} ({d.get('cpu', '?')}), "
            f"{len(p.package)} bytes, {p.source} in {p.seconds * 1e3:.0f} ms"
        ]
        lines += [f"  argument {n}: {t}" for n, t in zip(p.names, p.arguments)]
        lines += [f"  result: {t}" for t in p.results]
        lines += [f"  {note}" for note in p.notes]
        lines.append(f"  calls: {p.kernel.calls}")
        # Kernels of a GPU count no tiles; on the emulator attn.device_report() does.
        counted = {k: v for k, v in p.kernel.counters.items() if not d.get("arch") or k == "guard_recomputations"}
        lines += [f"  {k.replace('_', ' ')}: {v}" for k, v in counted.items()]
        if timings:
            lines += [f"  {line}" for line in str(self.timings()).split("\n")]
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the package, a shared object that `attn.load` opens without LLVM.

        Raises:
          CacheError: the file cannot be written; nothing is left behind.
        """
        path = os.fsdecode(checks.path("path", path))
        beside = f"{path}.{os.getpid()}.new"
        try:
            with open(beside, "wb") as f:
                f.write(self._program.package)
                f.flush()
                os.fsync(f.fileno())
            os.replace(beside, path)
        except OSError as e:
            try:
                os.unlink(beside)
            except OSError:
                pass
            raise CacheError(f"cannot write {path}: {e.strerror or e}") from e


def load(path: str | os.PathLike[str], entry: str = "main") -> Plan:
    """Opens a package that `Plan.save` or `attn-compile` wrote.

    A package is code: load only what you trust.

    Raises:
      CacheError: the file is missing, damaged, or for another machine.
    """
    path = os.fsdecode(checks.path("path", path))
    entry = checks.words("entry", entry)
    try:
        with open(path, "rb") as f:
            package = f.read()
    except OSError as e:
        raise CacheError(f"cannot read {path}: {e.strerror or e}") from e
    return Plan(open_package(package, None, Options(), "file", entry))
