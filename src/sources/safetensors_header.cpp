// SPDX-License-Identifier: Apache-2.0
#include "sources/safetensors_header.h"

#include "headrace/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace headrace::sources {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // The reference implementation's limit.

struct TypeName {
  std::string_view name;
  DataType dtype = DataType::uint8;
};

constexpr std::array<TypeName, 15> kTypeNames{{{"F64", DataType::float64},
                                               {"F32", DataType::float32},
                                               {"F16", DataType::float16},
                                               {"BF16", DataType::bfloat16},
                                               {"I64", DataType::int64},
                                               {"I32", DataType::int32},
                                               {"I16", DataType::int16},
                                               {"I8", DataType::int8},
                                               {"U8", DataType::uint8},
                                               {"U16", DataType::uint16},
                                               {"U32", DataType::uint32},
                                               {"U64", DataType::uint64},
                                               {"BOOL", DataType::boolean},
                                               {"F8_E4M3", DataType::float8_e4m3},
                                               {"F8_E5M2", DataType::float8_e5m2}}};

// The format has these too.
constexpr std::array<std::string_view, 5> kOtherTypeNames{
    "F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "C64"};

std::uint64_t header_bytes(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = kLengthBytes; at > 0; --at) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[at - 1]);
  }
  return value;
}

/// Characters for the JSON parser, which says through `at` how far it has read.
class Characters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Characters(const char* next, const char** at) : next_(next), at_(at) {}
  reference operator*() const { return *next_; }
  Characters& operator++() {
    *at_ = ++next_;
    return *this;
  }
  Characters operator++(int) {
    Characters before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Characters& a, const Characters& b) { return a.next_ == b.next_; }

 private:
  const char* next_;
  const char** at_;
};

/// Takes the header as the JSON parser meets it. Each value is checked where it stands, so no text
/// nests deeper than the format does and nothing is built but the entries.
class HeaderReader {
 public:
  HeaderReader(const MappedFile& file, std::string_view text) : file_(file), text_(text) {}

  std::vector<SafetensorsEntry> read() {
    // The parser would take a zero byte for the end of the text.
    if (const std::size_t zero = text_.find('\0'); zero != std::string_view::npos) {
      file_.refuse(ErrorCode::corrupt_data, kLengthBytes + zero, "the header has a zero byte");
    }
    const char* const begin = std::to_address(text_.begin());
    at_ = begin;
    nlohmann::json::sax_parse(
        Characters(begin, &at_), Characters(begin + text_.size(), &at_), this);
    return std::move(entries_);
  }

  // What the parser calls; nothing here returns false, since faults throw.

  bool null() { wrong("null"); }
  bool boolean(bool /*value*/) { wrong("true or false"); }
  bool number_integer(std::int64_t /*value*/) { wrong("a negative number"); }
  bool number_float(double /*value*/, const std::string& /*text*/) { wrong("a fraction"); }
  bool binary(nlohmann::json::binary_t& /*value*/) { wrong("binary data"); }

  bool number_unsigned(std::uint64_t value) {
    if (place_ != Place::shape && place_ != Place::offsets) {
      wrong("a number");
    }
    if (!std::in_range<std::int64_t>(value)) {
      fail(fmt::format("{} has {}, which does not fit in 63 bits", subject(), value));
    }
    std::vector<std::int64_t>& list = place_ == Place::shape ? entry().extents : offsets_;
    list.push_back(static_cast<std::int64_t>(value));
    if (place_ == Place::shape && list.size() > Shape::kMaxRank) {
      fail(fmt::format("{} has more than {} dimensions", subject(), Shape::kMaxRank),
           ErrorCode::unsupported);
    }
    if (place_ == Place::offsets && list.size() > 2) {
      fail(fmt::format("{} has more than two numbers", subject()));
    }
    return true;
  }

  bool string(const std::string& value) {
    if (place_ == Place::tensor && key_ == kType) {
      take_type(value);
    } else if (place_ != Place::metadata) {
      wrong("a string");
    }
    return true;
  }

  bool start_object(std::size_t /*count*/) {
    if (place_ == Place::outside) {
      place_ = Place::file;
    } else if (place_ == Place::file) {
      place_ = key_ == kMetadata ? Place::metadata : Place::tensor;
      keys_.clear();
      offsets_.clear();
    } else {
      wrong("an object");
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) {
      finish_tensor();
    }
    place_ = place_ == Place::file ? Place::outside : Place::file;
    return true;
  }

