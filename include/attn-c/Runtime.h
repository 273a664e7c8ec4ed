//===- Runtime.h - C API of the runtime half ----------------------*- C -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime half of Attn's C API: open a compiled package, ask for its
// signature, invoke an entry on DLPack tensors. It lives in libattnrt, which
// needs neither LLVM nor MLIR.
//
// Functions that can fail return an `AttnStatus`; the text of the last failure
// on the calling thread is `attnLastError()`. All functions may be called from
// several threads at once.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_C_RUNTIME_H
#define ATTN_C_RUNTIME_H

#include "attn/Runtime/DLPack.h"

#include <stdint.h>

#if defined(__GNUC__)
#define ATTN_RUNTIME_EXPORTED __attribute__((visibility("default")))
#else
#define ATTN_RUNTIME_EXPORTED
#endif

/// The version of this header; `attnRuntimeVersion()` is the library's.
#define ATTN_RUNTIME_VERSION_STRING "0.1.0"
/// The package format that this runtime reads.
#define ATTN_PACKAGE_FORMAT 1
/// The largest number of threads that may be asked for.
#define ATTN_MAX_THREADS 1024

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// Status
//===----------------------------------------------------------------------===//

/// What went wrong, as a class of error. The Python package has one exception
/// per class.
typedef enum AttnStatus {
  ATTN_OK = 0,
  /// Sizes, strides, dtypes or index values do not fit the entry.
  ATTN_SHAPE_ERROR = 1,
  /// The compiler half refused a program.
  ATTN_COMPILE_ERROR = 2,
  /// Memory, threads or another resource ran out.
  ATTN_RESOURCE_ERROR = 3,
  /// A package file is missing, damaged, foreign or for another machine.
  ATTN_CACHE_ERROR = 4,
  /// A numeric check that was asked for failed.
  ATTN_NUMERIC_ERROR = 5,
  /// The poll function asked to stop.
  ATTN_CANCELLED = 6,
  /// Communication between ranks failed.
  ATTN_COMM_ERROR = 7,
  /// The call itself is wrong: a null pointer, an unknown entry, an option out
  /// of range.
  ATTN_INVALID = 8,
  /// A device is missing, cannot run the package, does not hold the tensors, or
  /// failed while it ran.
  ATTN_DEVICE_ERROR = 9,
  /// The emulated device ran the kernels and found a fault in them.
  ATTN_DEVICE_FINDING = 10
} AttnStatus;

/// The text of the last failure on this thread. Valid until the next call into
/// the runtime on this thread; never null.
ATTN_RUNTIME_EXPORTED const char *attnLastError(void);

/// The version of the runtime library, e.g. "0.1.0".
ATTN_RUNTIME_EXPORTED const char *attnRuntimeVersion(void);

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

/// Sets how many threads a call uses when its options do not say. 0 goes back
/// to ATTN_NUM_THREADS, else to the CPUs that this process may use (affinity
/// and cgroup quota).
ATTN_RUNTIME_EXPORTED int attnSetNumThreads(int num_threads);

/// How many threads a call uses when its options do not say; 0 when
/// ATTN_NUM_THREADS is set to something that is no thread count (the text is in
/// `attnLastError()`).
ATTN_RUNTIME_EXPORTED int attnGetNumThreads(void);

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

/// A compiled package that was opened.
typedef struct AttnPackage AttnPackage;

/// Opens the package at `path`. The file is examined before any of its code is
/// loaded: a truncated, damaged or foreign file, another format or version, or
/// a target that this CPU cannot run is an ATTN_CACHE_ERROR.
ATTN_RUNTIME_EXPORTED int attnPackageOpen(const char *path, AttnPackage **out);

/// Closes a package; null is allowed. Refused with ATTN_INVALID while a call
/// into the package runs.
ATTN_RUNTIME_EXPORTED int attnPackageClose(AttnPackage *package);

/// The package's description as JSON. Owned by the package; null for null.
ATTN_RUNTIME_EXPORTED const char *attnPackageJson(const AttnPackage *package);

/// The index of the entry called `name`, or -1.
ATTN_RUNTIME_EXPORTED int attnPackageFindEntry(const AttnPackage *package,
                                               const char *name);

/// Appends a SHA-256 seal to the package file at `path`, which the opening
/// functions then verify, so that a damaged byte is found before it runs.
/// Sealing a sealed file renews the seal. Call it on the file that is still
/// beside its final place, before the rename.
ATTN_RUNTIME_EXPORTED int attnPackageSeal(const char *path);

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// How to run one call. A null pointer means all defaults.
typedef struct AttnInvokeOptions {
  /// Number of threads, 0 for the default (`attnGetNumThreads`).
  int32_t num_threads;
  /// Called on the invoking thread about every 10 ms between tasks; a value
  /// other than 0 cancels the call. May be null.
  int (*poll)(void *);
  /// Handed to `poll`.
  void *poll_arg;
  /// Where a package with GPU kernels runs: "cuda" (the tensors' device),
  /// "cuda:N", or "emulated" (the PTX emulator, on CPU tensors). Null asks the
  /// tensors. A package for the CPU takes null and "cpu".
  const char *device;
  /// The CUstream that a CUDA call is ordered on and does not wait for; 1 and 2
  /// stand for CUDA's legacy and per-thread default streams, as in DLPack. With
  /// null the call uses the legacy one and returns when the device is done.
  /// Other devices take null only.
  void *stream;
  /// On the emulated device, computes what the PTX ISA leaves open (the last
  /// bits of ex2.approx, the order of an mma's sums) as badly as it allows.
  int32_t worst_rounding;
  /// On the emulated device, how many instructions a warp may execute; 0 for
  /// ATTN_EMULATOR_STEP_LIMIT, else the emulator's own limit.
  int64_t step_limit;
  /// On the emulated device, called on the invoking thread about five times a
  /// second while a kernel runs, with its blocks so far and all of them. May be
  /// null.
  void (*progress)(void *arg, const char *kernel, uint64_t done, uint64_t all);
  /// Handed to `progress`.
  void *progress_arg;
} AttnInvokeOptions;

