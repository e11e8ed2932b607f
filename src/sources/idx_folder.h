// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace headrace::sources {

/// The two IDX files of one split.
struct IdxPair {
  std::filesystem::path images;
  std::filesystem::path labels;
};

/// Finds `PREFIX-images-idx*` and `PREFIX-labels-idx*` in `folder`, told by name alone. A file with
/// `.gz` at its end counts only where the unpacked one is missing.
///
/// \param split  The prefix; may be empty when there is one pair only.
/// \returns nullopt when the folder has no file with such a name.
/// \throws Error  `io` when the folder cannot be read; `invalid_argument` listing the prefixes when
///                `split` does not choose one pair, or when several files fit the same place;
///                `unsupported` when images or labels lack the other half.
std::optional<IdxPair> find_idx_pair(const std::filesystem::path& folder, std::string_view split);

}  // namespace headrace::sources
