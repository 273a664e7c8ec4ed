//===- AttnOps.td - Ops of the attn dialect -----------------*- tablegen -*-===//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attention means (attention, attention_grad, merge_states, load, yield) and
// how it is computed, target-neutrally (documents, block_table, key_loop,
// key_loop_grad).
//===----------------------------------------------------------------------===//

#ifndef ATTN_OPS_TD
#define ATTN_OPS_TD

include "attn/Dialect/Attn/IR/AttnAttrs.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Attn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, mnemonic, traits>;

def Attn_Float : AnyTypeOf<[F32, F64, F16, BF16], "f32, f64, f16 or bf16">;
def Attn_FloatTensor : TensorOf<[F32, F64, F16, BF16]>;
def Attn_I32Tensor : RankedTensorOf<[I32]>;
def Attn_Buffer : AnyTypeOf<[AnyRankedTensor, AnyMemRef], "ranked tensor or memref">;

//===----------------------------------------------------------------------===//
// What attention and attention_grad share
//===----------------------------------------------------------------------===//

defvar attentionOperands = (ins
    AnyRankedTensor:$q, AnyRankedTensor:$k, AnyRankedTensor:$v,
    Optional<AnyRankedTensor>:$bias,
    Optional<AnyRankedTensor>:$mask_tensor,
    Optional<AnyRankedTensor>:$q_lengths,
    Optional<AnyRankedTensor>:$kv_lengths,
    Optional<AnyRankedTensor>:$q_positions,
    Optional<AnyRankedTensor>:$kv_positions,
    Optional<AnyRankedTensor>:$q_segments,
    Optional<AnyRankedTensor>:$kv_segments,
    Optional<AnyRankedTensor>:$cu_q,
    Optional<AnyRankedTensor>:$cu_kv,
    Optional<AnyRankedTensor>:$prefix_lengths,
    Optional<AnyRankedTensor>:$page_table,
    Optional<AnyRankedTensor>:$log_weight,
    Optional<AnyRankedTensor>:$sinks,
    Variadic<AnyRankedTensor>:$captures);
defvar attentionAttributes = (ins
    OptionalAttr<Attn_MaskAttr>:$mask,
    OptionalAttr<Attn_AlignmentAttr>:$align,
    OptionalAttr<F64Attr>:$scale,
    OptionalAttr<F64Attr>:$softcap,
    OptionalAttr<I64Attr>:$page_size,
    OptionalAttr<Attn_AxesAttr>:$axes);
defvar scheduleAttribute = (ins OptionalAttr<Attn_ScheduleAttr>:$schedule);
defvar attentionClauses = [{
    $q `,` $k `,` $v
    (`mask` $mask^)?
    (`align` $align^)?
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`mask_tensor` `(` $mask_tensor^ `:` type($mask_tensor) `)`)?
    (`q_lengths` `(` $q_lengths^ `:` type($q_lengths) `)`)?
    (`kv_lengths` `(` $kv_lengths^ `:` type($kv_lengths) `)`)?
    (`q_positions` `(` $q_positions^ `:` type($q_positions) `)`)?
    (`kv_positions` `(` $kv_positions^ `:` type($kv_positions) `)`)?
    (`q_segments` `(` $q_segments^ `:` type($q_segments) `)`)?
    (`kv_segments` `(` $kv_segments^ `:` type($kv_segments) `)`)?
    (`cu_q` `(` $cu_q^ `:` type($cu_q) `)`)?
    (`cu_kv` `(` $cu_kv^ `:` type($cu_kv) `)`)?
    (`prefix_lengths` `(` $prefix_lengths^ `:` type($prefix_lengths) `)`)?
    (`page_table` `(` $page_table^ `:` type($page_table) `)`)?
    (`log_weight` `(` $log_weight^ `:` type($log_weight) `)`)?
    (`sinks` `(` $sinks^ `:` type($sinks) `)`)?
    (`captures` `(` $captures^ `:` type($captures) `)`)?
    (`score_mod` $score_mod^)?
    (`mask_mod` $mask_mod^)?
  }];
