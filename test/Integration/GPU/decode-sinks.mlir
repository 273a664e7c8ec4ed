// RUN-ON: emulated, cuda, cpu, oracle
// A sink enters once, not once per part.
func.func @main(%q: tensor<?x2x1x64xbf16> {attn.dims = ["B", "2", "1", "64"]},
                %k: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %v: tensor<?x2x?x64xbf16> {attn.dims = ["B", "2", "S", "64"]},
                %z: tensor<2xf32> {attn.dims = ["2"]})
    -> (tensor<?x2x1x64xbf16>, tensor<?x2x1xf32>)
    attributes {attn.sizes = [{B = 1, S = 1100}]} {
  %out, %lse = attn.attention %q, %k, %v
      sinks(%z : tensor<2xf32>)
      : tensor<?x2x1x64xbf16>, tensor<?x2x?x64xbf16>, tensor<?x2x?x64xbf16> -> tensor<?x2x1x64xbf16>, tensor<?x2x1xf32>
  return %out, %lse : tensor<?x2x1x64xbf16>, tensor<?x2x1xf32>
}
