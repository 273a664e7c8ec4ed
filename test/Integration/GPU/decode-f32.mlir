// RUN-ON: emulated, cuda, cpu, oracle
// One query over many keys, f32.
func.func @main(%q: tensor<?x2x1x64xf32> {attn.dims = ["B", "2", "1", "64"]},
                %k: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xf32> {attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x2x1x64xf32>, tensor<?x2x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1100}]} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x2x1x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x2x1x64xf32>, tensor<?x2x1xf32>
  return %out, %lse : tensor<?x2x1x64xf32>, tensor<?x2x1xf32>
}
