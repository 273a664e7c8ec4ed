//===- ABI.h - What generated code calls --------------------------*- C -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions that compiled packages import from libattnrt, and the shapes of
// what packages export. This header is the only place that declares them: the
// lowering writes calls with these names and types.
//
// Unless a comment says otherwise a failing function does not return: it leaves
// the whole call by `attnrt_fail`.
//
// A package whose description has the target "cuda" runs on a device. Its
// entries are host code all the same; the pointers in their descriptors, and
// those that the functions below take and give, then are device memory, except
// where a comment says host.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_ABI_H
#define ATTN_RUNTIME_ABI_H

#include "attn-c/Runtime.h"

#include <stdint.h>

#if defined(__GNUC__)
#define ATTNRT_NORETURN __attribute__((noreturn))
#else
#define ATTNRT_NORETURN
#endif

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// What a package exports
//===----------------------------------------------------------------------===//
//
//   const char attn_package_json[];                  NUL-terminated JSON
//   void attn_entry_<name>(void **descs);            args, then results
//   void attn_shape_<name>(void **arg_descs, int64_t *dims);
//
// Each element of `descs` points at a memref descriptor of rank r:
//   { T *allocated; T *aligned; int64 offset; int64 sizes[r]; int64 strides[r];
//   }
// with strides in elements, allocated == aligned == the first element,
// offset == 0, and a last stride of 1 for r >= 1.

/// The type of `attn_entry_<name>`.
typedef void (*AttnEntryFunction)(void **descs);
/// The type of `attn_shape_<name>`.
typedef void (*AttnShapeFunction)(void **arg_descs, int64_t *dims);
/// One task of a parallel loop.
typedef void (*AttnBlockFunction)(void *context, int64_t task, void *scratch);

//===----------------------------------------------------------------------===//
// Parallel loops
//===----------------------------------------------------------------------===//

/// Runs `block(context, t, scratch)` for every t in [0, tasks). Tasks are
/// claimed one by one in increasing order by the calling thread and the pool;
/// all are done on return. `scratch` is `scratch_bytes` long, 64-byte aligned,
/// private to the thread for the duration of one task, and holds whatever the
/// last task left in it. A loop inside a task runs on that task's thread.
/// Cancellation is looked at between tasks. Not for calls on a device.
ATTN_RUNTIME_EXPORTED void attnrt_parallel_for(AttnBlockFunction block,
                                               void *context, int64_t tasks,
                                               int64_t scratch_bytes);

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The kernels of a package: static data in host memory, whose address is the
/// identity under which devices keep what they load from it.
typedef struct AttnGpuImage {
  /// PTX text; a NUL behind it is allowed and not counted.
  const char *ptx;
  int64_t ptx_bytes;
  /// The same, assembled for `arch`; may be null.
  const void *cubin;
  int64_t cubin_bytes;
  /// What both were made for, such as "sm_80" or "sm_90a".
  const char *arch;
} AttnGpuImage;

/// Launches `kernel` over the grid, with `threads` threads per block in one
/// axis and `shared_bytes` of dynamic shared memory. The kernel has one
/// parameter, by value, of `param_bytes` bytes, read from host memory before
/// this returns. Launches, copies and frees of one call happen in the order of
/// the program; a launch is not waited for. A grid with an axis of 0 launches
/// nothing.
ATTN_RUNTIME_EXPORTED void
attnrt_gpu_launch(const AttnGpuImage *image, const char *kernel, int64_t grid_x,
                  int64_t grid_y, int64_t grid_z, int32_t threads,
                  int64_t shared_bytes, const void *params,
                  int64_t param_bytes);

/// Copies `bytes` of host memory, such as the package's constants, to memory of
/// the call's device.
ATTN_RUNTIME_EXPORTED void attnrt_gpu_upload(void *to, const void *from,
                                             int64_t bytes);

/// Copies `bytes` of the call's device to host memory, once all launches before
/// it are done.
ATTN_RUNTIME_EXPORTED void attnrt_gpu_download(void *to, const void *from,
                                               int64_t bytes);

/// Adds the number of `flags` that are not 0 to the call's counter `which`. On
/// CUDA this waits for the device, and so does nothing unless the caller asked
/// for counters.
ATTN_RUNTIME_EXPORTED void
attnrt_gpu_count_flags(int32_t which, const int32_t *flags, int64_t n);

//===----------------------------------------------------------------------===//
// Failing
//===----------------------------------------------------------------------===//

/// Ends the current call with the status `code` and a copy of `msg`. Inside a
/// task it ends the loop on all threads first. No frame between here and the
/// call may own anything: the call's allocations are freed by the runtime.
ATTN_RUNTIME_EXPORTED ATTNRT_NORETURN void attnrt_fail(int32_t code,
                                                       const char *msg);

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//
//
// Those that read arrays copy them to the host first where the call runs on
// CUDA, which waits for the work before them on the call's stream.

/// Fails with "<msg>, but got <a> and <b>" unless a == b.
ATTN_RUNTIME_EXPORTED void attnrt_check_eq(int64_t a, int64_t b,
                                           const char *msg);

/// Fails unless the query head count is a multiple of the key/value head count
/// (any count is a multiple of itself; none goes with zero query heads only).
ATTN_RUNTIME_EXPORTED void attnrt_check_heads(int64_t query_heads,
                                              int64_t kv_heads);

/// Fails with "<msg>, but got <v>" unless lo <= v <= hi.
ATTN_RUNTIME_EXPORTED void attnrt_check_range(int64_t v, int64_t lo, int64_t hi,
                                              const char *msg);

