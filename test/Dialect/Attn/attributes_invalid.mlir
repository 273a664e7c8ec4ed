// RUN: attn-opt %s --split-input-file --verify-diagnostics

// One entry per label of docs/Spec.md, named after it, and the errors of the parsers.

// expected-error@+1 {{expects the bounds of band to be non-negative or inf, but got -1}}
func.func private @mask_c1_negative_band() attributes {m = #attn.mask<band<-1, 0>>}

// -----

// expected-error@+1 {{expects the bound of prefix to be non-negative, but got -5}}
func.func private @mask_c2_negative_prefix() attributes {m = #attn.mask<prefix<-5>>}

// -----

// expected-error@+1 {{expects and to hold at least two masks, but got 1}}
func.func private @mask_c3_and_of_one() attributes {m = #attn.mask<and(causal)>}

// -----

// expected-error@+1 {{expects or to hold at least two masks, but got 0}}
func.func private @mask_c3_or_of_none() attributes {m = #attn.mask<or()>}

// -----

// expected-error@+1 {{expects a mask (full, causal, band<l, r>, prefix<p>, document, and(...), or(...)), but got 'diagonal'}}
func.func private @mask_unknown() attributes {m = #attn.mask<diagonal>}

// -----

// expected-error@+1 {{but got 'not'; the complement of a mask is not supported: write the pairs that are kept}}
func.func private @mask_not() attributes {m = #attn.mask<not(causal)>}

// -----

// expected-error@+1 {{expects a generator (normal, uniform, constant, zeros, lengths, mask, page_table, segments, cu_seqlens, positions), but got 'cauchy'}}
func.func private @gen_c1_unknown_kind(tensor<4xf32> {attn.input = #attn.gen<"cauchy", [1.0]>})

// -----

// expected-error@+1 {{expects 2 numbers for generator 'uniform', but got 1}}
func.func private @gen_c1_numbers(tensor<4xf32> {attn.input = #attn.gen<"uniform", [1.0]>})