defvar attentionAccessors = [{
    /// The axis order, default when the attribute is absent.
    AxesAttr getAxesOrDefault();
    /// Size of the axis with this role (0 batch, 1 head, 2 sequence, 3 dim),
    /// kDynamic when not static. For paged k and v, role 0 is the page number
    /// and role 2 the offset in the page.
    int64_t getQDim(int64_t role);
    int64_t getKDim(int64_t role);
    int64_t getVDim(int64_t role);
    /// scale, or 1/sqrt(D).
    double getScaleValue();
    bool isPaged() { return static_cast<bool>(getPageTable()); }
    bool hasDocuments() { return getQSegments() || getCuQ(); }
    /// True if the mask or a region reads logical positions of queries.
    bool readsPositions();
    /// f64 for f64 inputs, else f32.
    FloatType getStateType();
  }];

//===----------------------------------------------------------------------===//
// attention
//===----------------------------------------------------------------------===//

def Attn_AttentionOp : Attn_Op<"attention", [
    AttrSizedOperandSegments, AttrSizedResultSegments, IsolatedFromAbove, Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "Attention of queries over keys and values";
  let description = [{
    For batch b, query head h (key/value head h / G, G = Hq / Hkv), query row i
    and key j:

    ```
    s(i,j) = score_mod(softcap(scale * q_i . k_j), b, h, pos_i, pos_j) + bias(i,j) + log_weight_j
    lse_i  = ln(sum over visible j of exp(s(i,j)) + exp(sink_h))
    out_i  = sum over visible j of exp(s(i,j) - lse_i) * v_j
    ```

    With `prob_mod` the weight exp(s(i,j) - lse_i) becomes
    prob_mod(exp(s(i,j) - lse_i), b, h, pos_i, pos_j). On request `scores` holds one
    number per pair, of every query and key slot, hidden or not: the `product` scale *
    q_i . k_j, the `softcapped` product, the `score` s(i,j) (-inf where hidden), or the
    `weight` before prob_mod (0 where hidden). Both materialise what attention
    otherwise never forms, and cost memory or time to match.

    A pair is visible when every mask given lets it through: the structured
    `mask`, `mask_tensor`, `mask_mod`, the lengths, the page table.

    Shapes: q [B, Hq, Sq, D], k [B, Hkv, Sk, D], v [B, Hkv, Sk, Dv] (or in the
    order `axes` gives), out [B, Hq, Sq, Dv] of q's type, lse [B, Hq, Sq] of f32
    (f64 for f64). Batch, head and sequence sizes may be dynamic; D and Dv are
    static, 1 to 256.

    **Preconditions**, in short (docs/Spec.md has them in full):
    * q, k, v: rank 4 (attention_c1), one float type (attention_c2), one D
      (attention_c3), D and Dv static, 1 to 256 (attention_c4), one batch size
      (attention_c5), k and v alike (attention_c6), Hq a multiple of Hkv
      (attention_c7); out and lse follow (attention_c8, attention_c9); `axes`
      names each axis once (attention_c10)
    * scale is finite (attention_c11), softcap finite and above 0 (attention_c12)
    * bias (attention_c13) and mask_tensor (attention_c14) broadcast from the
      right; lengths are i32[B] (attention_c15)
    * positions come together (attention_c16) and without `align`
      (attention_c17); comparing positions of unequal lengths needs one of the
      two (attention_c18)
    * `document` needs segments or cumulative lengths (attention_c19) and they
      need it (attention_c20); their shapes (attention_c21, attention_c22);
      prefix_lengths goes with a `prefix` without a constant (attention_c23)
    * page_table and page_size come together (attention_c24), 8 to 256 and a
      power of two (attention_c25), i32[B, Hkv|1, pages] (attention_c26)
    * log_weight is f32[B|1, Hkv|1, Sk] (attention_c27), sinks f32[Hq]
      (attention_c28)
    * the regions' arguments and results (attention_c29, attention_c30), their
      ops (attention_c31), their captures (attention_c32)
    * sizes in bytes fit 64 bits (attention_c33), positions 32 (attention_c34);
      the schedule's numbers are positive (attention_c35)
    * scores come with their kind (attention_c36) and are [B, Hq, Sq, Sk] of q's
      element type (attention_c37); prob_mod's arguments and result (attention_c38)
    * batch_invariant goes with no segments, with `document` at the top of the
      mask only, and with neither scores nor prob_mod (attention_c39)

    **Postconditions**: a row that sees no key has out = 0 and lse = sink_h, or
    -inf without sinks. A masked pair contributes nothing, whatever k and v hold.

    With `batch_invariant` the bits of a row depend on its own query, keys and
    masks alone: not on the batch size, the number of heads or queries, the other
    rows, or the documents packed beside its own.

    **Example**: two queries, three keys with scores 0, 0 and ln 2, values 1, 1
    and 4: weights 1/4, 1/4, 1/2, so out = 2.5 and lse = ln 4.

    ```mlir
    %out, %lse = attn.attention %q, %k, %v
        mask <causal> align bottom_right
        kv_lengths(%n : tensor<?xi32>)
        score_mod {
        ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
          %d = arith.subi %j, %i : i32
          %f = arith.sitofp %d : i32 to f32
          %r = arith.addf %s, %f : f32
          attn.yield %r : f32
        } {softcap = 30.0 : f64}
        : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32>
        -> tensor<?x8x?x64xf32>, tensor<?x8x?xf32>
    ```
  }];
  let arguments = !con(attentionOperands, attentionAttributes,
                       (ins OptionalAttr<Attn_ScoresKindAttr>:$scores_kind), scheduleAttribute,
                       (ins UnitAttr:$batch_invariant));
  let results = (outs AnyRankedTensor:$out, Optional<AnyRankedTensor>:$lse,
                      Optional<AnyRankedTensor>:$scores);
  let regions = (region MaxSizedRegion<1>:$score_mod, MaxSizedRegion<1>:$mask_mod,
                        MaxSizedRegion<1>:$prob_mod);
  let assemblyFormat = attentionClauses # [{
    (`prob_mod` $prob_mod^)?
    attr-dict `:` type($q) `,` type($k) `,` type($v) `->` type($out) (`,` type($lse)^)?
    (`scores` $scores_kind^)? (`:` type($scores)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = attentionAccessors # [{
    /// True if something reads weights or scores of single pairs, after their sum
    /// is known.
    bool materialises() { return getScores() || !getProbMod().empty(); }
  }];
}

