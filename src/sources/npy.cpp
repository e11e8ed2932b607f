// SPDX-License-Identifier: Apache-2.0
#include "sources/npy.h"

#include "sources/array_file.h"
#include "sources/byte_order.h"
#include "sources/folder.h"
#include "sources/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace headrace::sources {
namespace {

struct TypeName {
  std::string_view name;  ///< NumPy's, without the sign for the order of bytes.
  DataType dtype = DataType::uint8;
};

constexpr std::array<TypeName, 12> kTypeNames{{{"b1", DataType::boolean},
                                               {"i1", DataType::int8},
                                               {"i2", DataType::int16},
                                               {"i4", DataType::int32},
                                               {"i8", DataType::int64},
                                               {"u1", DataType::uint8},
                                               {"u2", DataType::uint16},
                                               {"u4", DataType::uint32},
                                               {"u8", DataType::uint64},
                                               {"f2", DataType::float16},
                                               {"f4", DataType::float32},
                                               {"f8", DataType::float64}}};

/// Why elements of NumPy's type `name` (without the sign for the order of bytes) cannot be served.
std::string_view reason_against(std::string_view name) {
  switch (name == "f1" ? 'V' : name.empty() ? '\0' : name.front()) {
    case 'V':
      return "bytes without a type of NumPy's own (ml_dtypes' bfloat16 and 8-bit floating point "
             "are stored so: store a float16 or float32 copy, or view(numpy.uint8) to keep the "
             "bits)";
    case 'O':
      return "pickled Python objects";
    case 'c':
      return "complex numbers";
    case 'S':
    case 'a':
    case 'U':
      return "strings";
    case 'M':
    case 'm':
      return "dates or durations";
    default:
      return "none of boolean, integer of 1 to 8 bytes, or floating point of 2 to 8 bytes";
  }
}

/// Takes the element type and the order of its bytes from `header`.
void read_type(const FilePart& file, const NpyHeader& header, NpyArray& array) {
  std::string_view name = header.descr;
  const char order = name.empty() ? '\0' : name.front();
  if (order == '<' || order == '>' || order == '|') {
    name.remove_prefix(1);
  }
  for (const TypeName& type : kTypeNames) {
    if (type.name != name) {
      continue;
    }
    if (order == '<' || order == '>' || size_of(type.dtype) == 1) {
      array.dtype = type.dtype;
      array.is_big_endian = order == '>';
      return;
    }
    file.refuse(ErrorCode::unsupported,
                header.descr_offset,
                fmt::format("the element type is {}, which does not say the order of its bytes "
                            "(\"<{}\" or \">{}\")",
                            printable(header.descr),
                            name,
                            name));
  }
  file.refuse(
      ErrorCode::unsupported,
      header.descr_offset,
      fmt::format("the element type is {}: {}", printable(header.descr), reason_against(name)));
}

ArrayFile open_array(std::shared_ptr<const MappedFile> file) {
  const NpyArray array = read_npy_array(*file);
  return check_array(std::move(file), array.header());
}

bool claims_name(std::string_view file_name) {
  return file_name.ends_with(".npy");
}

std::shared_ptr<SampleSource> open_file(std::shared_ptr<const MappedFile> file,
                                        const SourceOptions& /*options*/) {
  std::string name = file->path().string();
  return make_array_source(open_array(std::move(file)), std::nullopt, std::move(name));
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& folder,
                                          const SourceOptions& options) {
  const std::filesystem::path inputs = folder / "inputs.npy";
  const std::filesystem::path labels = folder / "labels.npy";
  const bool has_inputs = path_exists(inputs);
  const bool has_labels = path_exists(labels);
  if (!has_inputs && !has_labels) {
    return nullptr;
  }
  if (!has_inputs || !has_labels) {
    throw Error(ErrorCode::unsupported,
                fmt::format("Folder '{}' has {} but no {}{}.",
                            folder.string(),
                            has_inputs ? "inputs.npy" : "labels.npy",
                            has_inputs ? "labels.npy" : "inputs.npy",
                            has_inputs ? "; open the file itself to read it without labels" : ""));
  }
  refuse_split(folder, options);
  return make_array_source(open_array(std::make_shared<const MappedFile>(inputs)),
                           open_array(std::make_shared<const MappedFile>(labels)),
                           folder.string());
}

}  // namespace

ArrayHeader NpyArray::header() const {
  return {.extents = extents,
          .dtype = dtype,
          .is_big_endian = is_big_endian,
          .shape_offset = shape_offset,
          .data_offset = data_offset};
}

NpyArray read_npy_array(const FilePart& file) {
  NpyHeader header = read_npy_header(file);
  NpyArray array;
  read_type(file, header, array);
  if (header.is_fortran_order) {
    file.refuse(ErrorCode::unsupported,
                header.fortran_order_offset,
                "the array is in Fortran order, in which samples do not lie one after another "
                "(store numpy.ascontiguousarray of it)");
  }
  array.extents = std::move(header.extents);
  array.shape_offset = header.shape_offset;
  array.data_offset = header.data_offset;
  return array;
}

InputType examine_npy(const FilePart& file, const SourceOptions& /*options*/) {
  const NpyArray array = read_npy_array(file);
  if (std::ranges::count(array.extents, 0) != 0) {
    file.refuse(ErrorCode::unsupported, array.shape_offset, "the array has no elements");
  }
  check_data(file, array.header());
  return {Shape(array.extents), array.dtype};
}

void decode_npy(const FilePart& file,
                const ImageRules& /*rules*/,
                std::uint64_t /*random_key*/,
                std::span<std::byte> into) {
  const NpyArray array = read_npy_array(file);
  const std::size_t bytes = check_data(file, array.header());
  if (bytes != into.size()) {
    file.refuse(ErrorCode::corrupt_data,
                array.shape_offset,
                fmt::format("the array has {} bytes, and had {}", bytes, into.size()));
  }
  std::ranges::copy(file.bytes().subspan(array.data_offset), into.begin());
  if (array.is_big_endian) {
    reverse_elements(into, size_of(array.dtype));
  }
}

constexpr Format kNpyFormat{.file_label = "NumPy .npy",
                            .folder_label = "inputs.npy with labels.npy",
                            .claims_name = claims_name,
                            .has_signature = has_npy_signature,
                            .open_file = open_file,
                            .open_folder = open_folder};

}  // namespace headrace::sources
