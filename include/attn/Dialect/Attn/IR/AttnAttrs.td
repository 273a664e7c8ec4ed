//===- AttnAttrs.td - Attributes of the attn dialect --------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The mask algebra, the names of axes, the schedule and the input generators.
//===----------------------------------------------------------------------===//

#ifndef ATTN_ATTRS_TD
#define ATTN_ATTRS_TD

include "attn/Dialect/Attn/IR/AttnBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Attn_Alignment : I32EnumAttr<"Alignment", "how query positions line up with key positions", [
    I32EnumAttrCase<"TopLeft", 0, "top_left">,
    I32EnumAttrCase<"BottomRight", 1, "bottom_right">
  ]> {
  let cppNamespace = "::mlir::attn";
  let genSpecializedAttr = 0;
}

def Attn_AlignmentAttr : EnumAttr<Attn_Dialect, Attn_Alignment, "alignment"> {
  let description = [{
    `top_left`: query i has position i. `bottom_right`: query i has position
    i + (valid keys - valid queries), per batch and per document; with a cache
    that is the number of keys before the query block. The offset may be
    negative: those rows see nothing.
  }];
  let assemblyFormat = "$value";
}

def Attn_ScoresKind : I32EnumAttr<"ScoresKind", "what the result scores holds of a pair", [
    I32EnumAttrCase<"Product", 0, "product">,
    I32EnumAttrCase<"Softcapped", 1, "softcapped">,
    I32EnumAttrCase<"Score", 2, "score">,
    I32EnumAttrCase<"Weight", 3, "weight">
  ]> {
  let cppNamespace = "::mlir::attn";
  let genSpecializedAttr = 0;
}

def Attn_ScoresKindAttr : EnumAttr<Attn_Dialect, Attn_ScoresKind, "scores"> {
  let description = [{
    `product`: scale * q_i . k_j. `softcapped`: the same after the softcap. `score`:
    s(i,j) with all that is added, -inf where the pair is hidden. `weight`:
    exp(s(i,j) - lse_i), 0 where it is hidden. The first two do not know of masks.
  }];
  let assemblyFormat = "$value";
}

def Attn_MaskKind : I32EnumAttr<"MaskKind", "a node of the mask algebra", [
    I32EnumAttrCase<"Full", 0, "full">,
    I32EnumAttrCase<"Causal", 1, "causal">,
    I32EnumAttrCase<"Band", 2, "band">,
    I32EnumAttrCase<"Prefix", 3, "prefix">,
    I32EnumAttrCase<"Document", 4, "document">,
    I32EnumAttrCase<"And", 5, "and">,
    I32EnumAttrCase<"Or", 6, "or">
  ]> {
  let cppNamespace = "::mlir::attn";
  let genSpecializedAttr = 0;
}

def Attn_MaskAttr : AttrDef<Attn_Dialect, "Mask"> {
  let mnemonic = "mask";
  let summary = "Which keys a query sees, as an algebra over logical positions";
  let description = [{
    `full`; `causal`: pos_j <= pos_i; `band<l, r>`: -l <= pos_j - pos_i <= r,
    either bound may be `inf`; `prefix<p>`: pos_j < p, and `prefix` with p read
    from the operand `prefix_lengths`; `document`: the query and the key belong
    to the same document; `and(...)` and `or(...)` of these. There is no `not`.

    The bounds of a band are not negative (mask_c1), nor is that of a prefix
    (mask_c2), and `and` and `or` have two parts or more (mask_c3).

    Masks speak of logical positions, which travel with the keys, so that they
    survive sharding, paging and packing unchanged.

    Example: `#attn.mask<and(causal, band<4095, 0>)>`, a causal window of 4,096
    keys; `#attn.mask<or(band<255, 0>, prefix<4>)>`, a window plus four keys that
    every query sees.
  }];
  let parameters = (ins "MaskKind":$kind,
                        ArrayRefParameter<"int64_t">:$bounds,
                        ArrayRefParameter<"::mlir::Attribute">:$children);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// `inf` in a band.
    static constexpr int64_t kInf = INT64_MAX;
    static MaskAttr getLeaf(::mlir::MLIRContext *context, MaskKind kind,
                            ::llvm::ArrayRef<int64_t> bounds = {}) {
      return get(context, kind, bounds, {});
    }
    /// True if some node of the tree has this kind.
    bool contains(MaskKind kind) const;
    /// True if some leaf compares positions of query and key (causal, band).
    bool comparesPositions() const {
      return contains(MaskKind::Causal) || contains(MaskKind::Band);
    }
    /// True if a `prefix` leaf reads its bound from the operand.
    bool readsPrefixLengths() const;
    /// The same set of pairs, in the simplest form: nested and/or flattened,
    /// `full` removed or absorbing, a band open on both sides is `full`, bands
    /// of an `and` intersected (causal is band<inf, 0>), duplicates dropped.
    MaskAttr simplify() const;
  }];
}

