# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""``python -m attn``: look after the cache, see what attn found here, read an ONNX model."""

from __future__ import annotations

import argparse
import os
import sys
import time

from . import _build, _runtime, cache, compiler
from .errors import AttnError


def _cache_ls(_: argparse.Namespace) -> int:
    store = cache.default_cache()
    if store is None:
        print("the cache is disabled (ATTN_DISABLE_CACHE)")
        return 0
    for e in store.entries():
        key = e.key or {}
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used))
        name = os.path.basename(e.path)[:16]
        print(
            f"{name}  {e.size:>9}  {used}  target={key.get('target', '?')} "
            f"attn={key.get('attn', '?')} llvm={key.get('llvm', '?')} "
            f"ir={str(key.get('ir_sha256', '?'))[:12]}"
        )
    print(f"{store.root}: {len(store.entries())} entries")
    return 0


def _cache_verify(_: argparse.Namespace) -> int:
    found = cache.verify()
    bad = [e for e in found if e.fault]
    for e in bad:
        print(f"{e.path}: {e.fault}")
    print(f"{len(found)} entries, {len(bad)} damaged")
    return 1 if bad else 0


def _cache_clear(_: argparse.Namespace) -> int:
    print(f"{cache.clear()} entries removed")
    return 0


def _cache_stats(_: argparse.Namespace) -> int:
    store = cache.default_cache()
    if store is None:
        print("the cache is disabled (ATTN_DISABLE_CACHE)")
        return 0
    found = store.entries()
    compilers = {str((e.key or {}).get("compiler")) for e in found}
    print(f"folder    {store.root}")
    print(f"entries   {len(found)}")
    print(f"bytes     {sum(e.size for e in found)}")
    print(f"limit     {os.environ.get('ATTN_CACHE_LIMIT', 1 << 30)}")
    print(f"compilers {len(compilers)}")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    """Prints versions, libraries, CPU and cache health; 1 when something is wrong."""
    wrong = 0
    print(f"attn       {_build.VERSION}")
    print(f"runtime    {_runtime.version()}")
    print(f"python     {sys.version.split()[0]} at {sys.executable}")
    try:
        print(f"compiler   {compiler.backend().fingerprint()}")
    except AttnError as e:
        wrong = 1
        print(f"compiler   {e}")
    model, flags = "unknown", set()
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    model = value.strip()
                elif name.strip() == "flags":
                    flags = set(value.split())
    except OSError:
        pass
    wanted = ("sse4_2", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
    print(f"cpu        {model}: {' '.join(w for w in wanted if w in flags) or 'none known'}")
    try:
        print(f"threads    {_runtime.get_num_threads()}")
    except AttnError as e:
        wrong = 1
        print(f"threads    {e}")
    for name in ("numpy", "ml_dtypes", "onnx", "torch", "jax"):
        import importlib.metadata

        try:
            print(f"{name:<10} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:<10} not installed")
    store = cache.default_cache()
    if store is None:
        print("cache      disabled (ATTN_DISABLE_CACHE)")
        return wrong
    try:
        store.check_root(create=True)
        found = store.entries(verify=True)
        bad = sum(1 for e in found if e.fault)
        print(f"cache      {store.root}: {len(found)} entries, {bad} damaged")
        wrong |= bad > 0
    except (AttnError, OSError, cache.Unusable) as e:
        wrong = 1
        print(f"cache      not used: {e}")
    return wrong


def _onnx(arguments: argparse.Namespace) -> int:
    from .onnx import _model

    print(_model.describe(arguments.file, arguments.external_data))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m attn", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="versions, libraries, CPU and cache health")
    doctor.set_defaults(run=_doctor)
    look = commands.add_parser("cache", help="list, check or empty the cache of packages")
    actions = look.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("ls", _cache_ls, "list the entries"),
        ("verify", _cache_verify, "check every entry's hash; status 1 when one is damaged"),
        ("clear", _cache_clear, "remove every entry"),
        ("stats", _cache_stats, "where the cache is and how much it holds"),
    ):
        actions.add_parser(name, help=text).set_defaults(run=run)
    model = commands.add_parser("onnx", help="what an ONNX model becomes; compiles nothing")
    model.add_argument("file", metavar="FILE", help="the model")
    model.add_argument(
        "--external-data", action="store_true", help="read tensors from files beside the model"
    )
    model.set_defaults(run=_onnx)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except AttnError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
