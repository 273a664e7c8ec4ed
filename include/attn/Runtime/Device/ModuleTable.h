//===- ModuleTable.h - What devices loaded from a package -------*- C++ -*-===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loading an image may mean compiling it, so every package keeps what its
// images became, by image and context, until it is closed.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_RUNTIME_DEVICE_MODULETABLE_H
#define ATTN_RUNTIME_DEVICE_MODULETABLE_H

#include "attn/Runtime/ABI.h"
#include "attn/Runtime/Status.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace attn::rt {

/// An image as one device's context has it. Its destructor unloads it.
class LoadedModule {
public:
  virtual ~LoadedModule() = default;
};

/// The loaded images of one package. Threads may share it.
class ModuleTable {
public:
  /// Gives the module of `image` in `context`; `load` makes it at first, and
  /// threads that want the same one meanwhile wait. A failure is not kept.
  template <typename Module, typename Load>
  Status find(const AttnGpuImage *image, const void *context, Load load,
              Module *&module) {
    std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<LoadedModule> &slot = modules[{image, context}];
    if (!slot) {
      std::unique_ptr<Module> made;
      if (Status status = load(made); !status.ok())
        return status;
      slot = std::move(made);
    }
    module = static_cast<Module *>(slot.get());
    return Status();
  }

  /// Unloads everything.
  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    modules.clear();
  }

private:
  std::mutex mutex;
  std::map<std::pair<const AttnGpuImage *, const void *>,
           std::unique_ptr<LoadedModule>>
      modules;
};

} // namespace attn::rt

#endif // ATTN_RUNTIME_DEVICE_MODULETABLE_H
