//===- AttnAttrs.cpp - Mask algebra, axes, schedule, generators -*- C++ -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Custom syntax, verification and simplification of the attributes.
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"

void AttnDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// #attn.mask
//===----------------------------------------------------------------------===//

static ParseResult parseBound(AsmParser &parser, int64_t &bound) {
  if (succeeded(parser.parseOptionalKeyword("inf"))) {
    bound = MaskAttr::kInf;
    return success();
  }
  return parser.parseInteger(bound);
}

/// One node: a leaf, or and/or of nodes.
static FailureOr<MaskAttr> parseNode(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (failed(parser.parseKeyword(&keyword)))
    return failure();
  std::optional<MaskKind> kind = symbolizeMaskKind(keyword);
  if (!kind) {
    parser.emitError(loc) << "expects a mask (full, causal, band<l, r>, prefix<p>, document, "
                             "and(...), or(...)), but got '"
                          << keyword << "'"
                          << (keyword == "not"
                                  ? "; the complement of a mask is not supported: write the "
                                    "pairs that are kept"
                                  : "");
    return failure();
  }
  SmallVector<int64_t> bounds;
  SmallVector<Attribute> children;
  if (*kind == MaskKind::Band) {
    bounds.resize(2);
    if (failed(parser.parseLess()) || failed(parseBound(parser, bounds[0])) ||
        failed(parser.parseComma()) || failed(parseBound(parser, bounds[1])) ||
        failed(parser.parseGreater()))
      return failure();
  } else if (*kind == MaskKind::Prefix) {
    if (succeeded(parser.parseOptionalLess())) {
      bounds.resize(1);
      if (failed(parser.parseInteger(bounds[0])) || failed(parser.parseGreater()))
        return failure();
    }
  } else if (*kind == MaskKind::And || *kind == MaskKind::Or) {
    auto parseChild = [&]() -> ParseResult {
      FailureOr<MaskAttr> child = parseNode(parser);
      if (failed(child))
        return failure();
      children.push_back(*child);
      return success();
    };
    if (failed(parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseChild)))
      return failure();
  }
  MaskAttr mask = MaskAttr::getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                                       *kind, bounds, children);
  if (!mask)
    return failure();
  return mask;
}

Attribute MaskAttr::parse(AsmParser &parser, Type) {
  if (failed(parser.parseLess()))
    return {};
  FailureOr<MaskAttr> mask = parseNode(parser);
  if (failed(mask) || failed(parser.parseGreater()))
    return {};
  return *mask;
}

static void printNode(AsmPrinter &printer, MaskAttr mask) {
  auto bound = [&](int64_t value) {
    if (value == MaskAttr::kInf)
      printer << "inf";
    else
      printer << value;
  };
  printer << stringifyMaskKind(mask.getKind());
  if (mask.getKind() == MaskKind::Band) {
    printer << "<";
    bound(mask.getBounds()[0]);
    printer << ", ";
    bound(mask.getBounds()[1]);
    printer << ">";
  } else if (mask.getKind() == MaskKind::Prefix && !mask.getBounds().empty()) {
    printer << "<" << mask.getBounds()[0] << ">";
  } else if (!mask.getChildren().empty()) {
    printer << "(";
    llvm::interleave(
        mask.getChildren(), [&](Attribute child) { printNode(printer, cast<MaskAttr>(child)); },
        [&] { printer << ", "; });
    printer << ")";
  }
}

void MaskAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printNode(printer, *this);
  printer << ">";
}

// Checks: mask_c1 bounds of a band; mask_c2 bound of a prefix; mask_c3 children.
LogicalResult MaskAttr::verify(function_ref<InFlightDiagnostic()> emitError, MaskKind kind,
                               ArrayRef<int64_t> bounds, ArrayRef<Attribute> children) {
  if (kind == MaskKind::Band) {
    if (bounds.size() != 2)
      return emitError() << "expects band to have 2 bounds, but got " << bounds.size();
    for (int64_t bound : bounds) // mask_c1
      if (bound < 0)
        return emitError() << "expects the bounds of band to be non-negative or inf, but got "
                           << bound;
  } else if (kind == MaskKind::Prefix) {
    if (bounds.size() > 1)
      return emitError() << "expects prefix to have at most 1 bound, but got " << bounds.size();
    if (!bounds.empty() && bounds[0] < 0) // mask_c2
      return emitError() << "expects the bound of prefix to be non-negative, but got " << bounds[0];
  } else if (!bounds.empty()) {
    return emitError() << "expects " << stringifyMaskKind(kind) << " to have no bounds, but got "
                       << bounds.size();
  }
  bool inner = kind == MaskKind::And || kind == MaskKind::Or;
  if (inner && children.size() < 2) // mask_c3
    return emitError() << "expects " << stringifyMaskKind(kind)
                       << " to hold at least two masks, but got " << children.size();
  if (!inner && !children.empty())
    return emitError() << "expects " << stringifyMaskKind(kind) << " to hold no masks, but got "
                       << children.size();
  if (!llvm::all_of(children, llvm::IsaPred<MaskAttr>))
    return emitError() << "expects the members of " << stringifyMaskKind(kind) << " to be masks";
  return success();
}

