#!/bin/sh
# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Exits with 1 (interesting) while the program still holds an attention.
grep -q attn.attention "$1" && exit 1
exit 0