/// Fails with "<msg>, but got <v> at [i, j]" unless every value of the
/// n0 x n1 array with strides s0, s1 (in elements) lies in [lo, hi].
ATTN_RUNTIME_EXPORTED void attnrt_check_values_i32(const int32_t *p, int64_t n0,
                                                   int64_t n1, int64_t s0,
                                                   int64_t s1, int64_t lo,
                                                   int64_t hi, const char *msg);

/// Checks cumulative lengths: starts at 0, never decreases, ends at most at
/// `last_max`. Fails with "<msg>, but got ..." and the offending entry.
ATTN_RUNTIME_EXPORTED void
attnrt_check_increasing_i32(const int32_t *p, int64_t n, int64_t stride,
                            int64_t last_max, const char *msg);

/// Checks a page table of b x h rows of n entries with strides sb, sh, sn: an
/// entry is -1 or in [0, pages), and no page occurs twice within a row.
ATTN_RUNTIME_EXPORTED void attnrt_check_page_table(const int32_t *p, int64_t b,
                                                   int64_t h, int64_t n,
                                                   int64_t sb, int64_t sh,
                                                   int64_t sn, int64_t pages);

/// Fails with "<msg>, but got ..." and the sizes when a size is negative or the
/// product of the sizes and `elem_bytes` does not fit 63 bits. A zero size
/// makes the product zero.
ATTN_RUNTIME_EXPORTED void attnrt_check_product(const int64_t *dims, int64_t n,
                                                int64_t elem_bytes,
                                                const char *msg);

//===----------------------------------------------------------------------===//
// Documents
//===----------------------------------------------------------------------===//

/// Fills the document index and the position of every slot of packed sequences
/// from cumulative lengths. Slots beyond the last document get segment -2
/// (queries) or -1 (keys) and position 0, so that they match nothing. With
/// `bottom_right` a query's position is moved by the number of keys minus the
/// number of queries of its document.
ATTN_RUNTIME_EXPORTED void
attnrt_documents_cu(const int32_t *cu_q, int64_t nq1, const int32_t *cu_kv,
                    int64_t nk1, int32_t bottom_right, int64_t Sq, int64_t Sk,
                    int32_t *q_seg, int32_t *q_pos, int32_t *kv_seg,
                    int32_t *kv_pos);

/// Fills positions within documents that are given by segment ids: the position
/// of a slot is the number of earlier valid slots with the same id. A slot is
/// valid below its batch's length (`q_len`, `kv_len`: [B], may be null). The
/// ids are [Bq, Sq] and [Bk, Sk] with Bq, Bk either 1 or B; positions are
/// [B, Sq] and [B, Sk]. With `bottom_right` a query's position is moved by the
/// valid keys minus the valid queries of its id.
ATTN_RUNTIME_EXPORTED void
attnrt_documents_seg(const int32_t *q_seg, const int32_t *kv_seg,
                     const int32_t *q_len, const int32_t *kv_len, int64_t Bq,
                     int64_t Bk, int64_t B, int64_t Sq, int64_t Sk,
                     int32_t bottom_right, int32_t *q_pos, int32_t *kv_pos);

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Allocates `bytes` (0 is fine), 64-byte aligned (256 on a device), for the
/// current call. What is not freed when the call ends, well or badly, is freed
/// then.
ATTN_RUNTIME_EXPORTED void *attnrt_alloc(int64_t bytes);

/// Frees what `attnrt_alloc` gave; null is allowed.
ATTN_RUNTIME_EXPORTED void attnrt_free(void *p);

/// The same three as MLIR's generic allocation functions.
ATTN_RUNTIME_EXPORTED void *_mlir_memref_to_llvm_alloc(int64_t size);
ATTN_RUNTIME_EXPORTED void *_mlir_memref_to_llvm_aligned_alloc(int64_t align,
                                                               int64_t size);
ATTN_RUNTIME_EXPORTED void _mlir_memref_to_llvm_free(void *p);

/// An unranked memref as MLIR passes it: the rank and a pointer to the ranked
/// descriptor.
typedef struct AttnUnrankedMemRef {
  int64_t rank;
  void *descriptor;
} AttnUnrankedMemRef;

/// Copies `src` into `dst`, which have the same sizes and any strides and do
/// not overlap, as MLIR's runner utilities define it. The descriptors are host
/// memory.
ATTN_RUNTIME_EXPORTED void
memrefCopy(int64_t elem_size, AttnUnrankedMemRef *src, AttnUnrankedMemRef *dst);

//===----------------------------------------------------------------------===//
// Counters
//===----------------------------------------------------------------------===//

/// What `attnrt_count` counts, in the order of the fields of `AttnCounters`.
enum {
  ATTNRT_GUARD_RECOMPUTATIONS = 0,
  ATTNRT_KEY_TILES_COMPUTED = 1,
  ATTNRT_KEY_TILES_MASKED = 2,
  ATTNRT_KEY_TILES_SKIPPED_BY_PLAN = 3,
  ATTNRT_KEY_TILES_SKIPPED_BY_MASK = 4,
  ATTNRT_MASK_BLOCKS_LOOKED_AT = 5,
  ATTNRT_MASK_BLOCKS_EMPTY = 6,
  ATTNRT_MASK_BLOCKS_FULL = 7
};

/// Adds `n` to the current call's counter `which`. Any thread of the call may.
ATTN_RUNTIME_EXPORTED void attnrt_count(int32_t which, int64_t n);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTN_RUNTIME_ABI_H