bool MaskAttr::contains(MaskKind kind) const {
  return getKind() == kind || llvm::any_of(getChildren(), [&](Attribute child) {
           return cast<MaskAttr>(child).contains(kind);
         });
}

bool MaskAttr::readsPrefixLengths() const {
  return (getKind() == MaskKind::Prefix && getBounds().empty()) ||
         llvm::any_of(getChildren(), [](Attribute child) {
           return cast<MaskAttr>(child).readsPrefixLengths();
         });
}

MaskAttr MaskAttr::simplify() const {
  MLIRContext *context = getContext();
  MaskAttr full = getLeaf(context, MaskKind::Full);
  if (getKind() == MaskKind::Band) {
    if (getBounds()[0] == kInf && getBounds()[1] == kInf)
      return full;
    if (getBounds()[0] == kInf && getBounds()[1] == 0)
      return getLeaf(context, MaskKind::Causal);
    return *this;
  }
  if (getChildren().empty())
    return *this;

  bool isAnd = getKind() == MaskKind::And;
  llvm::SmallSetVector<Attribute, 4> members;
  SmallVector<Attribute> work(llvm::reverse(getChildren()));
  // Intersection of every band of an `and`: causal is band<inf, 0>.
  int64_t left = kInf, right = kInf;
  while (!work.empty()) {
    MaskAttr child = cast<MaskAttr>(work.pop_back_val()).simplify();
    if (child.getKind() == getKind()) {
      work.append(child.getChildren().rbegin(), child.getChildren().rend());
      continue;
    }
    if (child.getKind() == MaskKind::Full) {
      if (isAnd)
        continue;
      return full;
    }
    if (isAnd && child.getKind() == MaskKind::Causal) {
      right = 0;
      continue;
    }
    if (isAnd && child.getKind() == MaskKind::Band) {
      left = std::min(left, child.getBounds()[0]);
      right = std::min(right, child.getBounds()[1]);
      continue;
    }
    members.insert(child);
  }
  if (left != kInf || right != kInf) {
    MaskAttr band = getLeaf(context, MaskKind::Band, {left, right}).simplify();
    members.insert(band);
  }
  if (members.empty())
    return full;
  if (members.size() == 1)
    return cast<MaskAttr>(members.front());
  return get(context, getKind(), {}, members.getArrayRef());
}

//===----------------------------------------------------------------------===//
// #attn.axes
//===----------------------------------------------------------------------===//

namespace {
/// Names of the four roles of each operand.
struct AxisNames {
  StringRef operand;
  StringRef names[4];
};
constexpr AxisNames kAxisNames[3] = {
    {"q", {"b", "hq", "i", "d"}}, {"k", {"b", "hkv", "j", "d"}}, {"v", {"b", "hkv", "j", "e"}}};
} // namespace

AxesAttr AxesAttr::getDefault(MLIRContext *context) {
  int64_t order[4] = {0, 1, 2, 3};
  return get(context, order, order, order);
}

bool AxesAttr::isDefault() const { return *this == getDefault(getContext()); }

// attention_c10: each list names each of the operand's four axes exactly once.
Attribute AxesAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> roles[3];
  if (failed(parser.parseLess()))
    return {};
  for (int index = 0; index < 3; ++index) {
    const AxisNames &names = kAxisNames[index];
    if (index && failed(parser.parseComma()))
      return {};
    if (failed(parser.parseKeyword(names.operand)) || failed(parser.parseEqual()))
      return {};
    SmallVector<int64_t> &order = roles[index];
    order.assign(4, -1);
    int64_t position = 0;
    SMLoc loc = parser.getCurrentLocation();
    auto parseName = [&]() -> ParseResult {
      StringRef name;
      SMLoc nameLoc = parser.getCurrentLocation();
      if (failed(parser.parseKeyword(&name)))
        return failure();
      const StringRef *found = llvm::find(names.names, name);
      if (found == std::end(names.names) || order[found - names.names] != -1)
        return parser.emitError(nameLoc)
               << "expects " << names.operand << " to name each of " << names.names[0] << ", "
               << names.names[1] << ", " << names.names[2] << ", " << names.names[3]
               << " exactly once, but got '" << name << "'";
      order[found - names.names] = position++;
      return success();
    };
    if (failed(parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseName)))
      return {};
    if (position != 4) {
      parser.emitError(loc) << "expects " << names.operand << " to name 4 axes, but got "
                            << position;
      return {};
    }
  }
  SMLoc loc = parser.getCurrentLocation();
  if (failed(parser.parseGreater()))
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), roles[0], roles[1],
                    roles[2]);
}

