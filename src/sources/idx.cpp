// SPDX-License-Identifier: Apache-2.0
#include "sources/idx.h"

#include "sources/array_file.h"
#include "sources/compressed.h"
#include "sources/idx_folder.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

constexpr std::size_t kSignatureBytes = 4;
constexpr std::size_t kTypeOffset = 2;
constexpr std::size_t kRankOffset = 3;
constexpr std::size_t kExtentBytes = 4;

std::optional<DataType> data_type(std::byte code) {
  switch (std::to_integer<int>(code)) {
    case 0x08:
      return DataType::uint8;
    case 0x09:
      return DataType::int8;
    case 0x0B:
      return DataType::int16;
    case 0x0C:
      return DataType::int32;
    case 0x0D:
      return DataType::float32;
    case 0x0E:
      return DataType::float64;
    default:
      return std::nullopt;
  }
}

bool has_signature(std::span<const std::byte> bytes) {
  return bytes.size() >= kSignatureBytes && bytes[0] == std::byte{0} && bytes[1] == std::byte{0} &&
         data_type(bytes[kTypeOffset]).has_value() && bytes[kRankOffset] != std::byte{0};
}

/// The element type, once the first bytes are found to be those of IDX.
DataType check_signature(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() < kSignatureBytes) {
    file.refuse(ErrorCode::corrupt_data, bytes.size(), "the file ends within the mark of IDX");
  }
  if (bytes[0] != std::byte{0} || bytes[1] != std::byte{0}) {
    file.refuse(ErrorCode::corrupt_data,
                0,
                fmt::format("an IDX file begins with 00 00, and this one with {:02x} {:02x}",
                            std::to_integer<unsigned>(bytes[0]),
                            std::to_integer<unsigned>(bytes[1])));
  }
  const std::optional<DataType> dtype = data_type(bytes[kTypeOffset]);
  if (!dtype) {
    file.refuse(ErrorCode::corrupt_data,
                kTypeOffset,
                fmt::format("the element type is 0x{:02x}, which is none of IDX's (0x08, 0x09, "
                            "0x0b, 0x0c, 0x0d, 0x0e)",
                            std::to_integer<unsigned>(bytes[kTypeOffset])));
  }
  return *dtype;
}

bool claims_name(std::string_view file_name) {
  for (std::size_t at = file_name.find("idx"); at != std::string_view::npos;
       at = file_name.find("idx", at + 1)) {
    const std::string_view rest = file_name.substr(at + 3);
    const bool starts_word = at > 0 && (file_name[at - 1] == '-' || file_name[at - 1] == '.');
    if (starts_word && (rest.empty() || (rest.front() >= '1' && rest.front() <= '9'))) {
      return true;
    }
  }
  return false;
}

ArrayFile open_array(std::shared_ptr<const MappedFile> file) {
  refuse_compressed(*file);
  ArrayHeader header;
  header.dtype = check_signature(*file);
  const std::span<const std::byte> bytes = file->bytes();
  const auto rank = std::to_integer<std::size_t>(bytes[kRankOffset]);
  header.data_offset = kSignatureBytes + rank * kExtentBytes;
  if (bytes.size() < header.data_offset) {
    file->refuse(ErrorCode::corrupt_data,
                 bytes.size(),
                 fmt::format("the file ends within its {} extents", rank));
  }
  std::vector<std::int64_t> extents(rank);
  for (std::size_t at = kSignatureBytes; at < header.data_offset; ++at) {
    std::int64_t& extent = extents[(at - kSignatureBytes) / kExtentBytes];
    extent = extent * 256 + std::to_integer<std::int64_t>(bytes[at]);
  }
  header.extents = extents;
  header.is_big_endian = true;
  header.shape_offset = kSignatureBytes;
  return check_array(std::move(file), header);
}

std::shared_ptr<SampleSource> open_file(std::shared_ptr<const MappedFile> file,
                                        const SourceOptions& /*options*/) {
  std::string name = file->path().string();
  return make_array_source(open_array(std::move(file)), std::nullopt, std::move(name));
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& folder,
                                          const SourceOptions& options) {
  const std::optional<IdxPair> pair = find_idx_pair(folder, options.split);
  if (!pair) {
    return nullptr;
  }
  return make_array_source(open_array(std::make_shared<const MappedFile>(pair->images)),
                           open_array(std::make_shared<const MappedFile>(pair->labels)),
                           options.split.empty()
                               ? folder.string()
                               : fmt::format("{} ({})", folder.string(), options.split));
}

}  // namespace

constexpr Format kIdxFormat{.file_label = "IDX",
                            .folder_label = "*-images-idx* with *-labels-idx*",
                            .claims_name = claims_name,
                            .has_signature = has_signature,
                            .open_file = open_file,
                            .open_folder = open_folder};

}  // namespace headrace::sources
