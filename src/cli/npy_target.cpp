// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "cli/describe.h"
#include "cli/npy_text.h"
#include "cli/pack_target.h"
#include "cli/part_file.h"
#include "cli/renaming.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInputs = "inputs.npy";
constexpr std::string_view kLabels = "labels.npy";

/// A `.npy` of one part of all samples.
class NpyPart {
 public:
  NpyPart(fs::path path, const Shape& shape, DataType dtype, const SampleSource& source)
      : path_(std::move(path)),
        header_(npy_header(shape.with_leading(static_cast<std::int64_t>(source.size())), dtype)),
        sample_bytes_(part_bytes(shape, dtype)) {}

  void begin(std::uint64_t samples) {
    file_ = std::make_unique<PartFile>(path_, samples == 0 ? 0 : bytes(samples));
    if (samples == 0) {
      file_->write(header_);
    }
  }
  void add(std::span<const std::byte> bytes) { file_->write(bytes); }
  void flush() { file_->flush(); }
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t samples) const {
    return header_.size() + samples * sample_bytes_;
  }

 private:
  fs::path path_;
  std::string header_;
  std::uint64_t sample_bytes_;
  std::unique_ptr<PartFile> file_;  // from `begin` on
};

NpyPart inputs_of(const SampleSource& source, const Unfinished& work) {
  const SampleSpec spec = source.spec();
  return {work.parts() / kInputs, spec.input_shape, spec.input_dtype, source};
}

[[noreturn]] void refuse(const fs::path& path, std::string_view reason) {
  throw Error(ErrorCode::invalid_argument, fmt::format("'{}' {}", path.string(), reason));
}

void refuse_existing(const fs::path& path) {
  refuse(path, "is there already; --force replaces it.");
}

/// One `.npy` of the inputs.
class NpyFile final : public PackTarget {
 public:
  NpyFile(const PackOptions& options, const SampleSource& source, const Unfinished& work)
      : path_(options.target), replaces_(options.force), inputs_(inputs_of(source, work)) {}

  void check_free() const override {
    if (fs::is_directory(path_)) {
      refuse(path_, "is a folder and is not replaced by a file.");
    }
    if (fs::exists(path_) && !replaces_) {
      refuse_existing(path_);
    }
  }
  void begin(std::uint64_t samples) override { inputs_.begin(samples); }
  void add(std::span<const std::byte> input, std::span<const std::byte> /*label*/) override {
    inputs_.add(input);
  }
  void flush() override { inputs_.flush(); }
  void finish() override { inputs_.flush(); }
  void publish(std::uint64_t samples) override {
    const bool is_part = fs::exists(inputs_.path());  // Else it has its name already.
    check_finished(is_part ? inputs_.path() : path_, inputs_.bytes(samples));
    if (is_part) {
      take_name(inputs_.path(), path_, replaces_);
    }
  }
  [[nodiscard]] std::string_view format() const override { return "npy"; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t samples) const override {
    return inputs_.bytes(samples);
  }
  [[nodiscard]] std::size_t files(std::uint64_t /*samples*/) const override { return 1; }

 private:
  fs::path path_;
  bool replaces_;
  NpyPart inputs_;
};

/// A folder with inputs and labels.
class NpyFolder final : public PackTarget {
 public:
  NpyFolder(const PackOptions& options, const SampleSource& source, const Unfinished& work)
      : path_(options.target),
        replaces_(options.force),
        work_(work),
        inputs_(inputs_of(source, work)),
        labels_(
            work.parts() / kLabels, source.spec().label_shape, source.spec().label_dtype, source) {}

  void check_free() const override;
  void begin(std::uint64_t samples) override {
    inputs_.begin(samples);
    labels_.begin(samples);
  }
  void add(std::span<const std::byte> input, std::span<const std::byte> label) override {
    inputs_.add(input);
    labels_.add(label);
  }
  void flush() override {
    inputs_.flush();
    labels_.flush();
  }
  void finish() override { flush(); }
  void publish(std::uint64_t samples) override;
  [[nodiscard]] std::string_view format() const override { return "npy"; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t samples) const override {
    return inputs_.bytes(samples) + labels_.bytes(samples);
  }
  [[nodiscard]] std::size_t files(std::uint64_t /*samples*/) const override { return 2; }

 private:
  fs::path path_;
  bool replaces_;
  const Unfinished& work_;
  NpyPart inputs_;
  NpyPart labels_;
};

void NpyFolder::publish(std::uint64_t samples) {
  const bool are_parts = fs::exists(work_.parts());  // Else they have their name already.
  const fs::path folder = are_parts ? work_.parts() : path_;
  check_finished(folder / kInputs, inputs_.bytes(samples));
  check_finished(folder / kLabels, labels_.bytes(samples));
  if (are_parts && !fs::exists(path_)) {
    take_name(work_.parts(), path_, false);
  } else if (are_parts) {
    check_free();
    replace_folder(work_.parts(), path_, work_.replaced());
  }
}

/// A folder that holds anything but what pack writes, which would be removed, is never replaced.
void NpyFolder::check_free() const {
  if (!fs::exists(path_)) {
    return;
  }
  if (!fs::is_directory(path_)) {
    refuse(path_, "is no folder and is not replaced by a folder.");
  }
  if (!replaces_) {
    refuse_existing(path_);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    const fs::path name = entry.path().filename();
    if ((name != kInputs && name != kLabels) || entry.is_directory()) {
      refuse(path_,
             fmt::format("is not replaced: it holds '{}', and only a folder of inputs.npy and "
                         "labels.npy is.",
                         name.string()));
    }
  }
}

}  // namespace

std::unique_ptr<PackTarget> make_npy_target(const PackOptions& options,
                                            const SampleSource& source,
                                            const Unfinished& work) {
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
  if (is_file) {
    return std::make_unique<NpyFile>(options, source, work);
  }
  return std::make_unique<NpyFolder>(options, source, work);
}

}  // namespace headrace::cli
