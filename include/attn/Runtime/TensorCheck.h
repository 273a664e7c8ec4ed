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

#include "attn/Runtime/Signature.h"
#include "attn/Runtime/StridedRange.h"

#include <vector>

namespace attn::rt {

/// Checks the tensors of one call and collects their memref descriptors.
class TensorChecker {
public:
  explicit TensorChecker(const EntryType &entry);

  /// Checks arguments or results; results must be added after arguments.
  Status addArguments(const DLTensor *const *tensors, int count);
  Status addResults(const DLTensor *const *tensors, int count);

  /// Compares the sizes of the results with `dims`, which the shape function
  /// wrote.
  Status checkResultSizes(const std::vector<int64_t> &dims) const;

  /// Refuses results that share memory with an argument, with another result
  /// or with themselves.
  Status checkOverlap() const;

  /// Pointers to the descriptors, arguments first.
  void **descriptors() { return pointers.data(); }

private:
  /// A tensor that passed.
  struct Checked {
    const char *role;
    const TensorType *type;
    StridedRange range;
  };

  Status addAll(const char *role, const std::vector<TensorType> &types,
                const DLTensor *const *tensors, int count);
  Status add(const char *role, const TensorType &type, const DLTensor *tensor);
  Status checkType(const std::string &who, const TensorType &type,
                   const DLTensor &tensor) const;
  Status checkSizes(const std::string &who, const TensorType &type,
                    const DLTensor &tensor) const;
  Status checkMemory(const std::string &who, const TensorType &type,
                     const StridedRange &range, const DLTensor &tensor) const;

  const EntryType &entry;
  size_t numArguments = 0;
  std::vector<Checked> checked;
  /// The descriptors, one after the other; never reallocated.
  std::vector<int64_t> words;
  std::vector<void *> pointers;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_TENSORCHECK_H