def Attn_AxesAttr : AttrDef<Attn_Dialect, "Axes"> {
  let mnemonic = "axes";
  let summary = "The order of the named axes of q, k and v";
  let description = [{
    Each list names the dimensions of the operand in storage order. The names
    are b (batch), hq and hkv (heads), i (query), j (key), d (head dim of q and
    k) and e (head dim of v). The default, `q = [b, hq, i, d], k = [b, hkv, j,
    d], v = [b, hkv, j, e]`, is not printed. The last axis is always d or e.
    The results follow q: out is [b, hq, i, e] in q's order.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$q,
                        ArrayRefParameter<"int64_t">:$k,
                        ArrayRefParameter<"int64_t">:$v);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    static AxesAttr getDefault(::mlir::MLIRContext *context);
    bool isDefault() const;
    // Each array maps a role (0 batch, 1 head, 2 sequence, 3 dim) to the
    // dimension that plays it. Example: q = [b, i, hq, d] is {0, 2, 1, 3}.
  }];
}

def Attn_ScheduleAttr : AttrDef<Attn_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "Tiles, splits and micro-kernel of one attention";
  let description = [{
    Written by `--attn-schedule`, read by the backends; may be written by hand
    to overrule the table. `isa` names the row of the table it came from.

    * `lanes`: vector length in elements of the score type;
    * `q_vectors`: vectors of queries in one strip (strip = lanes * q_vectors rows);
    * `strips`: strips in one block of queries (the parallel task);
    * `key_rows`: keys per micro-tile of Q K^T, and value columns per micro-tile
      of P V: key_rows * q_vectors accumulators;
    * `kv_tile`: keys staged at a time;
    * `few_rows`: up to this many queries, times the heads of a group, take the
      row kernel, which reads K and V in place (decode);
    * `split_keys`: the row kernel cuts the keys into parts of this many.

    On a GPU (`isa = "sm_80"` and so on) a strip is the 16 queries of one warp, and
    `strips` the warps of a block.
  }];
  let parameters = (ins StringRefParameter<"row of the schedule table">:$isa,
                        "int64_t":$lanes, "int64_t":$q_vectors, "int64_t":$strips,
                        "int64_t":$key_rows, "int64_t":$kv_tile,
                        "int64_t":$few_rows, "int64_t":$split_keys);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_GenAttr : AttrDef<Attn_Dialect, "Gen"> {
  let mnemonic = "gen";
  let summary = "How attn-run makes an input";
  let description = [{
    On a function argument as `attn.input`. Kinds and their numbers:
    `normal [std]`, `uniform [lo, hi]`, `constant [v]`, `zeros`,
    `lengths [lo, hi]`, `mask [density, dead_rows]`, `page_table [pages]`,
    `segments [count]`, `cu_seqlens`, `positions [lo, hi]`. The kind must be one
    of these and have its number of parameters (gen_c1).

    Example: `%len: tensor<?xi32> {attn.input = #attn.gen<"lengths", [1.0, 64.0]>}`.
  }];
  let parameters = (ins StringRefParameter<"kind">:$kind,
                        "::mlir::DenseF64ArrayAttr":$numbers);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // ATTN_ATTRS_TD
