//===- TensorCheck.cpp - Checking tensors against a signature -------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The checks run in an order in which each may rely on those before it: device,
// dtype, rank, sizes, strides, extent, alignment; then results against each
// other and the arguments.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/TensorCheck.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// "[1, ?, 64]"; -1 prints as "?".
static std::string listText(const int64_t *values, int count,
                            bool dynamic = false) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) {
    text += i ? ", " : "";
    text += dynamic && values[i] < 0 ? "?" : std::to_string(values[i]);
  }
  return text + "]";
}

static std::string shapeText(const TensorType &type) {
  return listText(type.shape.data(), type.rank(), /*dynamic=*/true);
}

/// A device for a message.
static std::string deviceText(const DLDevice &device) {
  const char *name = "device type";
  switch (static_cast<int>(device.device_type)) {
  case kDLCUDA:
  case kDLCUDAManaged:
    name = "CUDA device";
    break;
  case kDLROCM:
    name = "ROCm device";
    break;
  case kDLMetal:
    name = "Metal device";
    break;
  case kDLOneAPI:
    name = "oneAPI device";
    break;
  default:
    return format("%s %d", name, static_cast<int>(device.device_type));
  }
  return format("%s %d", name, device.device_id);
}

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

/// Pinned host memory is the CPU's too.
static bool isHost(const DLDevice &device) {
  return device.device_type == kDLCPU || device.device_type == kDLCUDAHost ||
         device.device_type == kDLROCMHost;
}

bool TensorChecker::isInPlace(const DLDevice &device) const {
  switch (place.kind) {
  case TensorPlace::Host:
  case TensorPlace::HostForDevice:
    return isHost(device);
  case TensorPlace::Cuda:
    // Managed memory is everywhere.
    return device.device_type == kDLCUDAManaged ||
           (device.device_type == kDLCUDA &&
            device.device_id == place.cudaDevice);
  case TensorPlace::Any:
    return isHost(device) || device.device_type == kDLCUDA ||
           device.device_type == kDLCUDAManaged;
  }
  return false;
}

Status TensorChecker::checkPlace(const std::string &who,
                                 const DLTensor &tensor) const {
  if (isInPlace(tensor.device))
    return Status();
  const std::string found =
      isHost(tensor.device) ? "the CPU" : deviceText(tensor.device);
  if (place.kind == TensorPlace::Host)
    return failure(ATTN_INVALID,
                   "%s expects a tensor on the CPU, but got one on %s; copy it "
                   "to the CPU first",
                   who.c_str(), found.c_str());
  if (place.kind == TensorPlace::HostForDevice)
    return failure(ATTN_DEVICE_ERROR,
                   "%s expects a tensor on the CPU for device 'emulated', but "
                   "got one on %s; copy it to the CPU first, or use device "
                   "'cuda'",
                   who.c_str(), found.c_str());
  if (place.kind == TensorPlace::Any)
    return failure(ATTN_DEVICE_ERROR,
                   "%s expects a tensor on a CUDA device or the CPU, but got "
                   "one on %s",
                   who.c_str(), found.c_str());
  return failure(ATTN_DEVICE_ERROR,
                 "%s expects a tensor on CUDA device %d, but got one on %s; "
                 "copy it there first%s",
                 who.c_str(), place.cudaDevice, found.c_str(),
                 isHost(tensor.device)
                     ? ", or use device 'emulated' to run on CPU tensors"
                     : "");
}

Status TensorChecker::checkType(const std::string &who, const TensorType &type,
                                const DLTensor &tensor) const {
  if (Status status = checkPlace(who, tensor); !status.ok())
    return status;
  const DLDataType &wanted = type.element->type;
  if (tensor.dtype.code != wanted.code || tensor.dtype.bits != wanted.bits ||
      tensor.dtype.lanes != wanted.lanes)
    return failure(ATTN_SHAPE_ERROR,
                   "%s expects dtype %s, but got %s; convert it to %s, or "
                   "compile the entry for the other dtype",
                   who.c_str(), type.element->name,
                   typeName(tensor.dtype).c_str(), type.element->name);
  if (tensor.ndim != type.rank())
    return failure(
        ATTN_SHAPE_ERROR,
        "%s expects rank %d with shape %s, but got rank %d with "
        "shape %s%s",
        who.c_str(), type.rank(), shapeText(type).c_str(), tensor.ndim,
        tensor.ndim > 0 && tensor.shape
            ? listText(tensor.shape, tensor.ndim).c_str()
            : "[]",
        tensor.ndim < type.rank() ? "; add leading axes of size 1"
                                  : "; fold or select the leading axes");
  if (tensor.ndim > 0 && !tensor.shape)
    return failure(ATTN_INVALID, "%s expects a shape, but got a null pointer",
                   who.c_str());
  return Status();
}