/// What one call did, counted by the generated code. On CUDA, asking for them
/// makes a call wait for the device.
typedef struct AttnCounters {
  /// Row blocks computed again on the guarded path.
  int64_t guard_recomputations;
  /// Key tiles that were computed.
  int64_t key_tiles_computed;
  /// Key tiles, among those, that needed a mask.
  int64_t key_tiles_masked;
  /// Key tiles that the plan skipped.
  int64_t key_tiles_skipped_by_plan;
  /// Key tiles that a run-time mask skipped.
  int64_t key_tiles_skipped_by_mask;
  /// Blocks of a mask that were looked at, once per call and mask.
  int64_t mask_blocks_looked_at;
  /// Blocks, among those, with no visible pair.
  int64_t mask_blocks_empty;
  /// Blocks, among those, with no hidden pair.
  int64_t mask_blocks_full;
} AttnCounters;

/// Writes the sizes of all results of `entry`, in order and concatenated, into
/// `dims`, whose length is the sum of the ranks in the signature.
ATTN_RUNTIME_EXPORTED int attnResultShapes(AttnPackage *package, int entry,
                                           const DLTensor *const *args,
                                           int n_args, int64_t *dims);

/// Runs `entry` on `args` and writes `results`, which the caller allocated with
/// the sizes that `attnResultShapes` gives, on the device of the call. Every
/// tensor is checked against the signature first: device, dtype, rank, sizes, a
/// unit stride on the last axis, alignment, and results that overlap nothing.
/// On failure the results' contents are undefined. `counters` may be null.
ATTN_RUNTIME_EXPORTED int attnInvoke(AttnPackage *package, int entry,
                                     const DLTensor *const *args, int n_args,
                                     DLTensor *const *results, int n_results,
                                     const AttnInvokeOptions *options,
                                     AttnCounters *counters);

/// Makes the results of a call: `dims` holds their sizes as `attnResultShapes`
/// writes them, and `results` has a place for each, which gets a tensor that
/// lives until the call ends. A value other than 0 ends the call.
typedef int (*AttnAllocate)(void *arg, const int64_t *dims, DLTensor **results);

/// `attnResultShapes` and `attnInvoke` in one call that checks the arguments
/// once: `allocate(arg, ...)` makes the results in between, on the calling
/// thread. Ends with ATTN_CANCELLED where it does not.
ATTN_RUNTIME_EXPORTED int attnInvokeAllocating(
    AttnPackage *package, int entry, const DLTensor *const *args, int n_args,
    AttnAllocate allocate, void *arg, const AttnInvokeOptions *options,
    AttnCounters *counters);

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

/// What there is to run packages on, as a JSON array of objects with "device"
/// and "available"; an available one has "name" and "arch" (CUDA devices
/// "memory_bytes" and "multiprocessors" as well), another one "reason".
/// Valid until the next call of this function on this thread; never null.
ATTN_RUNTIME_EXPORTED const char *attnDeviceInfo(void);

/// What the last call on this thread did on its device, as a JSON object; "{}"
/// after a call on the CPU and before the first. It has "device", "arch" and
/// "launches". A launch on the emulated device has what the emulator counted
/// and found; one on CUDA has the kernel's registers, bytes of shared and local
/// memory and theoretical occupancy. Valid until the next call into the runtime
/// on this thread; never null.
ATTN_RUNTIME_EXPORTED const char *attnDeviceReport(void);

/// Allocates memory on "cuda:N" ("cuda" is "cuda:0") or "emulated", for callers
/// with no library of their own for that.
ATTN_RUNTIME_EXPORTED int attnDeviceAlloc(const char *device, int64_t bytes,
                                          void **out);

/// Frees what `attnDeviceAlloc` gave; null is allowed.
ATTN_RUNTIME_EXPORTED int attnDeviceFree(const char *device, void *memory);

/// Copies `bytes` between the host and the device, and waits.
ATTN_RUNTIME_EXPORTED int attnDeviceCopyIn(const char *device, void *to,
                                           const void *from_host,
                                           int64_t bytes);
ATTN_RUNTIME_EXPORTED int attnDeviceCopyOut(const char *device, void *to_host,
                                            const void *from, int64_t bytes);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTN_C_RUNTIME_H
