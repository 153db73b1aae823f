// The properties are checked on random input. A failure prints its configuration; to replay it:
//   ./bazelw test //tests/crypto:base64url_test --test_env=RC_PARAMS="reproduce=<as printed>"

#include "batonstore/crypto/base64url.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace batonstore {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr absl::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode(const Bytes& bytes) {
  std::string text(Base64UrlLength(bytes.size()), '\0');
  Base64UrlEncode(bytes, absl::MakeSpan(text.data(), text.size()));
  return text;
}

std::optional<Bytes> Decode(absl::string_view text, size_t size) {
  Bytes bytes(size);
  if (!Base64UrlDecode(text, absl::MakeSpan(bytes))) return std::nullopt;
  return bytes;
}

Bytes BytesOf(absl::string_view text) { return Bytes(text.begin(), text.end()); }

TEST(Base64UrlTest, Rfc4648Vectors) {
  const struct {
    absl::string_view bytes, text;
  } kVectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
  };
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(Encode(BytesOf(bytes)), text);
    EXPECT_EQ(Decode(text, bytes.size()), BytesOf(bytes));
  }
}

RC_GTEST_PROP(Base64UrlTest, DecodingReversesEncoding, (const Bytes& bytes)) {
  RC_ASSERT(Decode(Encode(bytes), bytes.size()) == bytes);
}

RC_GTEST_PROP(Base64UrlTest, AgreesWithAnotherEncoder, (const std::string& bytes)) {
  std::string expected = absl::WebSafeBase64Escape(bytes);
  expected.resize(Base64UrlLength(bytes.size()));  // without the padding, if there is any
  RC_ASSERT(Encode(BytesOf(bytes)) == expected);
}

// Whatever is accepted is the one spelling of what comes out.
RC_GTEST_PROP(Base64UrlTest, WhatDecodesEncodesToTheSameText, (std::string text)) {
  for (char& character : text) {
    if (*rc::gen::inRange(0, 8) > 0) character = *rc::gen::elementOf(std::string(kAlphabet));
  }
  const size_t size = text.size() * 6 / 8;
  const std::optional<Bytes> bytes = Decode(text, size);
  if (bytes.has_value()) RC_ASSERT(Encode(*bytes) == text);
}

TEST(Base64UrlTest, EveryForeignByteIsRefusedAtEveryPlace) {
  for (const size_t size : {1, 2, 3, 4, 62}) {
    const std::string text = Encode(Bytes(size));
    for (size_t at = 0; at < text.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        const char character = static_cast<char>(byte);
        if (kAlphabet.find(character) != absl::string_view::npos) continue;
        std::string forged = text;
        forged[at] = character;
        ASSERT_EQ(Decode(forged, size), std::nullopt) << "byte " << byte << " at " << at;
      }
    }
  }
}

TEST(Base64UrlTest, OneSpellingAmongAllLastCharacters) {
  for (size_t size = 1; size <= 70; ++size) {
    const std::string stem = Encode(Bytes(size, 0xa5)).substr(0, Base64UrlLength(size) - 1);
    const size_t used_bits = size % 3 == 0 ? 6 : size % 3 == 1 ? 2 : 4;
    size_t accepted = 0;
    for (const char last : kAlphabet) {
      const std::string text = stem + last;
      const std::optional<Bytes> bytes = Decode(text, size);
      if (!bytes.has_value()) continue;
      ++accepted;
      ASSERT_EQ(Encode(*bytes), text);
    }
    EXPECT_EQ(accepted, size_t{1} << used_bits) << size << " bytes";
  }
}

TEST(Base64UrlTest, EveryWrongLengthIsRefused) {
  for (size_t size = 0; size <= 70; ++size) {
    for (size_t length = 0; length <= 100; ++length) {
      EXPECT_EQ(Decode(std::string(length, 'A'), size).has_value(), length == Base64UrlLength(size))
          << length << " characters for " << size << " bytes";
    }
  }
}

TEST(Base64UrlTest, ALengthThatNoBytesHaveIsRefusedForEverySize) {
  for (size_t size = 0; size <= 70; ++size) EXPECT_NE(Base64UrlLength(size) % 4, 1u);
}

TEST(Base64UrlTest, PaddingWhiteSpaceAndTheStandardAlphabetAreRefused) {
  for (const char* text : {"Zg==", "Zg=", "Zg ", " Zg", "Zg\n", "Z g", "\tZg", "+g", "/g", "Z="}) {
    EXPECT_EQ(Decode(text, 1), std::nullopt) << text;
  }
  EXPECT_EQ(Decode("Zm9=", 3), std::nullopt);
  EXPECT_EQ(Decode("Zm9vYg==", 4), std::nullopt);
}

TEST(Base64UrlTest, WritesNothingOutsideItsOutput) {
  for (size_t size = 0; size <= 70; ++size) {
    const Bytes bytes(size, 0xa5);
    std::string text(Base64UrlLength(size) + 1, '!');
    Base64UrlEncode(bytes, absl::MakeSpan(text.data(), text.size() - 1));
    EXPECT_EQ(text.back(), '!');
    text.pop_back();
    Bytes decoded(size + 1, 0x11);
    EXPECT_TRUE(Base64UrlDecode(text, absl::MakeSpan(decoded.data(), size)));
    EXPECT_EQ(decoded.back(), 0x11);
  }
}

}  // namespace
}  // namespace batonstore