/// Whether `sizes` fits `type` with axes i and j exchanged.
static bool fitsSwapped(const TensorType &type, const int64_t *sizes, int i,
                        int j) {
  for (int axis = 0; axis < type.rank(); ++axis) {
    int from = axis == i ? j : axis == j ? i : axis;
    if (type.shape[axis] >= 0 && sizes[from] != type.shape[axis])
      return false;
  }
  return true;
}

Status TensorChecker::checkSizes(const std::string &who, const TensorType &type,
                                 const DLTensor &tensor) const {
  const int rank = type.rank();
  for (int axis = 0; axis < rank; ++axis)
    if (tensor.shape[axis] < 0)
      return failure(ATTN_SHAPE_ERROR,
                     "%s expects axis %d to have a size of at least 0, but got "
                     "shape %s",
                     who.c_str(), axis, listText(tensor.shape, rank).c_str());
  for (int axis = 0; axis < rank; ++axis) {
    if (type.shape[axis] < 0 || tensor.shape[axis] == type.shape[axis])
      continue;
    std::string hint;
    for (int i = 0; i < rank && hint.empty(); ++i)
      for (int j = i + 1; j < rank && hint.empty(); ++j)
        if (fitsSwapped(type, tensor.shape, i, j))
          hint = format("; it fits with axes %d and %d exchanged", i, j);
    return failure(ATTN_SHAPE_ERROR,
                   "%s expects axis %d to have size %lld (shape %s), but got "
                   "%lld (shape %s)%s",
                   who.c_str(), axis, static_cast<long long>(type.shape[axis]),
                   shapeText(type).c_str(),
                   static_cast<long long>(tensor.shape[axis]),
                   listText(tensor.shape, rank).c_str(), hint.c_str());
  }
  return Status();
}

Status TensorChecker::checkMemory(const std::string &who,
                                  const DLTensor &tensor, Checked &seen) const {
  const TensorType &type = *seen.type;
  const StridedRange &range = seen.range;
  const int rank = type.rank();
  seen.begin = seen.end = range.address;
  if (rank > 0 && tensor.strides && range.sizes[rank - 1] > 1 &&
      tensor.strides[rank - 1] != 1)
    return failure(ATTN_SHAPE_ERROR,
                   "%s expects stride 1 on its last axis, but got strides %s "
                   "for shape %s; make it contiguous first",
                   who.c_str(), listText(tensor.strides, rank).c_str(),
                   listText(tensor.shape, rank).c_str());
  if (range.isEmpty())
    return Status();
  // Half the address space, so that differences of addresses fit as well.
  bool fits = range.extent(seen.begin, seen.end) &&
              seen.end - seen.begin <= uint64_t(INT64_MAX);
  if (tensor.data && !fits)
    return failure(ATTN_SHAPE_ERROR,
                   "%s expects a tensor that fits the address space, but got "
                   "shape %s with strides %s",
                   who.c_str(), listText(range.sizes, rank).c_str(),
                   listText(range.strides, rank).c_str());
  if (!tensor.data)
    return failure(ATTN_INVALID,
                   "%s expects data for shape %s, but got a null pointer",
                   who.c_str(), listText(range.sizes, rank).c_str());
  if (range.address % uint64_t(type.element->bytes()) != 0)
    return failure(ATTN_SHAPE_ERROR,
                   "%s expects data aligned to the %lld bytes of %s, but got "
                   "an address %lld bytes past that; copy it first",
                   who.c_str(), static_cast<long long>(type.element->bytes()),
                   type.element->name,
                   static_cast<long long>(range.address %
                                          uint64_t(type.element->bytes())));
  return Status();
}

