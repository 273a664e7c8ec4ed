// RUN-ON: emulated, cuda, cpu, oracle
// One query over many keys: parts of 512, merged.
func.func @main(%q: tensor<?x4x1x64xbf16> {attn.dims = ["B", "4", "1", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x1x64xbf16>, tensor<?x4x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1300}, {B = 2, S = 511}, {B = 1, S = 1}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x1x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x4x1x64xbf16>, tensor<?x4x1xf32>
  return %out, %lse : tensor<?x4x1x64xbf16>, tensor<?x4x1xf32>
}
