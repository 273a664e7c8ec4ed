//===- ParseIR.cpp - The one door through which IR comes in -----*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "attn/Support/ParseIR.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

// Enough to see what is wrong; a hostile file may have millions.
static constexpr unsigned kMaxErrors = 20;
static constexpr size_t kMaxMessage = 4000;
static constexpr size_t kMaxQuote = 200;

/// The position in a file behind a location, or null.
static mlir::FileLineColLoc filePosition(mlir::Location location) {
  mlir::FileLineColLoc found;
  location->walk([&](mlir::Location inner) {
    if (auto file = llvm::dyn_cast<mlir::FileLineColLoc>(inner)) {
      found = file;
      return mlir::WalkResult::interrupt();
    }
    return mlir::WalkResult::advance();
  });
  return found;
}

static llvm::StringRef lineOf(const llvm::MemoryBuffer &source, unsigned line) {
  llvm::StringRef rest = source.getBuffer();
  while (--line && !rest.empty())
    rest = rest.drop_front(std::min(rest.find('\n'), rest.size() - 1) + 1);
  return rest.take_until([](char c) { return c == '\n'; });
}

static void write(llvm::raw_ostream &os, mlir::Location location,
                  llvm::StringRef severity, llvm::StringRef message,
                  const llvm::MemoryBuffer *source) {
  mlir::FileLineColLoc place = filePosition(location);
  if (place)
    os << place.getFilename().getValue() << ':' << place.getLine() << ':'
       << place.getColumn() << ": ";
  os << severity << ": " << message.take_front(kMaxMessage);
  if (message.size() > kMaxMessage)
    os << " ... (" << message.size() << " characters)";
  os << '\n';
  if (!place || !source || !place.getLine() ||
      place.getFilename().getValue() != source->getBufferIdentifier())
    return;
  llvm::StringRef quote = lineOf(*source, place.getLine());
  if (quote.empty() || quote.size() > kMaxQuote)
    return;
  os << quote << '\n';
  for (unsigned i = 1; i < place.getColumn() && i <= quote.size(); ++i)
    os << (quote[i - 1] == '\t' ? '\t' : ' ');
  os << "^\n";
}

DiagnosticLog::DiagnosticLog(mlir::MLIRContext *context,
                             const llvm::MemoryBuffer *source)
    : source(source), handler(context, [this](mlir::Diagnostic &diagnostic) {
        add(diagnostic);
        return mlir::success();
      }) {}

void DiagnosticLog::add(mlir::Diagnostic &diagnostic) {
  std::string message = diagnostic.str();
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) {
    if (remarkTexts.size() < 1000)
      remarkTexts.push_back(message.substr(0, kMaxMessage));
    return;
  }
  if (++errorCount > kMaxErrors)
    return;
  // The verifier's words for a byte count that overflows (attention_c33).
  overflow |= llvm::StringRef(message).contains("to fit 63 bits");
  llvm::raw_string_ostream os(errorText);
  write(os, diagnostic.getLocation(), "error", message, source);
  unsigned notes = 0;
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    if (++notes <= kMaxErrors)
      write(os, note.getLocation(), "note", note.str(), source);
}

bool DiagnosticLog::fail(Fault &fault, llvm::StringRef otherwise) const {
  if (errorText.empty())
    return fault.set(FaultClass::Compile, otherwise.str());
  return fault.set(overflow ? FaultClass::Shape : FaultClass::Compile,
                   llvm::StringRef(errorText).rtrim().str());
}

mlir::OwningOpRef<mlir::ModuleOp>
attn::parseIR(const llvm::MemoryBuffer &text, mlir::MLIRContext *context,
              const DiagnosticLog &log, const Limits &limits, Fault &fault) {
  // Named after the buffer, so that locations name it too.
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(
      llvm::MemoryBuffer::getMemBuffer(text.getMemBufferRef()), llvm::SMLoc());
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(sources, context);
  if (!module) {
    log.fail(fault, "the program does not parse");
    return nullptr;
  }
  if (!checkSize(*module, limits, fault))
    return nullptr;
  return module;
}