Status TensorChecker::add(const char *role, const TensorType &type,
                          const DLTensor *tensor) {
  // The happy path builds no text.
  auto who = [&] {
    return format("entry '%s': %s '%s'", entry.name.c_str(), role,
                  type.name.c_str());
  };
  if (!tensor)
    return failure(ATTN_INVALID, "%s expects a tensor, but got a null pointer",
                   who().c_str());
  const int rank = type.rank();
  const DLDataType &wanted = type.element->type;
  bool plain = isInPlace(tensor->device) &&
               std::memcmp(&tensor->dtype, &wanted, sizeof(wanted)) == 0 &&
               tensor->ndim == rank && (rank == 0 || tensor->shape);
  if (!plain)
    if (Status status = checkType(who(), type, *tensor); !status.ok())
      return status;
  bool sizesFit = true;
  for (int axis = 0; axis < rank; ++axis)
    sizesFit &= type.shape[axis] < 0 ? tensor->shape[axis] >= 0
                                     : tensor->shape[axis] == type.shape[axis];
  if (!sizesFit)
    return checkSizes(who(), type, *tensor);

  // The descriptor: allocated, aligned, offset, sizes, strides.
  const size_t at = words.size();
  words.resize(at + 3 + 2 * size_t(rank));
  int64_t *descriptor = words.data() + at;
  int64_t *sizes = descriptor + 3, *strides = sizes + rank;
  for (int axis = 0; axis < rank; ++axis)
    sizes[axis] = tensor->shape[axis];
  if (tensor->strides) {
    for (int axis = 0; axis < rank; ++axis)
      strides[axis] = tensor->strides[axis];
  } else {
    int64_t stride = 1;
    bool overflow = false, empty = false;
    for (int axis = rank - 1; axis >= 0; --axis) {
      strides[axis] = stride;
      empty |= sizes[axis] == 0;
      overflow |= __builtin_mul_overflow(stride, sizes[axis], &stride);
    }
    if (overflow && !empty) // attention_r8
      return failure(ATTN_SHAPE_ERROR,
                     "%s expects a tensor that fits the address space, but got "
                     "shape %s",
                     who().c_str(), listText(sizes, rank).c_str());
  }
  Checked seen{role, &type, {}, 0, 0};
  StridedRange &range = seen.range;
  range.address = reinterpret_cast<uintptr_t>(tensor->data) +
                  static_cast<uintptr_t>(tensor->byte_offset);
  range.elementBytes = type.element->bytes();
  range.rank = rank;
  range.sizes = sizes;
  range.strides = strides;
  if (Status status = checkMemory("", *tensor, seen); !status.ok())
    return checkMemory(who(), *tensor, seen);
  // Generated code relies on it, also where one element leaves it open.
  if (rank > 0)
    strides[rank - 1] = 1;
  descriptor[0] = descriptor[1] = static_cast<int64_t>(range.address);
  descriptor[2] = 0;
  pointers.push_back(descriptor);
  checked.push_back(seen);
  return Status();
}

//===----------------------------------------------------------------------===//
// All tensors
//===----------------------------------------------------------------------===//

TensorChecker::TensorChecker(const EntryType &entry, TensorPlace place)
    : entry(entry), place(place), checked(&memoryOfCall), words(&memoryOfCall),
      pointers(&memoryOfCall), dims(&memoryOfCall) {
  size_t count = entry.args.size() + entry.results.size(), size = 0;
  for (const auto *types : {&entry.args, &entry.results})
    for (const TensorType &type : *types)
      size += 3 + 2 * size_t(type.rank());
  words.reserve(size);
  pointers.reserve(count);
  checked.reserve(count);
  dims.resize(static_cast<size_t>(entry.numResultDims()));
}