  bool start_array(std::size_t /*count*/) {
    if (place_ != Place::tensor || key_ == kType) {
      wrong("an array");
    }
    place_ = key_ == kShape ? Place::shape : Place::offsets;
    return true;
  }

  bool end_array() {
    place_ = Place::tensor;
    return true;
  }

  bool key(std::string& name) {
    const bool is_of_file = place_ == Place::file;
    if (!(is_of_file ? names_ : keys_).insert(name).second) {
      fail(fmt::format("the header has the key {} twice", printable(name)));
    }
    if (place_ == Place::tensor && name != kType && name != kShape && name != kOffsets) {
      fail(fmt::format("tensor {} has the key {}, which is none of the format's",
                       printable(entry().name),
                       printable(name)));
    }
    if (is_of_file && name != kMetadata) {
      entries_.emplace_back();
      entry().name = name;
      entry().name_offset = offset();
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position,
                   const std::string& token,
                   const nlohmann::json::exception& /*error*/) {
    file_.refuse(ErrorCode::corrupt_data,
                 kLengthBytes + std::min(position, text_.size()),
                 fmt::format("the header is no JSON behind {}", printable(token)));
  }

 private:
  enum class Place { outside, file, metadata, tensor, shape, offsets };

  static constexpr std::string_view kMetadata = "__metadata__";
  static constexpr std::string_view kType = "dtype";
  static constexpr std::string_view kShape = "shape";
  static constexpr std::string_view kOffsets = "data_offsets";

  SafetensorsEntry& entry() { return entries_.back(); }

  /// How far the parser has read, in the file.
  [[nodiscard]] std::size_t offset() const {
    return kLengthBytes + static_cast<std::size_t>(at_ - text_.data());
  }

  [[noreturn]] void fail(std::string_view reason, ErrorCode code = ErrorCode::corrupt_data) const {
    file_.refuse(code, offset(), reason);
  }

  /// What is being read, for errors.
  [[nodiscard]] std::string subject() const {
    if (place_ == Place::outside) {
      return "the header";
    }
    if (place_ == Place::file || place_ == Place::metadata) {
      return printable(key_);
    }
    return fmt::format("\"{}\" of tensor {}", key_, printable(entries_.back().name));
  }

  [[noreturn]] void wrong(std::string_view what) const {
    constexpr std::array<std::string_view, 6> kWanted{"an object",
                                                      "an object",
                                                      "a string",
                                                      "",  // as the key says
                                                      "a list of whole numbers from 0",
                                                      "a list of whole numbers from 0"};
    std::string_view wanted = kWanted.at(static_cast<std::size_t>(place_));
    if (place_ == Place::tensor) {
      wanted = key_ == kType ? "a string" : kWanted.back();
    }
    fail(fmt::format("{} must be {}, and has {}", subject(), wanted, what));
  }

  void take_type(const std::string& name) {
    const auto found = std::ranges::find(kTypeNames, name, &TypeName::name);
    if (found != kTypeNames.end()) {
      entry().dtype = found->dtype;
      return;
    }
    if (std::ranges::count(kOtherTypeNames, name) != 0) {
      fail(fmt::format("tensor {} has the element type {}, which cannot be served",
                       printable(entry().name),
                       name),
           ErrorCode::unsupported);
    }
    fail(fmt::format("tensor {} has the element type {}, which is none of the format's",
                     printable(entry().name),
                     printable(name)));
  }

  void finish_tensor() {
    for (const std::string_view key : {kType, kShape, kOffsets}) {
      if (!keys_.contains(std::string(key))) {
        fail(fmt::format("tensor {} lacks the key \"{}\"", printable(entry().name), key));
      }
    }
    if (offsets_.size() != 2) {
      fail(fmt::format("\"{}\" of tensor {} has {} numbers, and two are needed",
                       kOffsets,
                       printable(entry().name),
                       offsets_.size()));
    }
    // From the end of the header; both fit with its length in 64 bits.
    const std::size_t data = kLengthBytes + text_.size();
    entry().begin = data + static_cast<std::size_t>(offsets_[0]);
    entry().end = data + static_cast<std::size_t>(offsets_[1]);
  }

  const MappedFile& file_;
  std::string_view text_;
  const char* at_ = nullptr;
  Place place_ = Place::outside;
  std::string key_;
  std::unordered_set<std::string> names_;  ///< Keys of the file's object so far.
  std::unordered_set<std::string> keys_;   ///< Keys of the object within it so far.
  std::vector<std::int64_t> offsets_;
  std::vector<SafetensorsEntry> entries_;
};

std::optional<std::size_t> bytes_of(const SafetensorsEntry& entry) {
  std::size_t bytes = size_of(entry.dtype);
  for (const std::int64_t extent : entry.extents) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

/// Checks that `entry` begins at `data_end`, where the tensor before it ends, and that its shape
/// needs the bytes it has.
void check_entry(const MappedFile& file, const SafetensorsEntry& entry, std::size_t data_end) {
  const auto fail = [&](const std::string& reason) {
    file.refuse(ErrorCode::corrupt_data,
                entry.name_offset,
                fmt::format("tensor {} {}", printable(entry.name), reason));
  };
  if (entry.end < entry.begin) {
    fail(fmt::format("ends at offset {}, before it begins at {}", entry.end, entry.begin));
  }
  if (entry.end > file.bytes().size()) {
    fail(fmt::format(
        "ends at offset {}, and the file has {} bytes", entry.end, file.bytes().size()));
  }
  if (entry.begin != data_end) {
    fail(fmt::format("begins at offset {}, and the data before it ends at {}{}",
                     entry.begin,
                     data_end,
                     entry.begin < data_end ? ", so they overlap" : ", so there is a hole"));
  }
  const std::optional<std::size_t> bytes = bytes_of(entry);
  if (bytes != entry.end - entry.begin) {
    fail(fmt::format("has {} bytes, and shape [{}] of {} needs {}",
                     entry.end - entry.begin,
                     fmt::join(entry.extents, ", "),
                     to_string(entry.dtype),
                     bytes ? std::to_string(*bytes) : "more than any file can hold"));
  }
}

void check_layout(const MappedFile& file,
                  std::size_t data_begin,
                  std::vector<SafetensorsEntry>& entries) {
  std::ranges::sort(
      entries, {}, [](const SafetensorsEntry& entry) { return std::pair(entry.begin, entry.end); });
  std::size_t data_end = data_begin;
  for (const SafetensorsEntry& entry : entries) {
    check_entry(file, entry, data_end);
    data_end = entry.end;
  }
  if (data_end != file.bytes().size()) {
    file.refuse(ErrorCode::corrupt_data,
                data_end,
                fmt::format("the last tensor ends, and {} more bytes follow",
                            file.bytes().size() - data_end));
  }
}

}  // namespace

bool has_safetensors_signature(std::span<const std::byte> bytes) {
  return bytes.size() > kLengthBytes && bytes[kLengthBytes] == std::byte{'{'} &&
         header_bytes(bytes) <= kMaxHeaderBytes;
}

std::vector<SafetensorsEntry> read_safetensors_header(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() < kLengthBytes) {
    file.refuse(
        ErrorCode::corrupt_data, bytes.size(), "the file ends within the length of its header");
  }
  const std::uint64_t length = header_bytes(bytes);
  if (length > kMaxHeaderBytes) {
    file.refuse(ErrorCode::corrupt_data,
                0,
                fmt::format("the header is said to have {} bytes, and safetensors allows {}",
                            length,
                            kMaxHeaderBytes));
  }
  const std::size_t left = bytes.size() - kLengthBytes;
  if (length > left) {
    file.refuse(
        ErrorCode::corrupt_data,
        0,
        fmt::format(
            "the header is said to have {} bytes, and {} are left in the file", length, left));
  }
  const auto size = static_cast<std::size_t>(length);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, size);
  if (!text.starts_with('{')) {
    file.refuse(ErrorCode::corrupt_data, kLengthBytes, "the header does not begin with '{'");
  }
  std::vector<SafetensorsEntry> entries = HeaderReader(file, text).read();
  check_layout(file, kLengthBytes + size, entries);
  return entries;
}

}  // namespace headrace::sources
