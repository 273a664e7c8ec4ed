//===- Compiler.h - C API of the compiler half --------------------*- C -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The compiler half of Attn's C API: a program (MLIR text or bytecode) goes in;
// a package, other text, an explanation or the oracle's results come out. It
// lives in libattnc, which needs LLVM and MLIR; what it writes does not (see
// attn-c/Runtime.h).
//
// Functions that can fail return 0 or the number of an `AttnStatus` of
// attn-c/Runtime.h; the text of the last failure on the calling thread is
// `attnCompilerLastError()`. All functions may be called from several threads
// at once. No input ends the process: what is too large or too deep is refused,
// and a crash inside LLVM is reported as an internal error.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_C_COMPILER_H
#define ATTN_C_COMPILER_H

#include "attn/Runtime/DLPack.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ATTN_COMPILER_EXPORTED __attribute__((visibility("default")))
#else
#define ATTN_COMPILER_EXPORTED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// How to compile. A null pointer means target "host", level 3, verified.
typedef struct AttnCompileOptions {
  /// "host", "avx512bf16", "avx512", "avx2", "sse4" or "generic"; null means "host". "host"
  /// uses everything that this CPU has; the others run on any CPU of the class.
  const char *target;
  /// LLVM's optimization level, 0 to 3.
  int opt_level;
  /// Not 0: the IR is verified after each pass.
  int verify;
  /// What error messages call the program, for example its file's name; null
  /// for "program".
  const char *name;
} AttnCompileOptions;

/// Text or bytes that the library allocated. Free with `attnStringFree`. There
/// is a zero byte behind `size` bytes.
typedef struct AttnString {
  char *data;
  size_t size;
} AttnString;

/// Frees the text and sets both fields to 0. Null is allowed.
ATTN_COMPILER_EXPORTED void attnStringFree(AttnString *string);

/// The text of the last failure on this thread. Valid until the next call into
/// the compiler on this thread; never null.
ATTN_COMPILER_EXPORTED const char *attnCompilerLastError(void);

/// Versions of Attn and LLVM, and CPU and features of this machine. Programs,
/// options and this text together decide what a package holds.
ATTN_COMPILER_EXPORTED const char *attnCompilerFingerprint(void);

/// Compiles the program's public functions into the package `so_path`, which is
/// written beside and renamed: there is never half a file.
ATTN_COMPILER_EXPORTED int attnCompileToFile(const char *ir, size_t len,
                                             const AttnCompileOptions *options,
                                             const char *so_path);

/// What `attnEmit` can give.
typedef enum AttnEmitKind {
  /// The program, parsed and verified.
  ATTN_EMIT_ATTN = 0,
  /// With a schedule on every attention.
  ATTN_EMIT_SCHEDULED = 1,
  /// With the key plan in place of every attention.
  ATTN_EMIT_PLANNED = 2,
  /// On buffers.
  ATTN_EMIT_BUFFERIZED = 3,
  /// Key loops as scf and vector.
  ATTN_EMIT_LOWERED = 4,
  /// In MLIR's LLVM dialect.
  ATTN_EMIT_LLVM_DIALECT = 5,
  /// LLVM IR, optimized.
  ATTN_EMIT_LLVM_IR = 6,
  /// Assembly.
  ATTN_EMIT_ASM = 7,
  /// An ELF object, not linked.
  ATTN_EMIT_OBJECT = 8,
  /// The kernels' PTX, for a GPU.
  ATTN_EMIT_PTX = 9,
  /// The kernels, assembled for one GPU; needs a ptxas.
  ATTN_EMIT_CUBIN = 10
} AttnEmitKind;

/// Gives the program at one stage of its compilation.
ATTN_COMPILER_EXPORTED int attnEmit(const char *ir, size_t len,
                                    const AttnCompileOptions *options,
                                    AttnEmitKind kind, AttnString *out);

/// Gives the program after `pipeline`: the name of a stage for this machine
/// ("attn", "scheduled", "planned", "bufferized", "lowered", "llvm-dialect",
/// "llvm", "asm"), or a pass pipeline as attn-opt takes it, without
/// `builtin.module(...)` around it.
ATTN_COMPILER_EXPORTED int attnRunPipeline(const char *ir, size_t len,
                                           const char *pipeline,
                                           AttnString *out);

/// The signature of function `entry` as JSON, with the names, dtypes and shapes
/// (-1 is dynamic) of arguments and results, as in a package. An empty or null
/// `entry` gives an array of all entries.
ATTN_COMPILER_EXPORTED int attnSignature(const char *ir, size_t len,
                                         const char *entry,
                                         AttnString *json_out);

/// Says how each attention will be computed, as JSON: its schedule, what bounds
/// its keys, where masks are needed, what is added to the scores, and remarks.
ATTN_COMPILER_EXPORTED int attnExplain(const char *ir, size_t len,
                                       const AttnCompileOptions *options,
                                       AttnString *json_out);

/// Where the time of the last compilation on this thread went, as JSON: seconds
/// in "parse", "passes", "translate", "optimize", "codegen", "link" and
/// "total". Empty before the first.
ATTN_COMPILER_EXPORTED const char *attnCompileTimes(void);

/// Runs function `entry` in float64, by plain loops (the oracle). `results`
/// have the shapes that `attnInterpretShapes` gives, are compact, and hold
/// either the dtype of the function's result or, for a float result, f64, which
/// is not rounded.
ATTN_COMPILER_EXPORTED int attnInterpret(const char *ir, size_t len,
                                         const char *entry,
                                         const DLTensor *const *args,
                                         int n_args, DLTensor *const *results,
                                         int n_results);

/// Writes the sizes of all results of `entry`, in order and concatenated.
ATTN_COMPILER_EXPORTED int attnInterpretShapes(const char *ir, size_t len,
                                               const char *entry,
                                               const DLTensor *const *args,
                                               int n_args, int64_t *dims);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTN_C_COMPILER_H
