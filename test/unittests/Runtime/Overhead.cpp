//===- Overhead.cpp - What a call costs -----------------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints the time of an empty parallel loop, of a loop of short tasks beside
// the time of the tasks alone, and of a whole call. Minimum and median of many.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

using namespace attn::test;

/// Prints the minimum and the median of `fn()` in microseconds.
template <typename Function>
static void measure(const char *what, Function &fn, int rounds = 20000) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    auto start = std::chrono::steady_clock::now();
    fn();
    times.push_back(std::chrono::duration<double, std::micro>(
                        std::chrono::steady_clock::now() - start)
                        .count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%-52s %8.2f %8.2f %8.2f\n", what, times[0],
              times[times.size() / 2], times[times.size() * 99 / 100]);
}

int main() {
  std::printf("%-52s %8s %8s %8s  (us)\n", "", "min", "median", "p99");
  for (int n : {1, 2}) {
    auto options = threads(n);
    char title[100];
    auto empty = [](int64_t, void *) {};
    auto body = [](int64_t, void *) { spinFor(20); };
    auto loops = [&] {
      auto two = [&] { parallelFor(2, 4096, empty); };
      std::snprintf(title, sizeof(title), "2 empty tasks, %d threads", n);
      measure(title, two);
      auto work = [&] { parallelFor(8, 4096, body); };
      std::snprintf(title, sizeof(title),
                    "8 tasks of 20 us, %d threads (ideal %d us)", n, 160 / n);
      measure(title, work, 3000);
    };
    runInCall(loops, &options);
    // A pause lets the helper fall asleep; only the second part is the cost of
    // waking it.
    double pause = 0, total = 0;
    const int rounds = 500;
    auto sleepy = [&] {
      for (int i = 0; i < rounds; ++i) {
        auto start = std::chrono::steady_clock::now();
        spinFor(300);
        auto middle = std::chrono::steady_clock::now();
        parallelFor(8, 4096, body);
        auto end = std::chrono::steady_clock::now();
        pause +=
            std::chrono::duration<double, std::micro>(middle - start).count();
        total +=
            std::chrono::duration<double, std::micro>(end - middle).count();
      }
    };
    runInCall(sleepy, &options);
    std::printf(
        "8 tasks of 20 us after %3.0f us of rest, %d threads: mean %.2f\n",
        pause / rounds, n, total / rounds);
    Tensor<float> a({8, 4}), b({8, 4}), out({8, 4});
    const DLTensor *args[] = {&a.view, &b.view};
    DLTensor *results[] = {&out.view};
    AttnPackage *package = goodPackage();
    auto call = [&] {
      attnInvoke(package, 0, args, 2, results, 1, &options, nullptr);
    };
    std::snprintf(title, sizeof(title),
                  "attnInvoke of add on 8 rows, %d threads", n);
    measure(title, call);
  }
}
