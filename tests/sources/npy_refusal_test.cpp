// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sample_reading.h"

namespace headrace::test {
namespace {

constexpr auto kCorrupt = ErrorCode::corrupt_data;
constexpr auto kUnsupported = ErrorCode::unsupported;

/// Offset of the dictionary in a file of version 1.
constexpr std::size_t kBegin = 10;

class NpyRefusal : public testing::Test {
 protected:
  void expect_file(const std::string& content,
                   ErrorCode code,
                   std::size_t offset,
                   const std::string& part) {
    write_file(path_, content);
    expect_refused(path_, code, offset, part);
  }

  /// Expects that a file with `dictionary` is refused at its character `at`.
  void expect_dictionary(const std::string& dictionary,
                         ErrorCode code,
                         std::size_t at,
                         const std::string& part) {
    SCOPED_TRACE(dictionary);
    expect_file(npy_file(dictionary, "abcdef"), code, kBegin + at, part);
  }

  void expect_descr(const std::string& descr, const std::string& part) {
    SCOPED_TRACE(descr);
    expect_file(npy_file("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (1,), }", ""),
                kUnsupported,
                kBegin + 10,
                part);
  }

  void expect_shape(const std::string& shape,
                    ErrorCode code,
                    std::size_t at,
                    const std::string& part) {
    const std::string before = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
    expect_dictionary(before + shape + ", }", code, before.size() + at, part);
  }

