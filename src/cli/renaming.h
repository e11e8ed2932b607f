// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>

namespace headrace::cli {

/// Gives `from` the name `to` at once. \param replaces  Whether a file that is called so may be
/// replaced.
///
/// \throws Error  `invalid_argument` when it may not and is there; `io`.
void take_name(const std::filesystem::path& from, const std::filesystem::path& to, bool replaces);

/// Makes two names change places at once. \returns false where the file system cannot do that.
///
/// \throws Error  `io`.
bool exchange_names(const std::filesystem::path& one, const std::filesystem::path& other);

/// Puts the folder `from` where the folder `to` is, which gets the name `from`; or, where names
/// cannot be exchanged, the name `aside`, and then there is a moment without `to`.
///
/// \param exchange  As `exchange_names`.
/// \throws Error  `io`; `to` is what it was then.
void replace_folder(
    const std::filesystem::path& from,
    const std::filesystem::path& to,
    const std::filesystem::path& aside,
    const std::function<bool(const std::filesystem::path&, const std::filesystem::path&)>&
        exchange = exchange_names);

}  // namespace headrace::cli
