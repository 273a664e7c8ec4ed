//===- DeviceCode.h - From NVVM kernels to PTX and cubin --------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX always; a cubin when there is a ptxas.
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_DEVICECODE_H
#define ATTN_TARGET_DEVICECODE_H

#include "attn/Support/Fault.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace attn {

/// A kernel, and what ptxas says about it.
struct KernelReport {
  std::string name;
  /// Dynamic shared memory that it is launched with.
  int64_t sharedBytes = 0;
  int registers = 0;
  /// Bytes of registers that did not fit, stored and loaded.
  int spillStores = 0, spillLoads = 0;
  int stackBytes = 0;
  /// Blocks of 128 threads that fit one multiprocessor; 0 when not assembled.
  int blocksPerProcessor = 0;
};

/// The device code of one program.
struct DeviceCode {
  /// "sm_80".
  std::string arch;
  std::string ptx;
  /// Empty without a ptxas.
  llvm::SmallVector<char, 0> cubin;
  /// In the order of the program; registers are 0 without a ptxas.
  std::vector<KernelReport> kernels;
  /// The ptxas that made the cubin, or why there is none.
  std::string assembler;
};

/// The PTX of the kernels in the program's gpu.module, which are in the LLVM
/// and NVVM dialects. False without a fault when the program has no kernels.
bool generatePtx(mlir::ModuleOp lowered, llvm::StringRef arch, DeviceCode &code,
                 Fault &fault);

/// A ptxas: $ATTN_PTXAS, $CUDA_HOME/bin, $CUDA_ROOT/bin, the PATH,
/// /usr/local/cuda/bin, or the one given. Empty when there is none.
std::string findPtxas(llvm::StringRef otherwise = "");

/// Assembles code.ptx for code.arch by `ptxas` and reads what it says of the
/// kernels. One that spills is a fault, unless ATTN_ALLOW_SPILLS is set.
bool assemblePtx(llvm::StringRef ptxas, DeviceCode &code, Fault &fault);

/// Puts the device code into the host's description of it and removes the
/// gpu.module, which leaves a program for `generateCode`.
void embedDeviceCode(mlir::ModuleOp lowered, const DeviceCode &code);

} // namespace attn

#endif // ATTN_TARGET_DEVICECODE_H
