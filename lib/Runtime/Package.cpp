//===- Package.cpp - A loaded package -------------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loading: judge the file, load it by its absolute path, look up the entries.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Package.h"

#include "attn/Runtime/PackageFile.h"

#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace attn::rt;

AttnPackage::~AttnPackage() {
  // The keys are addresses in the code.
  modules.clear();
  if (library)
    dlclose(library);
  if (copy >= 0)
    close(copy);
}

/// The dynamic linker's last complaint.
static std::string linkerError() {
  const char *text = dlerror();
  return text ? text : "no reason given";
}

namespace {
/// A question to `dl_iterate_phdr`: the first code segment of the object that
/// `address` is in.
struct LoadedCode {
  uintptr_t address;
  const void *data = nullptr;
  uint64_t size = 0;
};
} // namespace

/// Answers a `LoadedCode` when its object comes by.
static int findLoadedCode(dl_phdr_info *info, size_t, void *arg) {
  auto &wanted = *static_cast<LoadedCode *>(arg);
  bool inside = false;
  const void *data = nullptr;
  uint64_t size = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD)
      continue;
    uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    inside |=
        wanted.address >= begin && wanted.address < begin + segment.p_memsz;
    if ((segment.p_flags & PF_X) && !data) {
      data = reinterpret_cast<const void *>(begin);
      size = segment.p_filesz;
    }
  }
  if (!inside)
    return 0;
  wanted.data = data;
  wanted.size = size;
  return 1;
}

/// Whether the code behind `library` is the file's. The dynamic linker hands
/// out what it loaded before from the same path, even when the file there was
/// replaced since.
static bool isLoadedFrom(void *library, const PackageFile &file) {
  const char *json =
      static_cast<const char *>(dlsym(library, "attn_package_json"));
  if (!json || file.json != json)
    return false;
  LoadedCode code{reinterpret_cast<uintptr_t>(json)};
  dl_iterate_phdr(findLoadedCode, &code);
  return code.size == file.codeSize &&
         (code.size == 0 ||
          std::memcmp(code.data, file.bytes.data() + file.codeOffset,
                      code.size) == 0);
}

/// Writes the file to memory of its own, which no path leads to.
static int makeCopy(const PackageFile &file) {
  int fd = memfd_create("attn-package", MFD_CLOEXEC);
  if (fd < 0)
    return -1;
  size_t done = 0;
  while (done < file.bytes.size()) {
    ssize_t wrote =
        write(fd, file.bytes.data() + done, file.bytes.size() - done);
    if (wrote <= 0) {
      close(fd);
      return -1;
    }
    done += static_cast<size_t>(wrote);
  }
  return fd;
}

/// Loads the code of `file` into `package`.
static Status load(const PackageFile &file, AttnPackage &package) {
  // RTLD_NOW: a missing symbol is found here and not in the middle of a call.
  const int mode = RTLD_NOW | RTLD_LOCAL;
  package.library = dlopen(file.path.c_str(), mode);
  if (package.library && isLoadedFrom(package.library, file))
    return Status();
  if (package.library) {
    dlclose(package.library);
    package.library = nullptr;
    package.copy = makeCopy(file);
    if (package.copy < 0)
      return failure(ATTN_CACHE_ERROR,
                     "package '%s' was replaced while an older one from the "
                     "same path is open; close that one first, or use another "
                     "path",
                     file.path.c_str());
    std::string path = format("/proc/self/fd/%d", package.copy);
    package.library = dlopen(path.c_str(), mode);
  }
  if (!package.library)
    return failure(ATTN_CACHE_ERROR, "package '%s' cannot be loaded: %s",
                   file.path.c_str(), linkerError().c_str());
  return Status();
}

/// Looks up the functions of all entries.
static Status findEntries(AttnPackage &package) {
  for (const EntryType &type : package.signature.entries) {
    AttnPackage::Entry entry;
    std::string runName = "attn_entry_" + type.name;
    std::string shapeName = "attn_shape_" + type.name;
    entry.run = reinterpret_cast<AttnEntryFunction>(
        dlsym(package.library, runName.c_str()));
    entry.shapes = reinterpret_cast<AttnShapeFunction>(
        dlsym(package.library, shapeName.c_str()));
    if (!entry.run || !entry.shapes)
      return failure(ATTN_CACHE_ERROR,
                     "package '%s' describes entry '%s' but does not export %s",
                     package.path.c_str(), type.name.c_str(),
                     (entry.run ? shapeName : runName).c_str());
    package.entries.push_back(entry);
  }
  return Status();
}

Status attn::rt::openPackage(const std::string &path,
                             std::unique_ptr<AttnPackage> &out) {
  PackageFile file;
  if (Status status = readPackageFile(path, file); !status.ok())
    return status;
  auto package = std::make_unique<AttnPackage>();
  package->path = path;
  package->json = file.json;
  Status status = parseSignature(file.json, package->signature);
  if (status.ok())
    status = checkCompatible(package->signature);
  if (!status.ok())
    return failure(status.code(), "package '%s' is refused: %s", path.c_str(),
                   status.message().c_str());
  if (Status loaded = load(file, *package); !loaded.ok())
    return loaded;
  if (Status found = findEntries(*package); !found.ok())
    return found;
  out = std::move(package);
  return Status();
}