//===----------------------------------------------------------------------===//
// attention_grad
//===----------------------------------------------------------------------===//

def Attn_AttentionGradOp : Attn_Op<"attention_grad", [
    AttrSizedOperandSegments, AttrSizedResultSegments, IsolatedFromAbove, Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "Gradients of attention by its operands";
  let description = [{
    Given an `attn.attention` (the same operands, attributes and regions), its
    results out and lse, and the gradients dout and dlse of a number by them,
    gives the gradients of that number by q, k and v; on request also by bias,
    log_weight, sinks and captured tensors:

    ```
    p(i,j)  = exp(s(i,j) - lse_i) where j is visible to i, else 0
    delta_i = out_i . dout_i - dlse_i
    ds(i,j) = p(i,j) * (dout_i . v_j - delta_i)
    dv_j    = sum over i of p(i,j) * dout_i
    dq_i    = scale * sum over j of dr(i,j) * k_j
    dk_j    = scale * sum over i of dr(i,j) * q_i
    ```

    s is the score of `attn.attention`, and dr is ds times the derivative of s by
    the scaled product (of softcap and score_mod). dbias sums ds over the axes
    that broadcast, dlog_weight and dcaptures likewise over all pairs that read an
    element; dsinks_h sums -exp(sink_h - lse_i) * delta_i. out and lse are taken
    as given: nothing is computed twice, and no score matrix exists.

    `capture_grads` lists which captured tensors dcaptures belong to.

    **Preconditions**: those of `attn.attention` on what the ops share (attention_c1
    to attention_c35), and
    * out and dout are as attention's out (attention_grad_c1), lse and dlse as its
      lse (attention_grad_c2)
    * dq, dk and dv are of the types of q, k and v (attention_grad_c3)
    * there is no batch_invariant: dk and dv are sums over rows (attention_grad_c4)
    * dbias, dlog_weight and dsinks come with the operand that they belong to and
      have its type (attention_grad_c5)
    * capture_grads lists captured tensors of floats that score_mod takes, in
      rising order, and dcaptures have their types (attention_grad_c6)
    * on the way from the score, or such a captured tensor, to the result of
      score_mod are only differentiable ops (attention_grad_c7)

    **Postconditions**: a row that sees no key adds nothing to any gradient but
    dsinks. A hidden pair adds nothing, whatever q, k, v and dout hold. With a
    page table dk and dv are those of the pools: a page that several sequences
    share has the sum of what each gives it, a slot that nobody sees 0.

    **Example**: one query, two keys with scores 0 and 0, values 1 and 3 (out = 2,
    lse = ln 2) and dout = 1: p = 1/2 each, delta = 2, ds = -1/2 and 1/2, so that dv = 1/2
    and 1/2.

    ```mlir
    %dq, %dk, %dv, %dbias = attn.attention_grad %q, %k, %v
        mask <causal> bias(%bias : tensor<64x64xf32>)
        out(%out : tensor<1x8x64x32xf32>) lse(%lse : tensor<1x8x64xf32>)
        dout(%dout : tensor<1x8x64x32xf32>)
        : tensor<1x8x64x32xf32>, tensor<1x2x64x32xf32>, tensor<1x2x64x32xf32>
        -> tensor<1x8x64x32xf32>, tensor<1x2x64x32xf32>, tensor<1x2x64x32xf32>
        dbias(tensor<64x64xf32>)
    ```
  }];
  let arguments = !con(attentionOperands, (ins
    AnyRankedTensor:$out, AnyRankedTensor:$lse, AnyRankedTensor:$dout,
    Optional<AnyRankedTensor>:$dlse), attentionAttributes, scheduleAttribute, (ins
    OptionalAttr<DenseI64ArrayAttr>:$capture_grads));
  let results = (outs
    AnyRankedTensor:$dq, AnyRankedTensor:$dk, AnyRankedTensor:$dv,
    Optional<AnyRankedTensor>:$dbias, Optional<AnyRankedTensor>:$dlog_weight,
    Optional<AnyRankedTensor>:$dsinks, Variadic<AnyRankedTensor>:$dcaptures);
  let regions = (region MaxSizedRegion<1>:$score_mod, MaxSizedRegion<1>:$mask_mod);
  let assemblyFormat = attentionClauses # [{
    `out` `(` $out `:` type($out) `)` `lse` `(` $lse `:` type($lse) `)`
    `dout` `(` $dout `:` type($dout) `)`
    (`dlse` `(` $dlse^ `:` type($dlse) `)`)?
    attr-dict `:` type($q) `,` type($k) `,` type($v)
    `->` type($dq) `,` type($dk) `,` type($dv)
    (`dbias` `(` type($dbias)^ `)`)?
    (`dlog_weight` `(` type($dlog_weight)^ `)`)?
    (`dsinks` `(` type($dsinks)^ `)`)?
    (`dcaptures` `(` type($dcaptures)^ `)`)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = attentionAccessors # [{
    /// The attention whose gradients these are, with results like `out` and
    /// `lse`; the builder inserts it or leaves it detached.
    AttentionOp makeForward(::mlir::OpBuilder &builder);
    /// The captured tensors that have a gradient, by number.
    ::llvm::ArrayRef<int64_t> getGradCaptures();
  }];
}

