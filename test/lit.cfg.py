# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""lit configuration of the Attn tests: suffixes, tools, substitutions, features."""

import importlib.util
import os
import pathlib
import shutil
import sys

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "ATTN"
config.test_format = lit.formats.ShTest(not llvm_config.use_lit_shell)
config.suffixes = [".mlir", ".test"]
# `Inputs` are read by tests. The files of Integration carry no RUN lines: `attn-run --suite` runs them.
config.excludes = ["Inputs", "Integration", "unittests", "python", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.attn_obj_root, "test")
# A test that hangs is a failed test. (The limit needs psutil, which .venv has; check.py limits the whole part.)
if importlib.util.find_spec("psutil"):
    lit_config.maxIndividualTestTime = 300

llvm_config.with_system_environment(["HOME", "TMP", "TEMP", "XDG_CACHE_HOME"])
llvm_config.use_default_substitutions()
llvm_config.with_environment("PATH", config.llvm_tools_dir, append_path=True)
llvm_config.with_environment("PATH", config.attn_tools_dir, append_path=True)

tools = ["attn-opt", "attn-run", "attn-compile", "attn-emulate", "attn-lsp-server", "attn-reduce"]
tools = [ToolSubst(tool, unresolved="ignore") for tool in tools]
llvm_config.add_tool_substitutions(tools, [config.attn_tools_dir])
llvm_config.add_tool_substitutions(
    [ToolSubst(t, unresolved="ignore") for t in ("mlir-tblgen", "mlir-translate", "opt", "llc", "split-file", "llvm-objdump", "llvm-nm", "llvm-readelf")],
    [config.llvm_tools_dir],
)

# The interpreter of .venv when there is one, else the one that runs lit.
python = config.attn_python if os.path.exists(config.attn_python) else sys.executable
config.substitutions.insert(0, ("%python", python))
config.substitutions.append(("%src_root", config.attn_src_root))
config.substitutions.append(("%obj_root", config.attn_obj_root))
config.substitutions.append(("%attn_lib_dir", config.attn_lib_dir))


def cpu_flags() -> set:
    """The CPU's feature flags as the kernel names them."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.split(":", 1)[1].split())
    return set()


flags = cpu_flags()
# Code-shape tests run everywhere; these are for tests that run what they compile.
if {"avx2", "fma"} <= flags:
    config.available_features.add("host-avx2")
if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
    config.available_features.add("host-avx512")
if config.host_triple.startswith("x86_64"):
    config.available_features.add("x86")
if os.path.exists(config.attn_python):
    config.available_features.add("python")
if shutil.which("ptxas"):
    config.available_features.add("ptxas")