 private:
  TempDir dir_;
  std::filesystem::path path_ = dir_ / "x.npy";
};

TEST_F(NpyRefusal, ElementTypes) {
  expect_descr("|f4", "the order of its bytes (\"<f4\" or \">f4\")");
  expect_descr("=f4", "none of boolean");
  expect_descr("f8", "the order of its bytes");
  expect_descr(">c8", "complex");
  expect_descr("|O", "pickled Python objects");
  expect_descr("<c8", "complex");
  expect_descr("<c16", "complex");
  expect_descr("<f16", "floating point of 2 to 8 bytes");
  expect_descr("<V2", "bfloat16");              // ml_dtypes.bfloat16
  expect_descr("<V1", "8-bit floating point");  // ml_dtypes.float8_e4m3fn
  expect_descr("|V1", "view(numpy.uint8)");
  expect_descr("<f1", "8-bit floating point");  // ml_dtypes.float8_e5m2
  expect_descr("|S2", "strings");
  expect_descr("<U2", "strings");
  expect_descr("<M8[s]", "dates");
  expect_descr("<m8[s]", "durations");
  expect_descr("", "\"\"");
  expect_descr("<", "\"<\"");
  expect_descr("<u3", "none of boolean");
  expect_descr("\x1b[31m", "\"\\x1b[31m\"");  // No escape sequence reaches the terminal.
  expect_descr(std::string(300, 'q'), "\"" + std::string(40, 'q') + "...\"");
}

TEST_F(NpyRefusal, Records) {
  expect_dictionary(
      "{'descr': [('a', '<f4'), ('b', '|u1')], 'fortran_order': False, 'shape': (2,)}",
      kUnsupported,
      10,
      "records");
  expect_dictionary("{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,)}",
                    kUnsupported,
                    10,
                    "records");
}

TEST_F(NpyRefusal, FortranOrder) {
  expect_dictionary("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}",
                    kUnsupported,
                    34,
                    "Fortran order");
}

TEST_F(NpyRefusal, Shapes) {
  expect_shape("()", kUnsupported, 0, "no dimensions");
  expect_shape("(1, 1, 1, 1, 1, 1, 1, 1, 1)", kUnsupported, 0, "9 dimensions");
  expect_shape("(3, 0)", kUnsupported, 0, "without elements");
  expect_shape("(0, 0)", kUnsupported, 0, "without elements");
  expect_shape("(5)", kCorrupt, 2, "','");
  expect_shape("(-1,)", kCorrupt, 1, "a number from 0");
  expect_shape("(1.5,)", kCorrupt, 2, "','");
  expect_shape("(1, 2", kCorrupt, 7, "a number from 0");
  expect_shape("(,)", kCorrupt, 1, "a number from 0");
  expect_shape("(1,,2)", kCorrupt, 3, "a number from 0");
  expect_shape("[1, 2]", kCorrupt, 0, "'('");
  expect_shape("5", kCorrupt, 0, "'('");
  expect_shape("(9223372036854775808,)", kCorrupt, 1, "63 bits");
  expect_shape("(99999999999999999999999999999999,)", kCorrupt, 1, "63 bits");
}

TEST_F(NpyRefusal, ShapesWhoseBytesOverflow) {
  constexpr auto kText = "more than any file can hold";
  expect_shape("(9223372036854775807,)", kCorrupt, 0, kText);
  expect_shape("(2305843009213693952,)", kCorrupt, 0, kText);  // 2^61 of 4 bytes
  expect_shape("(1, 4294967296, 4294967296)", kCorrupt, 0, kText);
  expect_shape("(4294967296, 4294967296)", kCorrupt, 0, kText);
  expect_shape("(0, 4294967296, 4294967296)", kCorrupt, 0, kText);
  // Products that come out small when they wrap around: 2^32 * 2^32 * 4 = 2^66 = 0 mod 2^64.
  expect_shape("(4294967296, 4294967296, 1)", kCorrupt, 0, kText);
}

TEST_F(NpyRefusal, BrokenDictionaries) {
  expect_dictionary("", kCorrupt, 54, "'{'");  // The padding of an empty dictionary.
  expect_dictionary("nonsense", kCorrupt, 0, "'{'");
  expect_dictionary(
      "{'descr': '|u1', 'fortran_order': False}", kCorrupt, 0, "lacks the key 'shape'");
  expect_dictionary(
      "{'descr': '|u1', 'shape': (6,)}", kCorrupt, 0, "lacks the key 'fortran_order'");
  expect_dictionary(
      "{'fortran_order': False, 'shape': (6,)}", kCorrupt, 0, "lacks the key 'descr'");
  expect_dictionary("{}", kCorrupt, 0, "lacks the key");
  expect_dictionary("{'descr': '|u1', 'descr': '|u1'}", kCorrupt, 17, "\"descr\" twice");
  expect_dictionary("{'descr': '|u1', 'colour': 3}", kCorrupt, 17, "\"colour\"");
  expect_dictionary("{'descr' '|u1'}", kCorrupt, 9, "':'");
  expect_dictionary("{descr: '|u1'}", kCorrupt, 1, "a string");
  expect_dictionary("{'descr': 3}", kCorrupt, 10, "a string");
  expect_dictionary("{'descr': '|u1}", kCorrupt, 53, "line end");  // The padding's.
  expect_dictionary("{'descr': '|u\\x31'}", kCorrupt, 13, "backslash");
  expect_dictionary("{'fortran_order': 0}", kCorrupt, 18, "True or False");
  expect_dictionary("{'fortran_order': Falsehood}", kCorrupt, 23, "'}'");
  expect_dictionary("{'fortran_order': False 'shape': (6,)}", kCorrupt, 24, "'}'");
  expect_dictionary("{'fortran_order': False,, 'shape': (6,)}", kCorrupt, 24, "a string");
  expect_dictionary(
      "{'descr': '|u1', 'fortran_order': False, 'shape': (6,)} x", kCorrupt, 56, "goes on");
  expect_dictionary(
      "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), ", kCorrupt, 118, "and ends");
}

TEST_F(NpyRefusal, Versions) {
  const std::string dictionary = npy_dictionary("|u1", {2});
  for (const int version : {0, 4, 255}) {
    std::string file = npy_file(dictionary, "ab");
    file[6] = static_cast<char>(version);
    expect_file(file, kUnsupported, 6, "version is " + std::to_string(version) + ".0");
  }
  std::string file = npy_file(dictionary, "ab");
  file[7] = '\1';
  expect_file(file, kUnsupported, 6, "version is 1.1");
}

TEST_F(NpyRefusal, FilesCutAnywhere) {
  const std::string whole = npy_file(npy_dictionary("<i4", {3}), std::string(12, 'x'), 2);
  for (std::size_t size = 0; size < 6; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, 0, size == 0 ? "is empty" : "begins with");
  }
  for (std::size_t size = 6; size < 8; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "within its version");
  }
  for (std::size_t size = 8; size < 12; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "within the length");
  }
  const std::size_t data = whole.size() - 12;
  for (std::size_t size = 12; size < data; ++size) {
    expect_file(whole.substr(0, size), kCorrupt, 8, "header is said to have");
  }
  for (std::size_t size = data; size < whole.size(); ++size) {
    expect_file(whole.substr(0, size), kCorrupt, size, "the file ends");
  }
  expect_file(whole + "y", kCorrupt, whole.size(), "1 more bytes follow");
}

TEST_F(NpyRefusal, HeadersOfTooGreatLength) {
  std::string file = npy_file(npy_dictionary("|u1", {2}), "ab", 2);
  file[11] = '\x7f';
  expect_file(file, kCorrupt, 8, "header is said to have");
  const std::string padded = npy_dictionary("|u1", {2}) + std::string(70000, ' ');
  expect_file(npy_file(padded, "ab", 2), kUnsupported, 8, "at most 65535");
}

TEST_F(NpyRefusal, OtherContentUnderTheName) {
  expect_file("just some text, nothing else\n", kCorrupt, 0, "begins with \"\\x93NUMPY\"");
  expect_file("PK\x03\x04 as a zip archive", kCorrupt, 0, "\"PK\\x03\\x04 a\"");
}

}  // namespace
}  // namespace headrace::test