//===----------------------------------------------------------------------===//
// merge_states
//===----------------------------------------------------------------------===//

def Attn_MergeStatesOp : Attn_Op<"merge_states", [
    AttrSizedOperandSegments, Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "Merges attention states over disjoint key sets";
  let description = [{
    Given (out_k, lse_k) over disjoint sets of keys, gives the state over their
    union: lse = ln(sum_k exp(lse_k)), out = sum_k exp(lse_k - lse) * out_k. A
    state with lse = -inf contributes nothing, whatever its out holds. Merging
    one state is that state. Order changes rounding only.

    **Preconditions**: one state or more, as many lses (merge_states_c1); outs of
    one float type and shape (merge_states_c2); lses of that shape without the
    last axis (merge_states_c3), f32 or for f64 outs f64 (merge_states_c4);
    results of the operands' types (merge_states_c5).

    **Postconditions**: where every lse is -inf, out = 0 and lse = -inf.

    **Example**: two states with lse ln 2 and ln 2 and outs 1 and 3 merge to
    out = 2 and lse = ln 4.

    ```mlir
    %o, %l = attn.merge_states outs(%o0, %o1 : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>)
        lses(%l0, %l1 : tensor<1x2x4xf32>, tensor<1x2x4xf32>)
        -> tensor<1x2x4x8xf32>, tensor<1x2x4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$outs, Variadic<AnyRankedTensor>:$lses);
  let results = (outs AnyRankedTensor:$out, AnyRankedTensor:$lse);
  let assemblyFormat = [{
    `outs` `(` $outs `:` type($outs) `)` `lses` `(` $lses `:` type($lses) `)`
    attr-dict `->` type($out) `,` type($lse)
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// load and yield
//===----------------------------------------------------------------------===//

def Attn_LoadOp : Attn_Op<"load", [
    TypesMatchWith<"result is the tensor's element type", "tensor", "result",
                   "::llvm::cast<::mlir::ShapedType>($_self).getElementType()">]> {
  let summary = "Reads one element of a captured tensor";
  let description = [{
    Inside score_mod and mask_mod (and the regions of key_loop) only. Indices are
    i32, one per dimension. An index out of range is an error where it can be
    seen before the kernel runs; it is never clamped.

    **Preconditions**: stands in such a region (load_c1), one index per axis
    (load_c2), each an i32 (load_c3), the result is of the tensor's element type
    (load_c4), the tensor is an argument of the region (load_c5).

    **Postconditions**: none but the value; it has no side effect.

    **Example**: `%x = attn.load %slopes[%h] : tensor<8xf32>` reads slopes[h].
  }];
  let arguments = (ins Attn_Buffer:$tensor, Variadic<I32>:$indices);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$tensor `[` $indices `]` attr-dict `:` type($tensor)";
  let hasVerifier = 1;
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "Ends a region of an attn op";
  let description = [{
    **Preconditions**: the values are of the types that the region returns
    (yield_c1).

    **Example**: `attn.yield %p : i1` ends a mask_mod region.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

//===----------------------------------------------------------------------===//
// documents
//===----------------------------------------------------------------------===//

def Attn_DocumentsOp : Attn_Op<"documents", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Per-slot document index and position of packed sequences";
  let description = [{
    Fills, for each storage slot of q and k, the document it belongs to and its
    logical position there: from cumulative lengths (`cu_q`, `cu_kv`: document n
    is slots cu[n] to cu[n+1]-1), or from given segment ids (`q_segments`,
    `kv_segments`), whose positions count earlier slots with the same id.

    `outs` are q_position, kv_position and, from cumulative lengths, q_segment
    and kv_segment: [B|1, Sq] and [B|1, Sk] of i32. A slot in no document has
    segment -2 (query) or -1 (key), so that it matches nothing.

    **Preconditions**: cumulative lengths or segments (documents_c1), and the outs
    that go with them (documents_c2).

    **Example**: cu_q = [0, 2, 5] gives segments 0 0 1 1 1 and positions 0 1 0 1 2.
  }];
  let arguments = (ins
    Optional<Attn_Buffer>:$cu_q, Optional<Attn_Buffer>:$cu_kv,
    Optional<Attn_Buffer>:$q_segments, Optional<Attn_Buffer>:$kv_segments,
    Optional<Attn_Buffer>:$q_lengths, Optional<Attn_Buffer>:$kv_lengths,
    Variadic<Attn_Buffer>:$outs, UnitAttr:$bottom_right);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    (`cu` `(` $cu_q^ `,` $cu_kv `:` type($cu_q) `,` type($cu_kv) `)`)?
    (`segments` `(` $q_segments^ `,` $kv_segments `:` type($q_segments) `,` type($kv_segments) `)`)?
    (`q_lengths` `(` $q_lengths^ `:` type($q_lengths) `)`)?
    (`kv_lengths` `(` $kv_lengths^ `:` type($kv_lengths) `)`)?
    `outs` `(` $outs `:` type($outs) `)` attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// block_table
//===----------------------------------------------------------------------===//

def Attn_BlockTableOp : Attn_Op<"block_table", [
    IsolatedFromAbove,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Which blocks of a mask hold no, some, or only visible pairs";
  let description = [{
    Looks at every pair of query slot and key slot once, and says of each block
    of `query_block` queries and `key_block` keys whether a key loop may skip it
    (0: no pair is visible), has to mask it (1: some are) or need not (2: all
    are). It serves the masks that no interval describes: a mask tensor, a
    mask_mod, pages, given positions, segment ids.

    `sizes` are B, Hq, Hkv, Sq and Sk. `range` and `visible` are those of the
    `attn.key_loop` that reads the table, over the `aux` operands that they need;
    blocks outside [begin, end) are 0 and are not looked at. The last block of an
    axis holds the slots that are left.

    `out` is [B|1, Hq|1, query blocks, key blocks] of i8. Its first axes are 1
    where the regions tell no batch entries or heads apart, so that a mask shared
    by 8 heads is looked at once. How many query blocks there are is up to `out`: a
    table without any says nothing and costs nothing, which is how the plan
    spares decode steps the work.

    Without buffers the op is pure: two key loops with the same mask share one table
    once `--cse` has run. Nothing is kept between calls, since a mask tensor or
    a captured tensor may have changed.

    **Preconditions**: a role per aux operand (block_table_c1), an out of rank 4
    and of i8 (block_table_c2), block sizes of at least 1 (block_table_c3), regions
    of the types above (block_table_c4).

    **Postconditions**: the table is exact: 0 and 2 are said of every block of
    which they hold.

    **Example** (`(i - j) % 4 == 0`, 4 queries, 8 keys, blocks of 2 x 2): the rows
    are 1 0 1 0 and 0 1 0 1. With blocks of 1 x 1 they hold 2 where these hold 1,
    and no 1.
  }];
  let arguments = (ins
    Index:$batch, Index:$heads, Index:$kv_heads, Index:$queries, Index:$keys,
    Variadic<Attn_Buffer>:$aux, Attn_Buffer:$out,
    StrArrayAttr:$aux_roles, I64Attr:$query_block, I64Attr:$key_block);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let regions = (region SizedRegion<1>:$range, SizedRegion<1>:$visible);
  let assemblyFormat = [{
    `sizes` `(` $batch `,` $heads `,` $kv_heads `,` $queries `,` $keys `)`
    `aux` $aux_roles (`(` $aux^ `:` type($aux) `)`)?
    `outs` `(` $out `:` type($out) `)`
    `range` $range `visible` $visible
    attr-dict (`->` type($result)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// key_loop
//===----------------------------------------------------------------------===//

def Attn_KeyLoopOp : Attn_Op<"key_loop", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "The key plan: everything a backend's key loop must know";
  let description = [{
    Target-neutral form of one attention, made by `--attn-plan-keys` and read by
    every backend. What is decided here is decided once:

    * `range`: for a block of query slots [i0, i1) of batch b and query head h:
      the key slots [begin, end) outside which no pair is visible, and [full_begin,
      full_end) within which every pair is. Keys outside the first are never
      read; keys inside the second need no mask. Arguments: b, h, g, i0, i1, Sq,
      Sk (index; g is the key/value head of h), then `aux`. Yields begin,
      full_begin, full_end, end.
    * `visible`: whether query slot i sees key slot j. Arguments: b, h, g, i, j,
      Sq, Sk (i32), then `aux`. Yields i1. Empty when `range` says it all.
    * `score`: the score after scaling, with all that is added to it. Arguments:
      s, b, h, g, i, j, Sq, Sk, then `aux`. Empty when nothing is added.
    * `prob`: the weight with which a value counts, of its softmax weight. Arguments:
      those of `score`. Empty when they are the same.

    With `prob` or a third out, `scores` of the kind `scores_kind` (a product is
    softcapped with `softcap`), a backend computes a row's scores as a whole, and
    `range` tells where pairs may be visible rather than what is read.

    Where a key lives: slot j of batch b is row j of k[b], or with `page_table`,
    row j % page_size of page table[b, group, j / page_size].

    Axes of size 1 of an aux operand broadcast: an index along them means 0.
    `aux_roles` names the purpose of each aux operand, for checks before the
    loop runs and for `explain`. `equal_lengths` asks for Sq == Sk. With
    `batch_invariant` the order of a row's sums follows from its own keys alone.

    `block_table` (see `attn.block_table`) says of each block inside the range,
    in blocks of lanes * q_vectors queries and kv_tile keys of the schedule, that
    it holds nothing visible (0: it is skipped, its keys are not read), some (1),
    or only visible pairs (2: no mask is needed). It may be left out, and a loop
    over `few_rows` queries or fewer does not read it.

    **Preconditions**: a role per aux operand (key_loop_c1), out, out and lse, or
    out, lse and scores with their kind (key_loop_c2), regions of the types above
    (key_loop_c3), a block table of rank 4 and of i8 (key_loop_c4).

    **Example** (causal, 4 queries and 4 keys, block [2, 4)): begin = 0,
    full_begin = 0, full_end = 3, end = 4: key 3 alone needs the mask.
  }];
  let arguments = (ins
    Attn_Buffer:$q, Attn_Buffer:$k, Attn_Buffer:$v,
    Optional<Attn_Buffer>:$page_table, Optional<Attn_Buffer>:$sinks,
    Optional<Attn_Buffer>:$block_table,
    Variadic<Attn_Buffer>:$aux,
    Variadic<Attn_Buffer>:$outs,
    F64Attr:$scale, StrArrayAttr:$aux_roles,
    OptionalAttr<I64Attr>:$page_size,
    OptionalAttr<Attn_AxesAttr>:$axes,
    OptionalAttr<Attn_ScheduleAttr>:$schedule,
    OptionalAttr<Attn_ScoresKindAttr>:$scores_kind,
    OptionalAttr<F64Attr>:$softcap,
    UnitAttr:$equal_lengths,
    UnitAttr:$batch_invariant);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$range, MaxSizedRegion<1>:$visible,
                        MaxSizedRegion<1>:$score, MaxSizedRegion<1>:$prob);
  let assemblyFormat = [{
    `ins` `(` $q `,` $k `,` $v `:` type($q) `,` type($k) `,` type($v) `)`
    (`page_table` `(` $page_table^ `:` type($page_table) `)`)?
    (`sinks` `(` $sinks^ `:` type($sinks) `)`)?
    (`block_table` `(` $block_table^ `:` type($block_table) `)`)?
    `aux` $aux_roles (`(` $aux^ `:` type($aux) `)`)?
    `outs` `(` $outs `:` type($outs) `)`
    `range` $range
    (`visible` $visible^)?
    (`score` $score^)?
    (`prob` $prob^)?
    (`scores` $scores_kind^)?
    attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    AxesAttr getAxesOrDefault();
    /// True if a row's scores have to be there as a whole.
    bool materialises() { return getScoresKind() || !getProb().empty(); }
    /// The aux operand with this role, or null.
    ::mlir::Value getAux(::llvm::StringRef role);
    ::mlir::FloatType getStateType();
  }];
}

//===----------------------------------------------------------------------===//
// key_loop_grad
//===----------------------------------------------------------------------===//

def Attn_KeyLoopGradOp : Attn_Op<"key_loop_grad", [
    AttrSizedOperandSegments, IsolatedFromAbove,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "The key plan of a gradient";
  let description = [{
    Target-neutral form of one `attn.attention_grad`: the key plan of its
    attention (`range`, `visible`, `score`, aux operands and their roles, as in
    `attn.key_loop`), the results of that attention and their gradients, and

    * `score_grad`: what a pair's score passes on. Arguments: s (the scaled
      product), ds (the gradient by the score), b, h, g, i, j, Sq, Sk, then
      `aux`. Yields the gradient by s, then for each entry of `scatters` a
      gradient and the indices of the element of that aux operand that it is
      added to. Empty when nothing is added to a score.

    `outs` are dq, dk, dv, then dsinks if `sinks` is given, then one per entry of
    `aux_grads`, which lists aux operands by number, in rising order. Elements of
    an aux operand that broadcasts are summed: an index along an axis of size 1
    means 0. With `page_table` (see `attn.key_loop`) k, v, dk and dv are pools,
    and a page's gradient is the sum over the batch entries that list it, in
    order.

    **Preconditions**: a role per aux operand (key_loop_grad_c1), outs as said
    (key_loop_grad_c2), regions of the types above (key_loop_grad_c3), page_table
    and page_size together (key_loop_grad_c4).

    **Example**: for a bias the region reads `%bias[%b, %h, %i, %j]` in `score`,
    and `score_grad` yields `%ds, %ds, %b, %h, %i, %j`.
  }];
  let arguments = (ins
    Attn_Buffer:$q, Attn_Buffer:$k, Attn_Buffer:$v,
    Attn_Buffer:$out, Attn_Buffer:$lse, Attn_Buffer:$dout,
    Optional<Attn_Buffer>:$dlse, Optional<Attn_Buffer>:$page_table,
    Optional<Attn_Buffer>:$sinks, Optional<Attn_Buffer>:$block_table,
    Variadic<Attn_Buffer>:$aux,
    Variadic<Attn_Buffer>:$outs,
    F64Attr:$scale, StrArrayAttr:$aux_roles,
    DenseI64ArrayAttr:$aux_grads, DenseI64ArrayAttr:$scatters,
    OptionalAttr<I64Attr>:$page_size,
    OptionalAttr<Attn_AxesAttr>:$axes,
    OptionalAttr<Attn_ScheduleAttr>:$schedule,
    UnitAttr:$equal_lengths);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$range, MaxSizedRegion<1>:$visible,
                        MaxSizedRegion<1>:$score, MaxSizedRegion<1>:$score_grad);
  let assemblyFormat = [{
    `ins` `(` $q `,` $k `,` $v `:` type($q) `,` type($k) `,` type($v) `)`
    `state` `(` $out `,` $lse `,` $dout `:` type($out) `,` type($lse) `,` type($dout) `)`
    (`dlse` `(` $dlse^ `:` type($dlse) `)`)?
    (`page_table` `(` $page_table^ `:` type($page_table) `)`)?
    (`sinks` `(` $sinks^ `:` type($sinks) `)`)?
    (`block_table` `(` $block_table^ `:` type($block_table) `)`)?
    `aux` $aux_roles (`(` $aux^ `:` type($aux) `)`)?
    `outs` `(` $outs `:` type($outs) `)`
    `range` $range
    (`visible` $visible^)?
    (`score` $score^)?
    (`score_grad` $score_grad^)?
    attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::FloatType getStateType();
  }];
}

#endif // ATTN_OPS_TD
