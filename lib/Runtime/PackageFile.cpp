//===- PackageFile.cpp - Reading a package file without loading it --------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The file has three parts: the ELF object, whose dynamic symbol
// `attn_package_json` names the description, and behind it, where no loader
// looks, an optional seal: a magic word, the length of what it seals, and the
// SHA-256 of that. The seal finds damage; it does not stop an attacker, who
// could seal again.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/PackageFile.h"

#include "attn/Runtime/Sha256.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace attn::rt;

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

/// No package comes near this; what does is something else.
static constexpr int64_t kMaxFileBytes = int64_t(1) << 30;

namespace {
/// A file descriptor that closes itself.
struct File {
  int fd;
  ~File() {
    if (fd >= 0)
      close(fd);
  }
};
} // namespace

/// A failure of the system on `path`.
static Status systemFailure(const char *what, const std::string &path) {
  return failure(ATTN_CACHE_ERROR, "package '%s' cannot be %s: %s",
                 path.c_str(), what, std::strerror(errno));
}

/// Reads everything from `fd`.
static Status readAll(int fd, const std::string &path, std::string &bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return systemFailure("read", path);
  if (!S_ISREG(info.st_mode))
    return failure(ATTN_CACHE_ERROR, "package '%s' expects a regular file",
                   path.c_str());
  if (info.st_size > kMaxFileBytes)
    return failure(ATTN_CACHE_ERROR,
                   "package '%s' expects a file of at most %lld bytes, but got "
                   "%lld",
                   path.c_str(), static_cast<long long>(kMaxFileBytes),
                   static_cast<long long>(info.st_size));
  bytes.resize(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t got = pread(fd, bytes.data() + done, bytes.size() - done,
                        static_cast<off_t>(done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return systemFailure("read", path);
    if (got == 0)
      break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return Status();
}

Status attn::rt::readPackageFile(const std::string &path, PackageFile &file) {
  // Nonblocking, so that a FIFO is refused below and not waited for.
  File in{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (in.fd < 0)
    return systemFailure("opened", path);
  char resolved[PATH_MAX];
  if (!realpath(path.c_str(), resolved))
    return systemFailure("opened", path);
  file.path = resolved;
  if (Status status = readAll(in.fd, path, file.bytes); !status.ok())
    return status;
  Status status = examinePackageBytes(file.bytes, file);
  if (!status.ok())
    return failure(status.code(), "package '%s' is refused: %s", path.c_str(),
                   status.message().c_str());
  return Status();
}

//===----------------------------------------------------------------------===//
// The seal
//===----------------------------------------------------------------------===//

namespace {
struct Seal {
  char magic[8];
  uint64_t length;
  uint8_t digest[32];
};
} // namespace

static_assert(sizeof(Seal) == 48, "the seal's layout is a file format");

static const char sealMagic[8] = {'A', 'T', 'T', 'N', 'S', 'E', 'A', 'L'};

/// Reads the seal behind `bytes`; false when there is none.
static bool readSeal(std::string_view bytes, Seal &seal) {
  if (bytes.size() < sizeof(Seal))
    return false;
  std::memcpy(&seal, bytes.data() + bytes.size() - sizeof(Seal), sizeof(Seal));
  return std::memcmp(seal.magic, sealMagic, sizeof(sealMagic)) == 0;
}

Status attn::rt::sealPackageFile(const std::string &path) {
  File file{open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0)
    return systemFailure("opened for sealing", path);
  std::string bytes;
  if (Status status = readAll(file.fd, path, bytes); !status.ok())
    return status;
  Seal seal;
  if (readSeal(bytes, seal))
    bytes.resize(bytes.size() - sizeof(Seal));
  std::memcpy(seal.magic, sealMagic, sizeof(sealMagic));
  seal.length = bytes.size();
  auto digest = sha256(bytes.data(), bytes.size());
  std::memcpy(seal.digest, digest.data(), digest.size());
  ssize_t written =
      pwrite(file.fd, &seal, sizeof(seal), static_cast<off_t>(bytes.size()));
  if (written != ssize_t(sizeof(seal))) {
    // A short write means a full disk; only a failed one sets errno.
    if (written >= 0)
      errno = ENOSPC;
    return systemFailure("sealed", path);
  }
  return Status();
}

//===----------------------------------------------------------------------===//
// The ELF object
//===----------------------------------------------------------------------===//

namespace {
/// Bounds-checked reading of ELF structures.
class ElfReader {
public:
  explicit ElfReader(std::string_view bytes) : bytes(bytes) {}

  /// The structure at `offset`; false when it does not lie within the file.
  template <typename T> bool read(uint64_t offset, T &out) const {
    if (!contains(offset, sizeof(T)))
      return false;
    std::memcpy(&out, bytes.data() + offset, sizeof(T));
    return true;
  }

  bool contains(uint64_t offset, uint64_t size) const {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  }

  /// The NUL-terminated string at `offset`, cut at the end of the file.
  std::string_view stringAt(uint64_t offset, uint64_t maxSize) const {
    if (!contains(offset, 0))
      return {};
    std::string_view rest = bytes.substr(offset, maxSize);
    return rest.substr(0, rest.find('\0'));
  }

private:
  std::string_view bytes;
};
} // namespace

static Status damaged(const char *what) {
  return failure(ATTN_CACHE_ERROR, "it is truncated or damaged (%s)", what);
}

static Status foreign(const char *what) {
  return failure(ATTN_CACHE_ERROR, "it is no package for this machine (%s)",
                 what);
}

/// Checks the ELF header.
static Status checkHeader(const Elf64_Ehdr &header) {
#if defined(__x86_64__)
  const uint16_t machine = EM_X86_64;
#elif defined(__aarch64__)
  const uint16_t machine = EM_AARCH64;
#else
  const uint16_t machine = EM_NONE;
#endif
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return foreign("it has no ELF header");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    return foreign("it is not 64-bit little-endian");
  if (header.e_machine != machine)
    return foreign("it is for another processor");
  if (header.e_type != ET_DYN)
    return foreign("it is no shared object");
  if (header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff == 0)
    return damaged("its header tables are missing");
  return Status();
}

/// Looks for the defined dynamic symbol `name`.
static bool findSymbol(const ElfReader &elf, const Elf64_Ehdr &header,
                       std::string_view name, Elf64_Sym &found) {
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section, strings;
    if (!elf.read(header.e_shoff + i * sizeof(section), section) ||
        section.sh_type != SHT_DYNSYM || section.sh_link >= header.e_shnum ||
        !elf.read(header.e_shoff + section.sh_link * sizeof(strings), strings))
      continue;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size;
         at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      if (!elf.read(section.sh_offset + at, symbol))
        return false;
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings.sh_size)
        continue;
      if (elf.stringAt(strings.sh_offset + symbol.st_name, name.size() + 1) !=
          name)
        continue;
      found = symbol;
      return true;
    }
  }
  return false;
}

/// Checks that everything the loader would map lies within the file, and finds
/// the first code segment.
static Status checkTables(const ElfReader &elf, const Elf64_Ehdr &header,
                          PackageFile &file) {
  if (!elf.contains(header.e_phoff,
                    uint64_t(header.e_phnum) * sizeof(Elf64_Phdr)))
    return damaged("its segment table is cut off");
  // Linkers write this table last, so that every truncation shows here.
  if (!elf.contains(header.e_shoff,
                    uint64_t(header.e_shnum) * sizeof(Elf64_Shdr)))
    return damaged("its section table is cut off");
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!elf.read(header.e_phoff + i * sizeof(segment), segment))
      return damaged("its segment table is cut off");
    if (segment.p_type != PT_LOAD)
      continue;
    if (!elf.contains(segment.p_offset, segment.p_filesz) ||
        segment.p_filesz > segment.p_memsz)
      return damaged("a segment is cut off");
    if ((segment.p_flags & PF_X) && file.codeSize == 0) {
      file.codeOffset = segment.p_offset;
      file.codeSize = segment.p_filesz;
    }
  }
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    if (!elf.read(header.e_shoff + i * sizeof(section), section))
      return damaged("its section table is cut off");
    if (section.sh_type != SHT_NOBITS &&
        !elf.contains(section.sh_offset, section.sh_size))
      return damaged("a section is cut off");
  }
  return Status();
}

