//===- BytecodeTest.cpp - Bytecode, good and bad ----------------*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Common.h"

#include "attn/InitAll.h"
#include "attn/Support/LargeStack.h"
#include "attn/Support/SourceGuard.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/Support/raw_ostream.h"

#include <random>

using namespace test;

static mlir::DialectRegistry &registry() {
  static mlir::DialectRegistry registry = [] {
    mlir::DialectRegistry all;
    attn::registerAllDialects(all);
    return all;
  }();
  return registry;
}

static std::string toBytecode(mlir::Operation *op) {
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  EXPECT_TRUE(succeeded(mlir::writeBytecodeToFile(op, os)));
  return bytes;
}

static std::string toBytecode(const std::string &text) {
  mlir::MLIRContext context(registry());
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module);
  return toBytecode(*module);
}

static int run(const std::string &ir, std::string *text = nullptr) {
  AttnString out;
  int status = attnRunPipeline(ir.data(), ir.size(), "attn", &out);
  std::string taken = take(out);
  if (text)
    *text = taken;
  return status;
}

TEST(Bytecode, SameProgramAsText) {
  std::string fromText, fromBytecode;
  ASSERT_EQ(run(kAttention, &fromText), 0);
  ASSERT_EQ(run(toBytecode(kAttention), &fromBytecode), 0)
      << attnCompilerLastError();
  EXPECT_EQ(fromText, fromBytecode);
}

TEST(Bytecode, TruncatedAtEveryByte) {
  std::string whole = toBytecode(kAttention);
  for (size_t size = 4; size < whole.size(); ++size) {
    int status = run(whole.substr(0, size));
    EXPECT_EQ(status, ATTN_COMPILE_ERROR)
        << size << " bytes of " << whole.size() << ": "
        << attnCompilerLastError();
  }
}

TEST(Bytecode, FlippedBits) {
  std::string whole = toBytecode(kAttention);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    // Behind the magic, without which it is text.
    for (int flips = 1 + i % 3; flips; --flips)
      bytes[4 + random() % (bytes.size() - 4)] ^= 1 << random() % 8;
    int status = run(bytes);
    EXPECT_TRUE(status == 0 || status == ATTN_COMPILE_ERROR ||
                status == ATTN_RESOURCE_ERROR)
        << status;
    refused += status != 0;
  }
  EXPECT_GT(refused, 100);
}

TEST(Bytecode, FutureVersion) {
  std::string bytes = toBytecode(kAttention);
  bytes[4] = char(0xff); // the version, 1 byte as a prefixed integer
  EXPECT_EQ(run(bytes), ATTN_COMPILE_ERROR);
}

TEST(Bytecode, TooDeep) {
  std::string bytes;
  attn::Fault fault;
  ASSERT_TRUE(attn::runOnLargeStack(
      [&] {
        mlir::MLIRContext context(registry());
        mlir::OpBuilder builder(&context);
        auto root = mlir::ModuleOp::create(builder.getUnknownLoc());
        mlir::ModuleOp inner = root;
        for (int i = 0; i < 3000; ++i) {
          builder.setInsertionPointToStart(inner.getBody());
          inner = mlir::ModuleOp::create(builder, builder.getUnknownLoc());
        }
        bytes = toBytecode(root);
        root->erase();
      },
      fault));
  EXPECT_EQ(run(bytes), ATTN_RESOURCE_ERROR);
  EXPECT_NE(std::string(attnCompilerLastError())
                .find("expects at most 1000 levels of nested regions"),
            std::string::npos);
}

TEST(Bytecode, AReaderThatHangsIsStopped) {
  attn::Limits limits;
  limits.bytecodeSeconds = 0;
  attn::Fault fault;
  EXPECT_EQ(attn::guardSource(llvm::MemoryBuffer::getMemBufferCopy(
                                  toBytecode(kAttention), "slow"),
                              registry(), limits, fault),
            nullptr);
  EXPECT_EQ(fault.kind, attn::FaultClass::Resource);
  EXPECT_NE(fault.text.find("within 0 seconds"), std::string::npos);
}
