// RUN-ON: cpu, oracle
// Head dimensions from 1 to 256, even and odd, and values of another width than keys.

func.func @d1(%q: tensor<?x4x?x1xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "1"]},
              %k: tensor<?x2x?x1xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "1"]},
              %v: tensor<?x2x?x1xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "1"]})
    -> (tensor<?x4x?x1xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x1xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x1xf32> -> tensor<?x4x?x1xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x1xf32>, tensor<?x4x?xf32>
}

func.func @d2(%q: tensor<?x4x?x2xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "2"]},
              %k: tensor<?x2x?x2xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "2"]},
              %v: tensor<?x2x?x2xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "2"]})
    -> (tensor<?x4x?x2xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x2xf32>, tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x4x?x2xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x2xf32>, tensor<?x4x?xf32>
}

func.func @d3(%q: tensor<?x4x?x3xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "3"]},
              %k: tensor<?x2x?x3xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "3"]},
              %v: tensor<?x2x?x3xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "3"]})
    -> (tensor<?x4x?x3xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x3xf32>, tensor<?x2x?x3xf32>, tensor<?x2x?x3xf32> -> tensor<?x4x?x3xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x3xf32>, tensor<?x4x?xf32>
}

func.func @d8(%q: tensor<?x4x?x8xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "8"]},
              %k: tensor<?x2x?x8xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "8"]},
              %v: tensor<?x2x?x8xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "8"]})
    -> (tensor<?x4x?x8xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32> -> tensor<?x4x?x8xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x8xf32>, tensor<?x4x?xf32>
}

func.func @d15(%q: tensor<?x4x?x15xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "15"]},
               %k: tensor<?x2x?x15xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "15"]},
               %v: tensor<?x2x?x15xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "15"]})
    -> (tensor<?x4x?x15xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x15xf32>, tensor<?x2x?x15xf32>, tensor<?x2x?x15xf32> -> tensor<?x4x?x15xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x15xf32>, tensor<?x4x?xf32>
}

func.func @d16(%q: tensor<?x4x?x16xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "16"]},
               %k: tensor<?x2x?x16xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "16"]},
               %v: tensor<?x2x?x16xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "16"]})
    -> (tensor<?x4x?x16xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32> -> tensor<?x4x?x16xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x16xf32>, tensor<?x4x?xf32>
}

func.func @d33(%q: tensor<?x4x?x33xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "33"]},
               %k: tensor<?x2x?x33xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "33"]},
               %v: tensor<?x2x?x33xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "33"]})
    -> (tensor<?x4x?x33xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x33xf32>, tensor<?x2x?x33xf32>, tensor<?x2x?x33xf32> -> tensor<?x4x?x33xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x33xf32>, tensor<?x4x?xf32>
}

func.func @d40(%q: tensor<?x4x?x40xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "40"]},
               %k: tensor<?x2x?x40xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
               %v: tensor<?x2x?x40xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]})
    -> (tensor<?x4x?x40xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x40xf32>, tensor<?x2x?x40xf32>, tensor<?x2x?x40xf32> -> tensor<?x4x?x40xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x40xf32>, tensor<?x4x?xf32>
}

func.func @d64(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
               %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
               %v: tensor<?x2x?x64xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "64"]})
    -> (tensor<?x4x?x64xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x64xf32> -> tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x64xf32>, tensor<?x4x?xf32>
}

func.func @d80(%q: tensor<?x4x?x80xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "80"]},
               %k: tensor<?x2x?x80xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
               %v: tensor<?x2x?x80xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]})
    -> (tensor<?x4x?x80xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x80xf32>, tensor<?x2x?x80xf32>, tensor<?x2x?x80xf32> -> tensor<?x4x?x80xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x80xf32>, tensor<?x4x?xf32>
}

func.func @d96(%q: tensor<?x4x?x96xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "96"]},
               %k: tensor<?x2x?x96xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "96"]},
               %v: tensor<?x2x?x96xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "96"]})
    -> (tensor<?x4x?x96xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x96xf32>, tensor<?x2x?x96xf32>, tensor<?x2x?x96xf32> -> tensor<?x4x?x96xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x96xf32>, tensor<?x4x?xf32>
}

func.func @d128(%q: tensor<?x4x?x128xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "128"]},
                %k: tensor<?x2x?x128xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "128"]},
                %v: tensor<?x2x?x128xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x128xf32>, tensor<?x2x?x128xf32>, tensor<?x2x?x128xf32> -> tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
}

func.func @d192(%q: tensor<?x4x?x192xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "192"]},
                %k: tensor<?x2x?x192xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "192"]},
                %v: tensor<?x2x?x192xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "192"]})
    -> (tensor<?x4x?x192xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x192xf32>, tensor<?x2x?x192xf32>, tensor<?x2x?x192xf32> -> tensor<?x4x?x192xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x192xf32>, tensor<?x4x?xf32>
}

