// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/mapped_file.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace headrace::sources {

/// A file in a tar archive. Offsets are those of the archive.
struct TarMember {
  std::string name;
  std::size_t begin = 0;  ///< First byte of its content.
  std::size_t size = 0;
};

/// Whether `bytes` begin with the header of a tar archive, of any of its dialects.
bool has_tar_signature(std::span<const std::byte> bytes);

/// Lists the files of an archive in their order; folders are left out. Reads headers alone. Long
/// names, large sizes and other extensions of GNU's and of pax are known.
///
/// \throws Error  `corrupt_data` when the archive is damaged or cut short, or when anything but
/// zeros
///                follows it; `unsupported` for links, devices and sparse files.
std::vector<TarMember> list_tar_members(const MappedFile& file);

}  // namespace headrace::sources