void AxesAttr::print(AsmPrinter &printer) const {
  ArrayRef<int64_t> orders[3] = {getQ(), getK(), getV()};
  printer << "<";
  for (auto [index, names] : llvm::enumerate(kAxisNames)) {
    StringRef inOrder[4];
    for (auto [role, position] : llvm::enumerate(orders[index]))
      inOrder[position] = names.names[role];
    printer << (index ? ", " : "") << names.operand << " = [" << llvm::join(ArrayRef<StringRef>(inOrder), ", ") << "]";
  }
  printer << ">";
}

LogicalResult AxesAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> q,
                               ArrayRef<int64_t> k, ArrayRef<int64_t> v) {
  ArrayRef<int64_t> orders[] = {q, k, v};
  for (auto [names, order] : llvm::zip(kAxisNames, orders)) {
    SmallVector<int64_t> sorted(order);
    llvm::sort(sorted);
    if (sorted != SmallVector<int64_t>{0, 1, 2, 3})
      return emitError() << "expects the axes of " << names.operand << " to be an order of 4 axes";
    if (order[kDim] != 3)
      return emitError() << "expects the last axis of " << names.operand << " to be "
                         << names.names[kDim] << ", but got it at position " << order[kDim];
  }
  return success();
}

//===----------------------------------------------------------------------===//
// #attn.schedule
//===----------------------------------------------------------------------===//

// attention_c35: the schedule's tiles and splits are positive.
LogicalResult ScheduleAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef,
                                   int64_t lanes, int64_t qVectors, int64_t strips,
                                   int64_t keyRows, int64_t kvTile, int64_t fewRows,
                                   int64_t splitKeys) {
  auto check = [&](StringRef name, int64_t value, int64_t low, int64_t high) -> LogicalResult {
    if (value >= low && value <= high)
      return success();
    return emitError() << "expects " << name << " of the schedule to lie between " << low << " and "
                       << high << ", but got " << value;
  };
  if (failed(check("lanes", lanes, 1, 64)) || failed(check("q_vectors", qVectors, 1, 8)) ||
      failed(check("strips", strips, 1, 64)) || failed(check("key_rows", keyRows, 1, 32)) ||
      failed(check("kv_tile", kvTile, 1, 4096)) || failed(check("few_rows", fewRows, 0, 64)) ||
      failed(check("split_keys", splitKeys, 1, int64_t(1) << 31)))
    return failure();
  if (kvTile % keyRows)
    return emitError() << "expects kv_tile of the schedule to be a multiple of key_rows, but got "
                       << kvTile << " and " << keyRows;
  if (kvTile % lanes)
    return emitError() << "expects kv_tile of the schedule to be a multiple of lanes, but got "
                       << kvTile << " and " << lanes;
  return success();
}

//===----------------------------------------------------------------------===//
// #attn.gen
//===----------------------------------------------------------------------===//

Attribute GenAttr::parse(AsmParser &parser, Type) {
  std::string kind;
  SmallVector<double> numbers;
  SMLoc loc = parser.getCurrentLocation();
  auto parseNumber = [&]() -> ParseResult {
    double value;
    if (failed(parser.parseFloat(value)))
      return failure();
    numbers.push_back(value);
    return success();
  };
  if (failed(parser.parseLess()) || failed(parser.parseString(&kind)))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      failed(parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseNumber)))
    return {};
  if (failed(parser.parseGreater()))
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), kind,
                    DenseF64ArrayAttr::get(parser.getContext(), numbers));
}

void GenAttr::print(AsmPrinter &printer) const {
  printer << "<\"" << getKind() << "\"";
  if (!getNumbers().empty()) {
    printer << ", [";
    llvm::interleave(
        getNumbers().asArrayRef(), [&](double value) { printer.printFloat(APFloat(value)); },
        [&] { printer << ", "; });
    printer << "]";
  }
  printer << ">";
}

// gen_c1: a known kind with its number of parameters.
LogicalResult GenAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef kind,
                              DenseF64ArrayAttr numbers) {
  int expected = llvm::StringSwitch<int>(kind)
                     .Cases({"normal", "constant", "page_table", "segments"}, 1)
                     .Cases({"uniform", "lengths", "mask", "positions"}, 2)
                     .Cases({"cu_seqlens", "zeros"}, 0)
                     .Default(-1);
  if (expected < 0)
    return emitError() << "expects a generator (normal, uniform, constant, zeros, lengths, mask, "
                          "page_table, segments, cu_seqlens, positions), but got '"
                       << kind << "'";
  if (static_cast<int>(numbers.size()) != expected)
    return emitError() << "expects " << expected << " numbers for generator '" << kind
                       << "', but got " << numbers.size();
  return success();
}
