//===- JsonTest.cpp - Tests of the JSON reader ----------------------------===//
//
// Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the reader accepts, what it refuses, and that any bytes are survived.
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/Json.h"

#include <gtest/gtest.h>

using namespace attn::rt::json;

/// The error of parsing `text`, or "".
static std::string errorOf(std::string_view text) {
  Value value;
  std::string error;
  return parse(text, value, error) ? "" : error;
}

TEST(Json, Values) {
  Value v;
  std::string error;
  ASSERT_TRUE(parse(" { \"a\" : [1, -20, 0, 1.5, 2e3, true, false, null],"
                    "\"b\":{\"c\":\"x\\n\\u0041\\u00e9\\ud83d\\ude00\\\\\"} } ",
                    v, error))
      << error;
  ASSERT_EQ(v.kind, Value::Object);
  const Value *a = v.find("a");
  ASSERT_TRUE(a);
  ASSERT_EQ(a->array.size(), 8u);
  EXPECT_EQ(a->array[0].integer, 1);
  EXPECT_EQ(a->array[1].integer, -20);
  EXPECT_EQ(a->array[2].kind, Value::Integer);
  EXPECT_EQ(a->array[3].real, 1.5);
  EXPECT_EQ(a->array[4].kind, Value::Real);
  EXPECT_EQ(a->array[4].real, 2000);
  EXPECT_TRUE(a->array[5].boolean);
  EXPECT_FALSE(a->array[6].boolean);
  EXPECT_EQ(a->array[7].kind, Value::Null);
  EXPECT_EQ(v.find("b")->find("c")->string, "x\nA\xc3\xa9\xf0\x9f\x98\x80\\");
  EXPECT_EQ(v.find("d"), nullptr);
  EXPECT_EQ(a->find("x"), nullptr);
}

TEST(Json, Integers) {
  Value v;
  std::string error;
  ASSERT_TRUE(parse("[9223372036854775807,-9223372036854775808]", v, error));
  EXPECT_EQ(v.array[0].integer, INT64_MAX);
  EXPECT_EQ(v.array[1].integer, INT64_MIN);
  EXPECT_NE(errorOf("9223372036854775808").find("64 bits"), std::string::npos);
}

TEST(Json, Refuses) {
  for (const char *text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{'a':1}",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1e",
                           "1e+",
                           "nul",
                           "truefalse",
                           "\"",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\t\"",
                           "1 2",
                           "[1] x",
                           "NaN",
                           "Infinity",
                           "/**/1",
                           "0x10",
                           "{\"a\":1,\"a\":2}"})
    EXPECT_NE(errorOf(text), "") << text;
  EXPECT_EQ(errorOf("[1,]"), "JSON expects a value at byte 3, but got ']'");
  EXPECT_EQ(errorOf("[1"), "JSON expects ',' or ']' at byte 2, but the text "
                           "ends");
}

TEST(Json, NestingIsLimited) {
  std::string fine = std::string(60, '[') + std::string(60, ']');
  EXPECT_EQ(errorOf(fine), "");
  std::string deep(1000000, '[');
  EXPECT_NE(errorOf(deep).find("nesting"), std::string::npos);
}

TEST(Json, EveryPrefixIsRefused) {
  std::string text = "{\"format\":1,\"entries\":[{\"name\":\"a\\u0041\","
                     "\"shape\":[-1,2.5e3,true]}]}";
  ASSERT_EQ(errorOf(text), "");
  for (size_t n = 0; n < text.size(); ++n)
    EXPECT_NE(errorOf(text.substr(0, n)), "") << n;
}

TEST(Json, AnyBytesAreSurvived) {
  unsigned seed = 3;
  auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
  const char alphabet[] = "{}[]\",:\\u0d8e1-+.tfn \x01\xff";
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (unsigned n = next() % 12; n > 0; --n)
      text += alphabet[next() % (sizeof(alphabet) - 1)];
    accepted += errorOf(text).empty();
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 20000);
}
