// SPDX-License-Identifier: Apache-2.0
#include "sources/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace headrace::sources {
namespace {

constexpr std::string_view kSignature = "\x93NUMPY";
constexpr std::size_t kVersionOffset = 6;
constexpr std::size_t kLengthOffset = 8;
constexpr std::size_t kMaxHeaderBytes = 65535;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads the little of Python's literals that a header may hold. It never looks behind the text
/// and reads each character once.
class HeaderParser {
 public:
  HeaderParser(const FilePart& file, std::size_t begin, std::size_t size)
      : file_(file), begin_(begin), text_(as_text(file.bytes().subspan(begin, size))) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      parse_entry();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) {
      fail("the header goes on behind its closing brace");
    }
    check_keys();
    header_.data_offset = begin_ + text_.size();
    return header_;
  }

 private:
  [[noreturn]] void fail(std::string_view reason, ErrorCode code = ErrorCode::corrupt_data) const {
    file_.refuse(code, begin_ + at_, reason);
  }

  void skip_space() {
    constexpr std::string_view kSpace = " \t\n\r\f";
    at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
  }

  [[nodiscard]] bool is_at(char character) const {
    return at_ < text_.size() && text_[at_] == character;
  }

  bool accept(char character) {
    skip_space();
    if (!is_at(character)) {
      return false;
    }
    ++at_;
    return true;
  }

  void expect(char character) {
    if (!accept(character)) {
      fail(fmt::format("the header needs '{}' here{}", character, found()));
    }
  }

  /// What stands at the current place, for errors.
  [[nodiscard]] std::string found() const {
    return at_ == text_.size() ? std::string(" and ends")
                               : fmt::format(" and has {}", printable(text_.substr(at_, 1)));
  }

  std::string_view parse_string() {
    skip_space();
    if (!is_at('\'') && !is_at('"')) {
      fail(fmt::format("the header needs a string here{}", found()));
    }
    const char quote = text_[at_++];
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' || text_[at_] == '\n') {
        fail("a string of the header has a backslash or a line end, which no valid one has");
      }
      ++at_;
    }
    if (at_ == text_.size()) {
      fail("a string of the header does not end");
    }
    return text_.substr(begin, at_++ - begin);
  }

  /// Where the header's value of `key` begins, 0 when it was not met; null for an unknown key.
  std::size_t* value_offset(std::string_view key) {
    if (key == "descr") {
      return &header_.descr_offset;
    }
    if (key == "fortran_order") {
      return &header_.fortran_order_offset;
    }
    return key == "shape" ? &header_.shape_offset : nullptr;
  }

  void parse_entry() {
    skip_space();
    const std::size_t key_begin = at_;
    const std::string_view key = parse_string();
    std::size_t* const offset = value_offset(key);
    if (offset == nullptr || *offset != 0) {
      at_ = key_begin;
      fail(fmt::format("the header has the key {}{}",
                       printable(key),
                       offset == nullptr ? ", which is none of the format's" : " twice"));
    }
    expect(':');
    skip_space();
    *offset = begin_ + at_;
    if (key == "descr") {
      parse_descr();
    } else if (key == "fortran_order") {
      header_.is_fortran_order = parse_boolean();
    } else {
      parse_shape();
    }
  }

  void parse_descr() {
    if (is_at('[') || is_at('(')) {
      fail("the elements are records of several fields, which cannot be served",
           ErrorCode::unsupported);
    }
    header_.descr = parse_string();
  }

  bool parse_boolean() {
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail(fmt::format("the header needs True or False here{}", found()));
  }

  void parse_shape() {
    expect('(');
    while (!accept(')')) {
      header_.extents.push_back(parse_extent());
      if (accept(',')) {
        continue;
      }
      if (header_.extents.size() == 1) {
        expect(',');  // Python reads "(5)" as a number.
      }
      expect(')');
      break;
    }
  }

  std::int64_t parse_extent() {
    skip_space();
    const std::size_t begin = at_;
    std::int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[at_] - '0', &value)) {
        at_ = begin;
        fail("an extent of the shape does not fit in 63 bits");
      }
      ++at_;
    }
    if (at_ == begin) {
      fail(fmt::format("the shape needs a number from 0 here{}", found()));
    }
    if (is_at('L')) {  // Written by Python 2.
      ++at_;
    }
    return value;
  }

  void check_keys() {
    for (const std::string_view key : {"descr", "fortran_order", "shape"}) {
      if (*value_offset(key) == 0) {
        file_.refuse(
            ErrorCode::corrupt_data, begin_, fmt::format("the header lacks the key '{}'", key));
      }
    }
  }

  const FilePart& file_;
  std::size_t begin_ = 0;
  std::string_view text_;
  std::size_t at_ = 0;
  NpyHeader header_;
};

/// Width of the length field, which depends on the version.
std::size_t length_field_bytes(const FilePart& file) {
  const auto major = std::to_integer<unsigned>(file.bytes()[kVersionOffset]);
  const auto minor = std::to_integer<unsigned>(file.bytes()[kVersionOffset + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    file.refuse(
        ErrorCode::unsupported,
        kVersionOffset,
        fmt::format("the .npy version is {}.{}, and 1.0, 2.0 and 3.0 can be read", major, minor));
  }
  return major == 1 ? 2 : 4;
}

}  // namespace

bool has_npy_signature(std::span<const std::byte> bytes) {
  return as_text(bytes).starts_with(kSignature);
}

NpyHeader read_npy_header(const FilePart& file) {
  const std::span<const std::byte> bytes = file.bytes();
  if (!has_npy_signature(bytes)) {
    file.refuse(ErrorCode::corrupt_data,
                0,
                fmt::format("a .npy file begins with {}, and this one with {}",
                            printable(kSignature),
                            printable(as_text(bytes).substr(0, kSignature.size()))));
  }
  const auto check_reaches = [&](std::size_t need, std::string_view what) {
    if (bytes.size() < need) {
      file.refuse(
          ErrorCode::corrupt_data, bytes.size(), fmt::format("the file ends within {}", what));
    }
  };
  check_reaches(kLengthOffset, "its version");
  const std::size_t header_begin = kLengthOffset + length_field_bytes(file);
  check_reaches(header_begin, "the length of its header");
  std::size_t header_bytes = 0;
  for (std::size_t at = header_begin; at > kLengthOffset; --at) {
    header_bytes = header_bytes * 256 + std::to_integer<std::size_t>(bytes[at - 1]);
  }
  if (header_bytes > bytes.size() - header_begin) {
    file.refuse(ErrorCode::corrupt_data,
                kLengthOffset,
                fmt::format("the header is said to have {} bytes, and {} are left in the file",
                            header_bytes,
                            bytes.size() - header_begin));
  }
  if (header_bytes > kMaxHeaderBytes) {
    file.refuse(
        ErrorCode::unsupported,
        kLengthOffset,
        fmt::format(
            "the header has {} bytes, and at most {} can be read", header_bytes, kMaxHeaderBytes));
  }
  return HeaderParser(file, header_begin, header_bytes).parse();
}

}  // namespace headrace::sources
