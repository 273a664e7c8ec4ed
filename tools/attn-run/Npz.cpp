//===- Npz.cpp - numpy's archive of arrays --------------------------------===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A zip of stored members and the .npy header, no more than numpy.savez writes.
//===----------------------------------------------------------------------===//

#include "Npz.h"

#include "llvm/Support/CRC.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace attnrun;
using namespace mlir::attn;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError("error: " + text);
}

//===----------------------------------------------------------------------===//
// .npy
//===----------------------------------------------------------------------===//

/// The text after `'key':` in the header, blanks dropped.
static llvm::StringRef valueOf(llvm::StringRef header, llvm::StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == llvm::StringRef::npos)
    return {};
  return header.drop_front(at + key.size() + 2).ltrim().ltrim(':').ltrim();
}

static llvm::Expected<NpyArray> parseNpy(llvm::StringRef member,
                                         llvm::StringRef name) {
  auto damaged = [&](const llvm::Twine &what) {
    return fail("expects '" + name + "' to be a .npy array, but got " + what);
  };
  if (!member.starts_with(llvm::StringRef("\x93NUMPY", 6)) ||
      member.size() < 12)
    return damaged("no header");
  bool wide = member[6] >= 2; // version 2 has a header length of four bytes
  size_t start = wide ? 12 : 10;
  uint64_t length =
      wide ? read32le(member.data() + 8) : read16le(member.data() + 8);
  if (start + length > member.size())
    return damaged("a truncated header");
  llvm::StringRef header = member.substr(start, length);
  NpyArray array;
  llvm::StringRef descr = valueOf(header, "descr");
  descr = descr.drop_front(std::min<size_t>(1, descr.size()));
  descr = descr.take_until([](char c) { return c == '\''; });
  if (descr.size() < 3 || (descr[0] != '<' && descr[0] != '|') ||
      descr.drop_front(2).getAsInteger(10, array.itemSize) ||
      array.itemSize < 1 || array.itemSize > 16)
    return damaged("dtype '" + descr + "'");
  array.kind = descr[1];
  if (!valueOf(header, "fortran_order").starts_with("False"))
    return damaged("column-major order; save numpy.ascontiguousarray of it");
  llvm::StringRef shape = valueOf(header, "shape");
  if (!shape.consume_front("("))
    return damaged("no shape");
  shape = shape.take_until([](char c) { return c == ')'; });
  llvm::SmallVector<llvm::StringRef> sizes;
  shape.split(sizes, ',', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef text : sizes) {
    if (text.trim().empty())
      continue;
    int64_t size;
    if (text.trim().getAsInteger(10, size) || size < 0)
      return damaged("shape (" + shape + ")");
    array.shape.push_back(size);
  }
  std::optional<int64_t> count = elementCount(array.shape);
  std::optional<int64_t> bytes =
      count ? llvm::checkedMul(*count, array.itemSize) : std::nullopt;
  llvm::StringRef data = member.drop_front(start + length);
  if (!bytes || *bytes != static_cast<int64_t>(data.size()))
    return damaged(llvm::Twine(data.size()) + " bytes for shape (" + shape +
                   ")");
  array.bytes = data.str();
  return array;
}

/// numpy's letter for a type.
static char kindOf(DType dtype) {
  if (dtype == DType::BF16)
    return 'u';
  return isFloat(dtype) ? 'f' : dtype == DType::I1 ? 'b' : 'i';
}

llvm::Expected<Array> NpyArray::as(DType dtype, llvm::StringRef name) const {
  bool fits = itemSize == byteSize(dtype) &&
              (kind == kindOf(dtype) || (dtype == DType::BF16 && kind == 'V'));
  if (!fits)
    return fail("expects '" + name + "' to hold " + dtypeName(dtype) +
                (dtype == DType::BF16 ? " (as uint16)" : "") +
                ", but got numpy's '" + llvm::Twine(kind) +
                llvm::Twine(itemSize) + "'");
  return Array::fromMemory(dtype, shape, bytes.data());
}

static std::string toNpy(const Array &array) {
  char kind = kindOf(array.dtype);
  std::string shape = "(";
  for (int64_t size : array.shape)
    shape += std::to_string(size) + ",";
  std::string header = "{'descr': '" +
                       std::string(byteSize(array.dtype) == 1 ? "|" : "<") +
                       kind + std::to_string(byteSize(array.dtype)) +
                       "', 'fortran_order': False, 'shape': " + shape + "), }";
  // The data begin at a multiple of 64.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string npy("\x93NUMPY\x01\x00", 8);
  npy += static_cast<char>(header.size() & 255);
  npy += static_cast<char>(header.size() >> 8);
  npy += header;
  size_t start = npy.size();
  npy.resize(start + array.size() * byteSize(array.dtype));
  array.toMemory(npy.data() + start);
  return npy;
}

//===----------------------------------------------------------------------===//
// zip
//===----------------------------------------------------------------------===//

