// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "cli/describe.h"
#include "cli/files.h"
#include "cli/new_file.h"
#include "cli/npy_text.h"
#include "cli/pack_target.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <utility>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInputs = "inputs.npy";
constexpr std::string_view kLabels = "labels.npy";

Shape all_of(const Shape& sample, const SampleSource& source) {
  return sample.with_leading(static_cast<std::int64_t>(source.size()));
}

/// One `.npy` of the inputs.
class NpyFile final : public PackTarget {
 public:
  NpyFile(const PackOptions& options, const SampleSource& source)
      : header_(npy_header(all_of(source.spec().input_shape, source), source.spec().input_dtype)),
        replaces_(options.force),
        file_(options.target) {
    file_.write(header_);
  }

  void add(std::span<const std::byte> input, std::span<const std::byte> /*label*/) override {
    file_.write(input);
  }
  void publish() override {
    file_.seal();
    file_.publish(replaces_);
  }
  [[nodiscard]] std::string_view format() const override { return "npy"; }
  [[nodiscard]] std::uint64_t bytes() const override { return file_.size(); }
  [[nodiscard]] std::size_t files() const override { return 1; }

 private:
  std::string header_;
  bool replaces_;
  NewFile file_;
};

/// A folder that is filled under a temporary name.
class NewFolder {
 public:
  explicit NewFolder(const fs::path& path) : path_(temporary_name(path)) {
    std::error_code error;
    if (!fs::create_directory(path_, error)) {
      throw Error(ErrorCode::io,
                  fmt::format("Cannot make folder '{}': {}.",
                              path_.string(),
                              error ? error.message() : "it is there already"));
    }
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  /// Removes the two files and the folder; nothing when it was given its name.
  ~NewFolder() {
    std::error_code ignored;
    for (const std::string_view name : {kInputs, kLabels}) {
      fs::remove(path_ / name, ignored);
    }
    fs::remove(path_, ignored);
  }

  fs::path operator/(std::string_view name) const { return path_ / name; }

  /// Gives the folder the name `path`. What was called so before gets the temporary name, and goes.
  void publish(const fs::path& path, bool replaces) {
    if (!replaces) {
      take_name(path_, path, false);
    } else if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0) {
      throw Error(ErrorCode::io,
                  fmt::format("Cannot replace folder '{}': {}.",
                              path.string(),
                              std::error_code(errno, std::generic_category()).message()));
    }
    flush_folder_of(path);
  }

 private:
  fs::path path_;
};

/// A folder with inputs and labels.
class NpyFolder final : public PackTarget {
 public:
  NpyFolder(const PackOptions& options, const SampleSource& source, bool replaces)
      : path_(options.target),
        replaces_(replaces),
        folder_(path_),
        inputs_(folder_ / kInputs),
        labels_(folder_ / kLabels) {
    const SampleSpec spec = source.spec();
    inputs_.write(npy_header(all_of(spec.input_shape, source), spec.input_dtype));
    labels_.write(npy_header(all_of(spec.label_shape, source), spec.label_dtype));
  }

  void add(std::span<const std::byte> input, std::span<const std::byte> label) override {
    inputs_.write(input);
    labels_.write(label);
  }
  void publish() override {
    for (NewFile* const file : {&inputs_, &labels_}) {
      file->seal();
      file->publish(false);
    }
    folder_.publish(path_, replaces_);
  }
  [[nodiscard]] std::string_view format() const override { return "npy"; }
  [[nodiscard]] std::uint64_t bytes() const override { return inputs_.size() + labels_.size(); }
  [[nodiscard]] std::size_t files() const override { return 2; }

 private:
  fs::path path_;
  bool replaces_;
  NewFolder folder_;
  NewFile inputs_;
  NewFile labels_;
};

/// Refuses a folder that holds anything but what pack writes, which --force would remove.
void check_replaceable(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    if ((name != kInputs && name != kLabels) || entry.is_directory()) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("'{}' is not replaced: it holds '{}', and only a folder of inputs.npy "
                      "and labels.npy is.",
                      folder.string(),
                      name.string()));
    }
  }
}

}  // namespace

std::unique_ptr<PackTarget> make_npy_target(const PackOptions& options,
                                            const SampleSource& source) {
  const bool is_file = options.target.extension() == ".npy";
  if (is_file == has_labels(source.spec())) {
    throw Error(ErrorCode::invalid_argument,
                is_file ? fmt::format("{} has labels, and one .npy has no place for them; name a "
                                      "folder, without .npy.",
                                      source.name())
                        : fmt::format("{} has no labels; name a file, '{}.npy'.",
                                      source.name(),
                                      options.target.string()));
  }
  const fs::file_status status = fs::status(options.target);
  if (fs::exists(status) && fs::is_directory(status) == is_file) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is {} and is not replaced by a {}.",
                            options.target.string(),
                            is_file ? "a folder" : "no folder",
                            is_file ? "file" : "folder"));
  }
  if (fs::exists(status) && !options.force) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("'{}' is there already; --force replaces it.", options.target.string()));
  }
  if (is_file) {
    return std::make_unique<NpyFile>(options, source);
  }
  if (fs::exists(status)) {
    check_replaceable(options.target);
  }
  return std::make_unique<NpyFolder>(options, source, fs::exists(status));
}

}  // namespace headrace::cli
