// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
static PassPipelineRegistration<> lower(
    "attn-lower-to-nowhere", "Lowers to nowhere.", buildNowhere);
