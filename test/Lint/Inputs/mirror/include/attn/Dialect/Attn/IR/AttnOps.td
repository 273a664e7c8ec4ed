def Attn_FooOp : Attn_Op<"foo", [Pure]> {}