/// Finds where the address range of `symbol` is in the file.
static bool fileOffset(const ElfReader &elf, const Elf64_Ehdr &header,
                       const Elf64_Sym &symbol, uint64_t &offset) {
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!elf.read(header.e_phoff + i * sizeof(segment), segment) ||
        segment.p_type != PT_LOAD || symbol.st_value < segment.p_vaddr)
      continue;
    uint64_t within = symbol.st_value - segment.p_vaddr;
    if (within > segment.p_filesz || symbol.st_size > segment.p_filesz - within)
      continue;
    offset = segment.p_offset + within;
    return elf.contains(offset, symbol.st_size);
  }
  return false;
}

Status attn::rt::examinePackageBytes(std::string_view bytes,
                                     PackageFile &file) {
  Seal seal;
  if (readSeal(bytes, seal)) {
    bytes.remove_suffix(sizeof(Seal));
    if (seal.length != bytes.size())
      return damaged("its seal is for another length");
    auto digest = sha256(bytes.data(), bytes.size());
    if (std::memcmp(digest.data(), seal.digest, digest.size()) != 0)
      return damaged("its contents do not match its seal");
  }
  ElfReader elf(bytes);
  Elf64_Ehdr header;
  if (!elf.read(0, header))
    return damaged("it is shorter than an ELF header");
  if (Status status = checkHeader(header); !status.ok())
    return status;
  if (Status status = checkTables(elf, header, file); !status.ok())
    return status;
  Elf64_Sym symbol;
  if (!findSymbol(elf, header, "attn_package_json", symbol))
    return foreign("it does not export attn_package_json");
  uint64_t offset = 0;
  if (!fileOffset(elf, header, symbol, offset) || symbol.st_size == 0)
    return damaged("its description is cut off");
  file.json = elf.stringAt(offset, symbol.st_size);
  return Status();
}