func.func @d256(%q: tensor<?x4x?x256xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "256"]},
                %k: tensor<?x2x?x256xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "256"]},
                %v: tensor<?x2x?x256xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x4x?x256xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = [{B = 1, S = 17}, {B = 1, S = 130}]} {
  %out, %lse = attn.attention %q, %k, %v
      mask <causal>
      : tensor<?x4x?x256xf32>, tensor<?x2x?x256xf32>, tensor<?x2x?x256xf32> -> tensor<?x4x?x256xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x256xf32>, tensor<?x4x?xf32>
}

func.func @d64_e128(%q: tensor<?x4x?x64xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "64"]},
                    %k: tensor<?x2x?x64xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "64"]},
                    %v: tensor<?x2x?x128xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x128xf32> -> tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
}

func.func @d192_e128(%q: tensor<?x4x?x192xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "192"]},
                     %k: tensor<?x2x?x192xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "192"]},
                     %v: tensor<?x2x?x128xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "128"]})
    -> (tensor<?x4x?x128xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x192xf32>, tensor<?x2x?x192xf32>, tensor<?x2x?x128xf32> -> tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x128xf32>, tensor<?x4x?xf32>
}

func.func @d7_e3(%q: tensor<?x4x?x7xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "7"]},
                 %k: tensor<?x2x?x7xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "7"]},
                 %v: tensor<?x2x?x3xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "3"]})
    -> (tensor<?x4x?x3xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x7xf32>, tensor<?x2x?x7xf32>, tensor<?x2x?x3xf32> -> tensor<?x4x?x3xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x3xf32>, tensor<?x4x?xf32>
}

func.func @d1_e256(%q: tensor<?x4x?x1xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "1"]},
                   %k: tensor<?x2x?x1xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "1"]},
                   %v: tensor<?x2x?x256xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x4x?x256xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x1xf32>, tensor<?x2x?x1xf32>, tensor<?x2x?x256xf32> -> tensor<?x4x?x256xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x256xf32>, tensor<?x4x?xf32>
}

func.func @d80_e40(%q: tensor<?x4x?x80xf32> {attn.name = "q", attn.dims = ["B", "4", "S", "80"]},
                   %k: tensor<?x2x?x80xf32> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
                   %v: tensor<?x2x?x40xf32> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]})
    -> (tensor<?x4x?x40xf32>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x80xf32>, tensor<?x2x?x80xf32>, tensor<?x2x?x40xf32> -> tensor<?x4x?x40xf32>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x40xf32>, tensor<?x4x?xf32>
}

func.func @bf16_d1(%q: tensor<?x4x?x1xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "1"]},
                   %k: tensor<?x2x?x1xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "1"]},
                   %v: tensor<?x2x?x1xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "1"]})
    -> (tensor<?x4x?x1xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x1xbf16>, tensor<?x2x?x1xbf16>, tensor<?x2x?x1xbf16> -> tensor<?x4x?x1xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x1xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_d7(%q: tensor<?x4x?x7xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "7"]},
                   %k: tensor<?x2x?x7xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "7"]},
                   %v: tensor<?x2x?x7xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "7"]})
    -> (tensor<?x4x?x7xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x7xbf16>, tensor<?x2x?x7xbf16>, tensor<?x2x?x7xbf16> -> tensor<?x4x?x7xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x7xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_d40(%q: tensor<?x4x?x40xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "40"]},
                    %k: tensor<?x2x?x40xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "40"]},
                    %v: tensor<?x2x?x40xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "40"]})
    -> (tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x40xbf16>, tensor<?x2x?x40xbf16>, tensor<?x2x?x40xbf16> -> tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x40xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_d80(%q: tensor<?x4x?x80xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "80"]},
                    %k: tensor<?x2x?x80xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "80"]},
                    %v: tensor<?x2x?x80xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "80"]})
    -> (tensor<?x4x?x80xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x80xbf16>, tensor<?x2x?x80xbf16>, tensor<?x2x?x80xbf16> -> tensor<?x4x?x80xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x80xbf16>, tensor<?x4x?xf32>
}

func.func @bf16_d256(%q: tensor<?x4x?x256xbf16> {attn.name = "q", attn.dims = ["B", "4", "S", "256"]},
                     %k: tensor<?x2x?x256xbf16> {attn.name = "k", attn.dims = ["B", "2", "S", "256"]},
                     %v: tensor<?x2x?x256xbf16> {attn.name = "v", attn.dims = ["B", "2", "S", "256"]})
    -> (tensor<?x4x?x256xbf16>, tensor<?x4x?xf32>)
    attributes {attn.sizes = {B = 1, S = 65}} {
  %out, %lse = attn.attention %q, %k, %v
      : tensor<?x4x?x256xbf16>, tensor<?x2x?x256xbf16>, tensor<?x2x?x256xbf16> -> tensor<?x4x?x256xbf16>, tensor<?x4x?xf32>
  return %out, %lse : tensor<?x4x?x256xbf16>, tensor<?x4x?xf32>
}