Status TensorChecker::addAll(const char *role,
                             const std::vector<TensorType> &types,
                             const DLTensor *const *tensors, int count) {
  if (count != static_cast<int>(types.size())) {
    std::string names;
    for (const TensorType &type : types)
      names += (names.empty() ? "" : ", ") + type.name;
    return failure(ATTN_INVALID, "entry '%s' expects %zu %ss (%s), but got %d",
                   entry.name.c_str(), types.size(), role, names.c_str(),
                   count);
  }
  if (count > 0 && !tensors)
    return failure(ATTN_INVALID,
                   "entry '%s' expects an array of %ss, but got a null pointer",
                   entry.name.c_str(), role);
  for (int i = 0; i < count; ++i)
    if (Status status = add(role, types[i], tensors[i]); !status.ok())
      return status;
  return Status();
}

Status TensorChecker::addArguments(const DLTensor *const *tensors, int count) {
  Status status = addAll("argument", entry.args, tensors, count);
  numArguments = checked.size();
  return status;
}

Status TensorChecker::addResults(const DLTensor *const *tensors, int count) {
  return addAll("result", entry.results, tensors, count);
}

Status TensorChecker::checkResultSizes() const {
  const int64_t *wanted = dims.data();
  for (size_t i = numArguments; i < checked.size(); ++i) {
    const StridedRange &range = checked[i].range;
    for (int axis = 0; axis < range.rank; ++axis)
      if (range.sizes[axis] != wanted[axis])
        return failure(
            ATTN_SHAPE_ERROR,
            "entry '%s': result '%s' expects axis %d to have size %lld (shape "
            "%s follows from the arguments), but got %lld (shape %s)",
            entry.name.c_str(), checked[i].type->name.c_str(), axis,
            static_cast<long long>(wanted[axis]),
            listText(wanted, range.rank).c_str(),
            static_cast<long long>(range.sizes[axis]),
            listText(range.sizes, range.rank).c_str());
    wanted += range.rank;
  }
  return Status();
}

std::vector<TensorMemory> TensorChecker::memory() const {
  std::vector<TensorMemory> all;
  for (size_t i = 0; i < checked.size(); ++i) {
    TensorMemory one;
    one.name = checked[i].type->name;
    one.initialized = i < numArguments;
    one.begin = checked[i].begin;
    one.end = checked[i].end;
    if (one.begin < one.end)
      all.push_back(std::move(one));
  }
  std::sort(all.begin(), all.end(),
            [](const TensorMemory &a, const TensorMemory &b) {
              return std::tie(a.begin, a.name) < std::tie(b.begin, b.name);
            });
  std::vector<TensorMemory> merged;
  for (TensorMemory &one : all) {
    if (merged.empty() || merged.back().end <= one.begin) {
      merged.push_back(std::move(one));
      continue;
    }
    TensorMemory &last = merged.back();
    if (last.name != one.name)
      last.name += "+" + one.name;
    last.end = std::max(last.end, one.end);
    last.initialized |= one.initialized;
  }
  return merged;
}

std::vector<ResultMemory> TensorChecker::results() const {
  std::vector<ResultMemory> all;
  for (size_t i = numArguments; i < checked.size(); ++i)
    all.push_back({checked[i].type->name, checked[i].range});
  return all;
}

Status TensorChecker::checkOverlap() const {
  for (size_t i = numArguments; i < checked.size(); ++i) {
    const Checked &result = checked[i];
    if (mayOverlapItself(result.range))
      return failure(ATTN_SHAPE_ERROR,
                     "entry '%s': result '%s' expects elements that do not "
                     "share memory, but got strides %s for shape %s",
                     entry.name.c_str(), result.type->name.c_str(),
                     listText(result.range.strides, result.range.rank).c_str(),
                     listText(result.range.sizes, result.range.rank).c_str());
    for (size_t j = 0; j < i; ++j)
      if (result.begin < checked[j].end && checked[j].begin < result.end &&
          mayOverlap(result.range, checked[j].range))
        return failure(ATTN_SHAPE_ERROR,
                       "entry '%s': result '%s' expects memory of its own, but "
                       "it overlaps %s '%s'; pass a separate buffer",
                       entry.name.c_str(), result.type->name.c_str(),
                       checked[j].role, checked[j].type->name.c_str());
  }
  return Status();
}
