# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes random attention programs for `attn-run --suite`.

Each program is one .mlir file with several size sets (`attn.sizes`), so that one
compiled kernel serves several configurations. A program is a function of its
seed alone: `generate.py --program SEED` writes it again.

Example: generate.py --count 70 --sizes 8 --seed 0 --out DIR
         attn-run --suite DIR --backend=cpu
"""

from __future__ import annotations

import argparse
import pathlib
import random

DTYPES = ["f32", "f32", "f32", "bf16", "bf16", "f16", "f64"]
GPU_DTYPES = ["bf16", "bf16", "f16", "f32"]
DIMS = [1, 8, 16, 31, 40, 64, 64, 64, 80, 96, 128, 128, 256]
LENGTHS = [1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 48, 49, 64, 65, 97, 127, 130, 192, 193, 257, 300]
# What an emulator of PTX runs in a second, and more keys than one part of a decode has.
GPU_LENGTHS = [1, 3, 8, 16, 17, 33, 63, 64, 65, 97, 129, 130]
GPU_MANY_KEYS = [513, 700]


class Program:
    """Draws one program; `text(sizes)` is the file."""

    def __init__(self, seed: int, size_sets: int, gpu: bool = False, grad: bool = False):
        self.seed = seed
        self.gpu = gpu
        self.grad = grad
        self.r = random.Random(seed)
        self.args: list[tuple[str, str, list[str], str]] = []
        self.clauses: dict[str, str] = {}
        self.attrs: list[str] = []
        self.draw()
        self.sizes = [self.draw_sizes() for _ in range(size_sets)]

    def chance(self, share: float) -> bool:
        return self.r.random() < share

    # Operands ------------------------------------------------------------

    def arg(self, name: str, element: str, dims: list[str], gen: str) -> str:
        self.args.append((name, element, dims, gen))
        return f"%{name} : {self.type(dims, element)}"

    @staticmethod
    def type(dims: list[str], element: str) -> str:
        return "tensor<" + "x".join(d if d.isdigit() else "?" for d in dims) + f"x{element}>"

    def clause(self, name: str, element: str, dims: list[str], gen: str) -> None:
        self.clauses[name] = f"{name}({self.arg(name, element, dims, gen)})"

    # Drawing -------------------------------------------------------------

    def draw(self) -> None:
        r = self.r
        self.dtype = r.choice(GPU_DTYPES if self.gpu else DTYPES)
        self.state = "f64" if self.dtype == "f64" else "f32"
        self.d, self.dv = r.choice(DIMS), r.choice(DIMS)
        if self.chance(0.6):
            self.dv = self.d
        self.heads = (r.choice([1, 2, 3]), r.choice([1, 1, 2, 4]))
        self.paged = self.chance(0.15)
        self.page = r.choice([8, 16, 64])
        # Plain causal: one length for queries and keys.
        self.square = not self.paged and self.chance(0.2)
        self.pages_per_row = r.choice([1, 2, 5])
        hkv, group = self.heads
        self.hq = str(hkv * group)
        q_seq, k_seq = ("S", "S") if self.square else ("Sq", "Sk")
        scale_in = f"{r.choice([0.3, 1.0, 1.0, 4.0])}"
        normal = f'"normal", [{scale_in}]'
        axes = {"q": ["b", "hq", "i", "d"], "k": ["b", "hkv", "j", "d"], "v": ["b", "hkv", "j", "e"]}
        permuted = not self.paged and self.chance(0.15)
        sizes = {"b": "B", "hq": self.hq, "hkv": str(hkv), "i": q_seq, "j": k_seq,
                 "d": str(self.d), "e": str(self.dv)}
        if permuted:
            for operand in axes:
                lead = axes[operand][:3]
                r.shuffle(lead)
                axes[operand] = lead + axes[operand][3:]
            listed = ", ".join(f"{o} = [{', '.join(axes[o])}]" for o in axes)
            self.attrs.append(f"axes = #attn.axes<{listed}>")
        self.out_dims = [sizes[a] if a != "d" else str(self.dv) for a in axes["q"]]
        self.arg("q", self.dtype, [sizes[a] for a in axes["q"]], normal)
        if self.paged:
            self.arg("k", self.dtype, ["N", str(hkv), str(self.page), str(self.d)], normal)
            self.arg("v", self.dtype, ["N", str(hkv), str(self.page), str(self.dv)], normal)
            k_seq = str(self.pages_per_row * self.page)
        else:
            self.arg("k", self.dtype, [sizes[a] for a in axes["k"]], normal)
            self.arg("v", self.dtype, [sizes[a] for a in axes["v"]], normal)
        self.q_seq, self.k_seq = q_seq, k_seq
        self.lengths_limit = 0  # filled in by draw_sizes: shortest length drawn
        self.draw_masks()
        self.draw_score()
        if self.chance(0.3):
            self.attrs.append(f"scale = {r.choice([0.05, 0.125, 1.0])} : f64")
        self.lse = self.chance(0.7) or self.grad
        self.scores = ""
        self.prob_mod = ""
        if not self.gpu and not self.grad:
            self.draw_materialised()
            self.draw_invariant()
        if self.grad:
            self.arg("g", self.dtype, self.out_dims, '"normal", [1.0]')
            if self.chance(0.4):
                self.arg("gl", self.state, ["B", self.hq, q_seq], '"normal", [1.0]')

    def broadcast(self, dims: list[str], keep_last: bool = True) -> list[str]:
        """Some leading axes 1, some dropped from the left."""
        kept = [d if (keep_last and n + 1 == len(dims)) or self.chance(0.6) else "1"
                for n, d in enumerate(dims)]
        drop = self.r.choice([0, 0, 0, 1, 2])
        return kept[drop:]

    def draw_masks(self) -> None:
        r = self.r
        hkv = str(self.heads[0])
        documents = not self.paged and self.chance(0.2)
        positions = not documents and self.chance(0.12)
        prefix = self.chance(0.15)
        leaves: list[str] = []
        compares = self.chance(0.6)
        if compares:
            left = r.choice(["inf", "0", "5", "40"])
            leaves.append(r.choice(["causal", "causal", f"band<{left}, {r.choice(['inf', '0', '3', '70'])}>"]))
        if prefix:
            if self.chance(0.5):
                self.clause("prefix_lengths", "i32", ["B"], '"lengths", [0.0, 20.0]')
                leaf = "prefix"
            else:
                leaf = f"prefix<{r.choice([0, 3, 64])}>"
            leaves = [f"or({leaves[0]}, {leaf})"] if leaves and self.chance(0.7) else leaves + [leaf]
        if documents:
            leaves.append("document")
            if self.chance(0.5):
                self.documents = str(r.choice([1, 2, 5]))
                count = str(int(self.documents) + 1)
                self.clause("cu_q", "i32", [count], '"cu_seqlens"')
                self.clause("cu_kv", "i32", [count], '"cu_seqlens"')
            else:
                rows = r.choice(["1", "B"])
                self.clause("q_segments", "i32", [rows, self.q_seq], '"segments", [3.0]')
                self.clause("kv_segments", "i32", [r.choice(["1", "B"]), self.k_seq], '"segments", [3.0]')
        if leaves:
            mask = leaves[0] if len(leaves) == 1 else f"and({', '.join(leaves)})"
            self.clauses["mask"] = f"mask <{mask}>"
        if self.chance(0.25):
            self.clause("kv_lengths", "i32", ["B"], '"lengths", [0.0, LIMIT_K]')
        if self.chance(0.15):
            self.clause("q_lengths", "i32", ["B"], '"lengths", [0.0, LIMIT_Q]')
        if positions:
            self.clause("q_positions", "i32", [r.choice(["1", "B"]), self.q_seq], '"positions", [-50.0, 300.0]')
            self.clause("kv_positions", "i32", [r.choice(["1", "B"]), self.k_seq], '"positions", [-50.0, 300.0]')
        if self.chance(0.2):
            dims = self.broadcast(["B", self.hq, self.q_seq, self.k_seq])
            self.clause("mask_tensor", "i1", dims, f'"mask", [{r.choice([0.1, 0.5, 0.95])}, 1.0]')
        if self.paged:
            self.clause("page_table", "i32", ["B", r.choice(["1", hkv]), str(self.pages_per_row)],
                        f'"page_table", [{self.pages_per_row + 2}.0]')
            self.attrs.append(f"page_size = {self.page} : i64")
        self.mask_mod = ""
        if self.chance(0.15):
            self.mask_mod = self.region(
                "mask_mod", "",
                ["%sum = arith.addi %i, %j : i32", "%three = arith.constant 3 : i32",
                 "%rest = arith.remsi %sum, %three : i32", "%zero = arith.constant 0 : i32",
                 "%keep = arith.cmpi ne, %rest, %zero : i32", "attn.yield %keep : i1"])
        self.need_align = (compares or bool(self.mask_mod)) and not positions
        lengths = {"kv_lengths", "q_lengths"} & set(self.clauses)
        plain = self.square and not lengths and not documents
        if positions:
            return
        if self.need_align and not (plain and self.chance(0.7)) or self.chance(0.1):
            self.clauses["align"] = f"align {r.choice(['top_left', 'bottom_right'])}"

    def region(self, keyword: str, score: str, body: list[str]) -> str:
        captures = [f"%{name}_in: {self.type(dims, element)}"
                    for name, element, dims, _ in self.captures()]
        leading = ([f"%s: {self.state}"] if score else []) + [f"%{n}: i32" for n in "bhij"]
        lines = "\n        ".join(body)
        return (f"{keyword} {{\n      ^bb0({', '.join(leading + captures)}):\n"
                f"        {lines}\n      }}")

    def captures(self) -> list[tuple[str, str, list[str], str]]:
        return [a for a in self.args if a[0] == "slopes"]

    def draw_score(self) -> None:
        r, t = self.r, self.state
        if self.chance(0.15):
            self.attrs.append(f"softcap = {r.choice([2.0, 30.0])} : f64")
        if self.chance(0.2):
            element = r.choice(["f32", self.dtype])
            self.clause("bias", element, self.broadcast(["B", self.hq, self.q_seq, self.k_seq]),
                        '"normal", [1.0]')
        if self.chance(0.15):
            self.clause("log_weight", "f32", [r.choice(["1", "B"]), r.choice(["1", str(self.heads[0])]),
                                              self.k_seq], '"uniform", [-2.0, 2.0]')
        if self.chance(0.15):
            self.clause("sinks", "f32", [self.hq], '"normal", [1.0]')
        self.score_mod = ""
        if self.chance(0.2):
            # ALiBi with a captured slope per head.
            type_ = self.arg("slopes", t, [self.hq], '"uniform", [0.0, 0.5]')
            self.clauses["captures"] = f"captures({type_})"
            self.score_mod = self.region(
                "score_mod", "s", self.bent_score(t) if self.grad and self.chance(0.6) else
                ["%away = arith.subi %j, %i : i32", f"%far = arith.sitofp %away : i32 to {t}",
                 f"%slope = attn.load %slopes_in[%h] : {self.type([self.hq], t)}",
                 f"%bent = arith.mulf %far, %slope : {t}", f"%r = arith.addf %s, %bent : {t}",
                 f"attn.yield %r : {t}"])
            if self.mask_mod:  # captures are arguments of both regions
                self.mask_mod = self.mask_mod.replace(
                    "%j: i32)", f"%j: i32, %slopes_in: {self.type([self.hq], t)})")
            if "align" not in self.clauses and "q_positions" not in self.clauses:
                self.clauses["align"] = f"align {r.choice(['top_left', 'bottom_right'])}"

    def draw_materialised(self) -> None:
        """A number per pair as a result, and weights that are not those of the softmax."""
        if self.chance(0.15):
            self.scores = self.r.choice(["product", "softcapped", "score", "weight"])
        if self.chance(0.12):
            t = self.state
            line = self.r.choice(["arith.mulf %p, %p", "arith.addf %p, %some"])
            region = self.region("prob_mod", "s", [f"%some = arith.constant 0.125 : {t}", f"%r = {line} : {t}",
                                                   f"attn.yield %r : {t}"])
            self.prob_mod = region.replace("%s: ", "%p: ", 1)

    def draw_invariant(self) -> None:
        """A stream of its own: the programs of a seed stay what they are without it."""
        can = not (self.scores or self.prob_mod or "q_segments" in self.clauses)
        if can and random.Random(f"invariant {self.seed}").random() < 0.25:
            self.attrs.append("batch_invariant")

    def bent_score(self, t: str) -> list[str]:
        """A score_mod with slopes of many kinds."""
        lines = [f"%slope = attn.load %slopes_in[%h] : {self.type([self.hq], t)}",
                 f"%one = arith.constant 1.0 : {t}", f"%small = arith.constant 0.2 : {t}",
                 f"%a = math.tanh %s : {t}", f"%b1 = arith.mulf %a, %slope : {t}",
                 f"%c = arith.mulf %s, %small : {t}", f"%d = math.exp %b1 : {t}",
                 f"%e = arith.maximumf %s, %c : {t}", f"%f = math.absf %s : {t}",
                 f"%f1 = arith.addf %f, %one : {t}", f"%k0 = math.sqrt %f1 : {t}",
                 f"%l = arith.divf %e, %k0 : {t}", f"%m = arith.subf %l, %d : {t}",
                 "%near = arith.cmpi slt, %j, %i : i32", f"%n = math.sin %slope : {t}",
                 f"%o = arith.mulf %n, %s : {t}", f"%r = arith.select %near, %m, %o : {t}",
                 f"attn.yield %r : {t}"]
        return lines

    def draw_sizes(self) -> dict[str, int]:
        r = self.r
        lengths = GPU_LENGTHS if self.gpu else LENGTHS
        sizes = {"B": r.choice([1, 1, 2] if self.gpu else [1, 1, 2, 3])}
        if self.square:
            sizes["S"] = r.choice(lengths)
        else:
            sizes["Sq"] = r.choice(lengths)
            if not self.paged:
                few = self.gpu and sizes["Sq"] <= 16
                sizes["Sk"] = r.choice(GPU_MANY_KEYS if few and self.chance(0.5) else lengths)
        if self.paged:
            sizes["N"] = self.pages_per_row + 2
        return {k: v for k, v in sizes.items() if any(k in dims for _, _, dims, _ in self.args)}

    # Text ----------------------------------------------------------------

    ORDER = ["mask", "align", "bias", "mask_tensor", "q_lengths", "kv_lengths", "q_positions",
             "kv_positions", "q_segments", "kv_segments", "cu_q", "cu_kv", "prefix_lengths",
             "page_table", "log_weight", "sinks", "captures"]

    def text(self) -> str:
        def shortest(name: str) -> str:
            return f"{int(name) if name.isdigit() else min(s[name] for s in self.sizes)}.0"

        declared = []
        for name, element, dims, gen in self.args:
            gen = gen.replace("LIMIT_K", shortest(self.k_seq)).replace("LIMIT_Q", shortest(self.q_seq))
            names = ", ".join(f'"{d}"' for d in dims)
            declared.append(f"%{name}: {self.type(dims, element)} "
                            f"{{attn.dims = [{names}], attn.input = #attn.gen<{gen}>}}")
        sets = ", ".join("{" + ", ".join(f"{k} = {v} : i64" for k, v in s.items()) + "}" for s in self.sizes)
        out = self.type(self.out_dims, self.dtype)
        lse = self.type(["B", self.hq, self.q_seq], self.state)
        results, types = ("%out, %lse", f"{out}, {lse}") if self.lse else ("%out", out)
        told = ""
        if self.scores:
            scores = self.type(["B", self.hq, self.q_seq, self.k_seq], self.dtype)
            results, told, types = f"{results}, %scores", f" scores {self.scores} : {scores}", f"{types}, {scores}"
        op_types = types[: len(types) - len(scores) - 2] if self.scores else types
        types_in = ", ".join(self.type(dims, element) for _, element, dims, _ in self.args[:3])
        body = [self.clauses[c] for c in self.ORDER if c in self.clauses]
        body += [part for part in (self.score_mod, self.mask_mod, self.prob_mod) if part]
        attrs = " {" + ", ".join(self.attrs) + "}" if self.attrs else ""
        joined = "\n      ".join(body)
        backends, again = ("emulated, cuda, oracle", " --gpu") if self.gpu else ("cpu, oracle", "")
        if self.grad:
            return (f"// RUN-ON: cpu, oracle\n// generate.py --program {self.seed} --grad\n"
                    + self.grad_text(declared, sets, types, types_in, joined))
        return (f"// RUN-ON: {backends}\n// generate.py --program {self.seed}{again}\n"
                f"func.func @main({', '.join(declared)})\n    -> ({types}) attributes {{attn.sizes = [{sets}]}} {{\n"
                f"  {results} = attn.attention %q, %k, %v\n      {joined}{attrs}\n"
                f"      : {types_in} -> {op_types}{told}\n  return {results} : {types}\n}}\n")


    def grad_text(self, declared: list[str], sets: str, types: str, types_in: str, joined: str) -> str:
        """The function with attention and its gradients."""
        out, lse = types.split(", ")
        named = {name: self.type(dims, element) for name, element, dims, _ in self.args}
        more = [(name, named[name]) for name in ("bias", "log_weight", "sinks") if name in named]
        more += [("captures", named["slopes"])] if "slopes" in named else []
        more = [m for m in more if self.r.random() < 0.8]
        attrs = self.attrs + (["capture_grads = array<i64: 0>"] if ("captures" in dict(more)) else [])
        braces = lambda a: " {" + ", ".join(a) + "}" if a else ""  # noqa: E731
        names = ["%dq", "%dk", "%dv", *(f"%d{n}" for n, _ in more)]
        all_types = ", ".join([types_in, *(t for _, t in more)])
        dlse = f" dlse(%gl : {lse})" if "gl" in named else ""
        return (f"func.func @main({', '.join(declared)})\n    -> ({all_types}) attributes {{attn.sizes = [{sets}]}} {{\n"
                f"  %out, %lse = attn.attention %q, %k, %v\n      {joined}{braces(self.attrs)}\n"
                f"      : {types_in} -> {types}\n"
                f"  {', '.join(names)} = attn.attention_grad %q, %k, %v\n      {joined}\n"
                f"      out(%out : {out}) lse(%lse : {lse}) dout(%g : {out}){dlse}{braces(attrs)}\n"
                f"      : {types_in} -> {types_in}" + "".join(f" d{n}({t})" for n, t in more) + "\n"
                f"  return {', '.join(names)} : {all_types}\n}}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1, help="programs to write")
    parser.add_argument("--sizes", type=int, default=8, help="size sets per program")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first program")
    parser.add_argument("--program", type=int, help="write this one program")
    parser.add_argument("--gpu", action="store_true", help="programs and sizes for GPUs and their emulator")
    parser.add_argument("--grad", action="store_true", help="attention with its gradients")
    parser.add_argument("--out", type=pathlib.Path, help="folder; without it, to the terminal")
    options = parser.parse_args()
    first, count = (options.program, 1) if options.program is not None else (options.seed, options.count)
    for seed in range(first, first + count):
        text = Program(seed, options.sizes, options.gpu, options.grad).text()
        if options.out is None:
            print(text)
        else:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"program-{seed:06}.mlir").write_text(text)


if __name__ == "__main__":
    main()