static uint32_t checksumOf(llvm::StringRef bytes) {
  return llvm::crc32(llvm::ArrayRef(
      reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

llvm::Expected<std::map<std::string, NpyArray>>
attnrun::readNpz(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("cannot read '" + path + "': " + buffer.getError().message());
  llvm::StringRef file = (*buffer)->getBuffer();
  auto damaged = [&](const llvm::Twine &what) {
    return fail("expects '" + path +
                "' to be an .npz of numpy.savez, but got " + what);
  };
  // The end record is the last thing in the file, before a comment at most.
  size_t end = file.rfind(llvm::StringRef("PK\5\6", 4));
  if (end == llvm::StringRef::npos || end + 22 > file.size())
    return damaged("no zip directory");
  unsigned members = read16le(file.data() + end + 10);
  uint64_t at = read32le(file.data() + end + 16);
  std::map<std::string, NpyArray> arrays;
  for (unsigned n = 0; n < members; ++n) {
    if (at + 46 > file.size() || read32le(file.data() + at) != 0x02014b50)
      return damaged("a damaged zip directory");
    const char *entry = file.data() + at;
    unsigned method = read16le(entry + 10);
    uint32_t checksum = read32le(entry + 16);
    uint64_t stored = read32le(entry + 20), size = read32le(entry + 24);
    unsigned nameSize = read16le(entry + 28), extraSize = read16le(entry + 30),
             commentSize = read16le(entry + 32);
    uint64_t local = read32le(entry + 42);
    if (at + 46 + nameSize + extraSize > file.size())
      return damaged("a damaged zip directory");
    llvm::StringRef name = file.substr(at + 46, nameSize);
    // Sizes beyond 4 GiB are in the zip64 field, in this order.
    llvm::StringRef extra = file.substr(at + 46 + nameSize, extraSize);
    while (extra.size() >= 4) {
      unsigned tag = read16le(extra.data()),
               length = read16le(extra.data() + 2);
      llvm::StringRef field = extra.substr(4, length);
      extra = extra.drop_front(std::min<size_t>(extra.size(), 4 + length));
      if (tag != 1)
        continue;
      for (uint64_t *number : {&size, &stored, &local})
        if (*number == 0xffffffff && field.size() >= 8) {
          *number = read64le(field.data());
          field = field.drop_front(8);
        }
    }
    at += 46 + nameSize + extraSize + commentSize;
    if (method != 0)
      return damaged("a compressed member '" + name +
                     "' (numpy.savez does not compress)");
    if (local + 30 > file.size() || local + 30 < local ||
        read32le(file.data() + local) != 0x04034b50)
      return damaged("a damaged member '" + name + "'");
    uint64_t start = local + 30 + read16le(file.data() + local + 26) +
                     read16le(file.data() + local + 28);
    if (stored != size || start > file.size() || size > file.size() - start)
      return damaged("a truncated member '" + name + "'");
    llvm::StringRef bytes = file.substr(start, size);
    if (checksumOf(bytes) != checksum)
      return damaged("a wrong checksum of member '" + name + "'");
    name.consume_back(".npy");
    auto array = parseNpy(bytes, name);
    if (!array)
      return array.takeError();
    arrays[name.str()] = std::move(*array);
  }
  return arrays;
}

namespace {
/// Little-endian numbers at the end of a string.
struct Writer {
  std::string bytes;
  Writer &number(uint64_t value, int size) {
    for (int n = 0; n < size; ++n)
      bytes += static_cast<char>(value >> (8 * n) & 255);
    return *this;
  }
};
} // namespace

llvm::Error
attnrun::writeNpz(llvm::StringRef path,
                  llvm::ArrayRef<std::pair<std::string, Array>> arrays) {
  Writer file, directory;
  for (const auto &[name, array] : arrays) {
    std::string member = name + ".npy", bytes = toNpy(array);
    uint64_t offset = file.bytes.size();
    if (offset + bytes.size() > 0xfffffff0)
      return fail("expects results of less than 4 GiB to save, but got more");
    // Version 2.0, no flags, stored, 1980-01-01.
    auto common = [&](Writer &writer) {
      writer.number(20, 2).number(0, 2).number(0, 2).number(0x00210000, 4);
      writer.number(checksumOf(bytes), 4);
      writer.number(bytes.size(), 4).number(bytes.size(), 4);
      writer.number(member.size(), 2).number(0, 2);
    };
    file.number(0x04034b50, 4);
    common(file);
    file.bytes += member + bytes;
    directory.number(0x02014b50, 4).number(20, 2);
    common(directory);
    // Comment, disk, internal and external attributes, where the member is.
    directory.number(0, 2).number(0, 2).number(0, 2).number(0, 4);
    directory.number(offset, 4);
    directory.bytes += member;
  }
  Writer end;
  end.number(0x06054b50, 4).number(0, 2).number(0, 2);
  end.number(arrays.size(), 2).number(arrays.size(), 2);
  end.number(directory.bytes.size(), 4).number(file.bytes.size(), 4);
  end.number(0, 2);
  // Beside the file and then in its place, so that a full disk loses nothing;
  // a device is written as it is.
  bool direct =
      llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path);
  std::string target = path.str();
  std::string beside = direct ? target : target + ".part";
  auto refuse = [&] {
    std::string why = std::strerror(errno);
    if (!direct)
      std::remove(beside.c_str());
    return fail("cannot write '" + path + "': " + why);
  };
  FILE *stream = std::fopen(beside.c_str(), "wb");
  if (!stream)
    return refuse();
  bool written = true;
  for (const std::string *part : {&file.bytes, &directory.bytes, &end.bytes})
    written &=
        std::fwrite(part->data(), 1, part->size(), stream) == part->size();
  if (std::fclose(stream) != 0 || !written)
    return refuse();
  if (!direct && std::rename(beside.c_str(), target.c_str()) != 0)
    return refuse();
  return llvm::Error::success();
}
