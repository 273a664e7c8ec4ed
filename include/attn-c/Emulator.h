//===- Emulator.h - C API of the PTX emulator ---------------------*- C -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Executes PTX text on the CPU and judges it: bounds, initialisation, races,
// divergence, barriers, launch limits; and counts what a device would do. It
// lives in libattnemu, which needs nothing but the C++ library, so it can be
// opened at run time (`dlopen`) by whoever wants a device called `emulated`.
//
// A device address is a host address: what a kernel may touch are ranges of the
// host's memory that were mapped under a name.
//
// Functions that can fail return an `AttnEmuStatus`; the text of the last
// failure on the calling thread is `attnEmuLastError()`. Several devices may be
// used at once, each from one thread at a time.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_C_EMULATOR_H
#define ATTN_C_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ATTN_EMULATOR_EXPORTED __attribute__((visibility("default")))
#else
#define ATTN_EMULATOR_EXPORTED
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum AttnEmuStatus {
  ATTN_EMU_OK = 0,
  /// The call itself is wrong: a null pointer, an unknown kernel, ...
  ATTN_EMU_INVALID = 1,
  /// The text is no PTX that this emulator knows; the error names the line.
  ATTN_EMU_PTX_ERROR = 2,
  /// The launch is refused: too many threads, too much shared memory, ...
  ATTN_EMU_LAUNCH_ERROR = 3,
  /// The kernel was ended: step limit, deadlock, trap, the caller.
  ATTN_EMU_RUN_ERROR = 4,
  /// Memory ran out.
  ATTN_EMU_RESOURCE_ERROR = 5
} AttnEmuStatus;

/// The checks; all are on by default.
enum {
  ATTN_EMU_CHECK_BOUNDS = 1,
  ATTN_EMU_CHECK_ALIGNMENT = 2,
  ATTN_EMU_CHECK_INIT = 4,
  ATTN_EMU_CHECK_RACE = 8,
  ATTN_EMU_CHECK_ASYNC = 16,
  ATTN_EMU_CHECK_DIVERGENCE = 32,
  ATTN_EMU_CHECK_BARRIER = 64,
  ATTN_EMU_CHECK_LIMITS = 128,
  ATTN_EMU_CHECK_ALL = 255
};

/// Called about five times a second while a launch runs; a result of 0 ends it.
typedef int (*AttnEmuProgress)(void *user, uint64_t blocks_done,
                               uint64_t blocks);

/// How a device is opened. Fill in with attnEmuOptionsInit first.
typedef struct AttnEmuOptions {
  /// sizeof(AttnEmuOptions), for later versions.
  size_t size;
  /// "sm_80", ...: what the device is. Limits follow from it.
  const char *arch;
  /// Threads of the host that run blocks; at least 1.
  int32_t threads;
  /// ATTN_EMU_CHECK_* bits.
  uint32_t checks;
  /// Not 0: results that PTX leaves open come out at their worst.
  int32_t worst_rounding;
  /// Most instructions that a warp may execute.
  uint64_t step_limit;
  AttnEmuProgress progress;
  void *progress_user;
} AttnEmuOptions;

typedef struct AttnEmuDevice AttnEmuDevice;
typedef struct AttnEmuModule AttnEmuModule;

/// A parameter of a kernel.
typedef struct AttnEmuParameter {
  const char *name;
  /// "u64", "f32", "b8", ...
  const char *type;
  size_t size;
  size_t align;
  int32_t is_array;
} AttnEmuParameter;

/// The text of the last failure on this thread; never null.
ATTN_EMULATOR_EXPORTED const char *attnEmuLastError(void);

ATTN_EMULATOR_EXPORTED void attnEmuOptionsInit(AttnEmuOptions *options);

/// The bit of the check called `name` ("race", "all"), or 0.
ATTN_EMULATOR_EXPORTED uint32_t attnEmuCheckBit(const char *name);
/// Every name, with commas between.
ATTN_EMULATOR_EXPORTED const char *attnEmuCheckNames(void);

/// Opens a device. `options` may be null.
ATTN_EMULATOR_EXPORTED int attnEmuOpen(const AttnEmuOptions *options,
                                       AttnEmuDevice **out);
/// Closes a device with its modules and memory. Null is allowed.
ATTN_EMULATOR_EXPORTED void attnEmuClose(AttnEmuDevice *device);

