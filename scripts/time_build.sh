#!/usr/bin/env bash
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds everything from nothing in a folder of its own, without the compiler
# cache, and prints how long that took. The last line is what README quotes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CCACHE_DISABLE=1 PATH=/usr/lib/llvm-22/bin:$PATH
start=$(date +%s)
# ATTN_BUILD_DIR moves the build tree; the stamp of setup.sh lies inside it.
ATTN_BUILD_DIR=$folder "$root/scripts/setup.sh" configure
ninja -C "$folder" | tail -n 1
awk -v s=$(($(date +%s) - start)) -v n="$(nproc)" 'BEGIN { printf "clean build: %.1f minutes on %d cores\n", s / 60, n }'
