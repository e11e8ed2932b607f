// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace headrace::cli {

/// Finds out, before a long run, whether `path` can be written; leaves no file behind.
///
/// \param option  The option that named it, for the error.
/// \throws Error  `io`.
void check_writable(std::string_view option, const std::filesystem::path& path);

/// Puts `text` in place of what `path` held. \throws Error  `io`.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Writes `text` to `path` so that at any time, a loss of power included, the file holds either
/// what it held before or all of `text`. Only regular files are replaced. \throws Error  `io`.
void replace_file(const std::filesystem::path& path, std::string_view text);

/// Brings the names in the folder that `path` is in to the disk. \throws Error  `io`.
void flush_folder_of(const std::filesystem::path& path);

/// All of a regular file. \throws Error  `io`; `unsupported` when it is no regular file or has more
/// bytes than `most_bytes`.
std::string read_file(const std::filesystem::path& path, std::uint64_t most_bytes);

/// Prints the human part of a command's results: to standard output, or to standard error when the
/// JSON goes to standard output. \throws Error  `io`.
void print_results(std::string_view text, std::string_view json_option);

/// Prints one line about something that is no error to standard error. \throws Error  `io`.
void print_warning(std::string_view text);

/// Writes the JSON where `--json` says; nowhere when `json_option` is empty. \throws Error  `io`.
void write_json(std::string_view text, const std::string& json_option);

}  // namespace headrace::cli