/// The most shared memory a block may ask for, of threads it may have, ...:
/// "shared_optin", "shared_static", "threads", "registers". 0 for others.
ATTN_EMULATOR_EXPORTED uint64_t attnEmuLimit(const AttnEmuDevice *device,
                                             const char *name);

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Memory of the emulator's own, 256-byte aligned, uninitialised.
ATTN_EMULATOR_EXPORTED int attnEmuAlloc(AttnEmuDevice *device, const char *name,
                                        size_t bytes, void **out);
ATTN_EMULATOR_EXPORTED int attnEmuFree(AttnEmuDevice *device, void *pointer);
/// Maps memory of the host. `initialized` 0: nobody wrote it yet.
ATTN_EMULATOR_EXPORTED int attnEmuMap(AttnEmuDevice *device, const char *name,
                                      void *pointer, size_t bytes,
                                      int initialized);
ATTN_EMULATOR_EXPORTED int attnEmuUnmap(AttnEmuDevice *device, void *pointer);
/// Says of a range whether it holds values now; after a copy from the host,
/// for one.
ATTN_EMULATOR_EXPORTED int attnEmuSetInitialized(AttnEmuDevice *device,
                                                 void *pointer, size_t bytes,
                                                 int initialized);
/// How many bytes at the start of a range hold values: `bytes` when all do.
ATTN_EMULATOR_EXPORTED int attnEmuGetInitialized(const AttnEmuDevice *device,
                                                 const void *pointer,
                                                 size_t bytes, size_t *count);

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// Loads PTX text of `bytes` bytes. Every kernel is decoded here, so that what
/// the emulator does not know is said before anything runs. A text without
/// global variables that was loaded lately, on whatever device, is not read
/// again.
ATTN_EMULATOR_EXPORTED int attnEmuModuleLoad(AttnEmuDevice *device,
                                             const char *text, size_t bytes,
                                             AttnEmuModule **out);
ATTN_EMULATOR_EXPORTED int attnEmuModuleUnload(AttnEmuDevice *device,
                                               AttnEmuModule *module);
ATTN_EMULATOR_EXPORTED size_t attnEmuKernelCount(const AttnEmuModule *module);
/// The name of a kernel; null when there is no such one.
ATTN_EMULATOR_EXPORTED const char *
attnEmuKernelName(const AttnEmuModule *module, size_t index);
/// How many parameters a kernel has; -1 when there is no such one.
ATTN_EMULATOR_EXPORTED int attnEmuParameterCount(const AttnEmuModule *module,
                                                 const char *kernel);
ATTN_EMULATOR_EXPORTED int attnEmuParameterInfo(const AttnEmuModule *module,
                                                const char *kernel,
                                                size_t index,
                                                AttnEmuParameter *out);
/// Where a global variable of the module lies.
ATTN_EMULATOR_EXPORTED int attnEmuGlobal(const AttnEmuModule *module,
                                         const char *name, void **pointer,
                                         size_t *bytes);

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

/// Runs a kernel to its end. `parameters` holds a pointer to each parameter's
/// value, as cuLaunchKernel's does; sizes come from the kernel. ATTN_EMU_OK
/// says that it ran, not that it is right: see the findings.
ATTN_EMULATOR_EXPORTED int
attnEmuLaunch(AttnEmuDevice *device, AttnEmuModule *module, const char *kernel,
              const uint32_t grid[3], const uint32_t block[3],
              uint64_t dynamic_shared, void *const *parameters,
              size_t parameter_count);

/// How many different findings the last launch has.
ATTN_EMULATOR_EXPORTED size_t attnEmuFindingCount(const AttnEmuDevice *device);
/// The kind of one of them, e.g. "shared-race"; null when there is no such one.
ATTN_EMULATOR_EXPORTED const char *
attnEmuFindingKind(const AttnEmuDevice *device, size_t index);
/// A counter of the last launch, over all lines (line 0) or for a PTX line:
/// "executed", "lanes", "shared_requests", "bank_conflicts", "global_sectors",
/// "ideal_sectors", "bytes", "tensor_flops", "barriers".
ATTN_EMULATOR_EXPORTED uint64_t attnEmuCounter(const AttnEmuDevice *device,
                                               const char *name, int line);
/// The last launch's findings and counters; "{}" before the first one. Owned
/// by the device, valid until its next launch.
ATTN_EMULATOR_EXPORTED const char *attnEmuReportJson(AttnEmuDevice *device);
/// The same for people.
ATTN_EMULATOR_EXPORTED const char *attnEmuReportText(AttnEmuDevice *device);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_C_EMULATOR_H */
