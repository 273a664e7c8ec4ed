//===- TensorCheck.h - Checking tensors against a signature -----*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compares the tensors of a call with the types that the entry's signature
// gives, and turns them into what generated code reads. Every message names
// entry, tensor and axis, what was expected and what was found, and where there
// is one, the nearest thing that would have been accepted.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_TENSORCHECK_H
#define ATTN_RUNTIME_TENSORCHECK_H

#include "attn/Runtime/Device/Device.h"
#include "attn/Runtime/Signature.h"
#include "attn/Runtime/StridedRange.h"

#include <cstddef>
#include <memory_resource>
#include <vector>

namespace attn::rt {

/// Where the tensors of a call have to be.
struct TensorPlace {
  enum Kind {
    /// Host memory.
    Host,
    /// Host memory, for the emulated device.
    HostForDevice,
    /// The CUDA device `cudaDevice`.
    Cuda,
    /// Anywhere: only their sizes are asked for.
    Any
  };
  Kind kind = Host;
  int cudaDevice = 0;
};

/// Checks the tensors of one call and collects their memref descriptors.
class TensorChecker {
public:
  explicit TensorChecker(const EntryType &entry, TensorPlace place = {});

  /// Checks arguments or results; results must be added after arguments.
  Status addArguments(const DLTensor *const *tensors, int count);
  Status addResults(const DLTensor *const *tensors, int count);

  /// Where the shape function writes the sizes of all results.
  int64_t *resultSizes() { return dims.data(); }

  /// Compares the sizes of the results with `resultSizes`.
  Status checkResultSizes() const;

  /// Refuses results that share memory with an argument, with another result
  /// or with themselves.
  Status checkOverlap() const;

  /// Pointers to the descriptors, arguments first.
  void **descriptors() { return pointers.data(); }

  /// The memory of all tensors by name. Tensors whose extents overlap, such as
  /// the heads of one projection, are one.
  std::vector<TensorMemory> memory() const;
  /// The results by name.
  std::vector<ResultMemory> results() const;

private:
  /// A tensor that passed.
  struct Checked {
    const char *role;
    const TensorType *type;
    StridedRange range;
    /// Its extent.
    uint64_t begin, end;
  };

  Status addAll(const char *role, const std::vector<TensorType> &types,
                const DLTensor *const *tensors, int count);
  Status add(const char *role, const TensorType &type, const DLTensor *tensor);
  bool isInPlace(const DLDevice &device) const;
  Status checkPlace(const std::string &who, const DLTensor &tensor) const;
  Status checkType(const std::string &who, const TensorType &type,
                   const DLTensor &tensor) const;
  Status checkSizes(const std::string &who, const TensorType &type,
                    const DLTensor &tensor) const;
  Status checkMemory(const std::string &who, const DLTensor &tensor,
                     Checked &seen) const;

  const EntryType &entry;
  const TensorPlace place;
  size_t numArguments = 0;
  /// The tensors of most calls fit here.
  std::byte few[2048];
  std::pmr::monotonic_buffer_resource memoryOfCall{few, sizeof(few)};
  std::pmr::vector<Checked> checked;
  /// The descriptors, one after the other; never reallocated.
  std::pmr::vector<int64_t> words;
  std::pmr::vector<void *> pointers;
  std::pmr::vector<int64_t> dims;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_TENSORCHECK_H
