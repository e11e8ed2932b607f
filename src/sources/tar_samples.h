// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/input_decoder.h"
#include "sources/mapped_file.h"
#include "sources/tar_members.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::sources {

/// A member's name, taken apart as WebDataset does.
struct MemberName {
  std::string key;        ///< The path up to the first dot of the file's name.
  std::string extension;  ///< What is behind that dot, in lower case.
};

/// nullopt for files without a dot or with nothing before it, and for "__meta__"-like ones.
std::optional<MemberName> split_member_name(std::string_view path);

/// A sample in a shard: its input, and its class if it has one.
struct TarSample {
  std::string key;
  TarMember input;
  const InputDecoder* decoder = nullptr;
  std::optional<std::int64_t> label;
};

/// The samples of a shard, in the order in which their keys first come.
///
/// \throws Error  `corrupt_data` for a sample that has a label and no input, or a part twice, and
/// for
///                a label that is no decimal number; `unsupported` for one with several inputs;
///                else as `list_tar_members`.
std::vector<TarSample> list_tar_samples(const MappedFile& shard);

}  // namespace headrace::sources
