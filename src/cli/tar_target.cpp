// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "cli/describe.h"
#include "cli/element.h"
#include "cli/npy_text.h"
#include "cli/pack_target.h"
#include "cli/part_file.h"
#include "cli/renaming.h"
#include "cli/tar_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <variant>
#include <vector>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxMember = (std::uint64_t{1} << 33) - 1;  // What the header can say.
constexpr std::uint64_t kEndBytes = 2 * kTarBlock;
constexpr std::size_t kMaxShards = 1'000'000;  // What six digits can say.

/// How the shards of a target are called.
class ShardNames {
 public:
  explicit ShardNames(const PackOptions& options)
      : is_one_(!options.shard_bytes), target_(options.target) {}

  [[nodiscard]] fs::path name(std::size_t number) const {
    fs::path path = target_;
    if (!is_one_) {
      path += fmt::format("-{:06}.tar", number);
    }
    return path;
  }

  /// What is called so already.
  [[nodiscard]] std::vector<fs::path> existing() const {
    if (is_one_) {
      return fs::exists(target_) ? std::vector{target_} : std::vector<fs::path>();
    }
    std::vector<fs::path> found;
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    if (!fs::is_directory(folder)) {
      return found;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (is_shard(entry.path().filename().string())) {
        found.push_back(entry.path());
      }
    }
    std::ranges::sort(found);
    return found;
  }

 private:
  [[nodiscard]] bool is_shard(std::string_view name) const {
    const std::string prefix = target_.filename().string() + "-";
    constexpr std::string_view kEnd = ".tar";
    constexpr std::size_t kDigits = 6;
    return name.size() == prefix.size() + kDigits + kEnd.size() && name.starts_with(prefix) &&
           name.ends_with(kEnd) &&
           std::ranges::all_of(name.substr(prefix.size(), kDigits),
                               [](char digit) { return digit >= '0' && digit <= '9'; });
  }

  bool is_one_;
  fs::path target_;
};

/// Every sample takes as many bytes as any other, for a label fits into one block; so where each
/// lies follows from its number.
class TarShards final : public PackTarget {
 public:
  TarShards(const PackOptions& options, const SampleSource& source, const Unfinished& work);

  void check_free() const override;
  void begin(std::uint64_t samples) override;
  void add(std::span<const std::byte> input, std::span<const std::byte> label) override;
  void flush() override { shard_->flush(); }
  void finish() override { close_shard(); }
  void publish(std::uint64_t samples) override;

  [[nodiscard]] std::string_view format() const override { return "tar"; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t samples) const override {
    return samples * sample_bytes_ + files(samples) * kEndBytes;
  }
  [[nodiscard]] std::size_t files(std::uint64_t samples) const override {
    return samples / shard_samples_ + (samples % shard_samples_ == 0 ? 0 : 1);
  }

 private:
  void check_shards(std::uint64_t samples) const;
  void publish_shards(std::size_t count);
  void remove_older(std::size_t count) const;
  void open_shard();
  void close_shard();

  [[nodiscard]] fs::path part(std::size_t number) const {
    return parts_ / fmt::format("{:06}.tar", number);
  }
  [[nodiscard]] std::string label_text(std::span<const std::byte> label) const;

  ShardNames names_;
  fs::path parts_;
  bool replaces_;
  SampleSpec spec_;
  std::string array_header_;
  std::uint64_t sample_bytes_ = 0;
  std::uint64_t shard_samples_ = UINT64_MAX;  ///< In each shard but the last.
  std::uint64_t count_ = 0;
  std::unique_ptr<PartFile> shard_;  ///< The one that sample `count_ - 1` is in.
};

TarShards::TarShards(const PackOptions& options, const SampleSource& source, const Unfinished& work)
    : names_(options),
      parts_(work.parts()),
      replaces_(options.force),
      spec_(source.spec()),
      array_header_(npy_header(spec_.input_shape, spec_.input_dtype)) {
  const std::uint64_t member =
      array_header_.size() + part_bytes(spec_.input_shape, spec_.input_dtype);
  if (member > kMaxMember) {
    throw Error(ErrorCode::unsupported,
                fmt::format("A sample of {} has {} bytes, and a member of a tar shard at most {}.",
                            source.name(),
                            member,
                            kMaxMember));
  }
  sample_bytes_ = kTarBlock + tar_blocks(member) + (has_labels(spec_) ? 2 * kTarBlock : 0);
  if (options.shard_bytes) {
    const std::uint64_t room = *options.shard_bytes - std::min(*options.shard_bytes, kEndBytes);
    shard_samples_ = std::max<std::uint64_t>(room / sample_bytes_, 1);
  }
}

void TarShards::check_free() const {
  for (const fs::path& path : names_.existing()) {
    if (!fs::is_regular_file(path)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no file and is not replaced.", path.string()));
    }
    if (!replaces_) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is there already; --force replaces it.", path.string()));
    }
  }
}

void TarShards::begin(std::uint64_t samples) {
  count_ = samples;
  if (samples == 0) {
    return;
  }
  const std::uint64_t last = (samples - 1) / shard_samples_;
  for (std::uint64_t i = 0; i < last; ++i) {
    PartFile(part(i), shard_samples_ * sample_bytes_ + kEndBytes);
  }
  shard_ =
      std::make_unique<PartFile>(part(last), (samples - last * shard_samples_) * sample_bytes_);
}

void TarShards::add(std::span<const std::byte> input, std::span<const std::byte> label) {
  const std::string text = label.empty() ? "" : label_text(label);
  if (count_ % shard_samples_ == 0) {
    open_shard();
  }
  const auto add_member = [&](std::string_view extension, std::uint64_t size, auto... content) {
    shard_->write(tar_header(fmt::format("{:09}.{}", count_, extension), size));
    (shard_->write(content), ...);
    shard_->write(std::string(tar_blocks(size) - size, '\0'));
  };
  add_member("npy", array_header_.size() + input.size(), std::string_view(array_header_), input);
  if (!label.empty()) {
    add_member("cls", text.size(), std::string_view(text));
  }
  ++count_;
}

void TarShards::open_shard() {
  const std::uint64_t number = count_ / shard_samples_;
  if (number == kMaxShards) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("More than {} shards are not written; make --shard-size larger.", kMaxShards));
  }
  close_shard();
  shard_ = std::make_unique<PartFile>(part(number), 0);
}

void TarShards::close_shard() {
  if (shard_) {
    shard_->write(std::string(kEndBytes, '\0'));
    shard_->flush();
    shard_.reset();
  }
}

void TarShards::publish(std::uint64_t samples) {
  const std::size_t count = files(samples);
  check_shards(samples);
  publish_shards(count);
  if (replaces_) {
    remove_older(count);
  }
}

/// Checks all before the first gets its name.
void TarShards::check_shards(std::uint64_t samples) const {
  for (std::size_t i = 0; i < files(samples); ++i) {
    const std::uint64_t before = i * shard_samples_;
    const std::uint64_t size =
        std::min(samples - before, shard_samples_) * sample_bytes_ + kEndBytes;
    check_finished(fs::exists(part(i)) ? part(i) : names_.name(i), size);
  }
}

/// Gives all shards their names, or none where nothing was to be replaced.
void TarShards::publish_shards(std::size_t count) {
  std::vector<std::size_t> published;
  published.reserve(count);
  try {
    for (std::size_t i = 0; i < count; ++i) {
      if (fs::exists(part(i))) {  // Else it has its name already.
        take_name(part(i), names_.name(i), replaces_);
        published.push_back(i);
      }
    }
  } catch (...) {
    std::error_code ignored;
    for (const std::size_t i : published) {
      if (!replaces_) {
        fs::rename(names_.name(i), part(i), ignored);
      }
    }
    throw;
  }
}

/// Removes what was left of a longer row of shards, which would be read with these.
void TarShards::remove_older(std::size_t count) const {
  const fs::path last = count == 0 ? fs::path() : names_.name(count - 1).filename();
  for (const fs::path& path : names_.existing()) {
    const bool is_new = path.filename() <= last;
    std::error_code error;
    if (!is_new && !fs::remove(path, error) && error) {
      throw Error(ErrorCode::io,
                  fmt::format("Cannot remove '{}', which is older than the shards beside it: {}.",
                              path.string(),
                              error.message()));
    }
  }
}

std::string TarShards::label_text(std::span<const std::byte> label) const {
  const Value value = load_element(spec_.label_dtype, label.data());
  const auto* const large = std::get_if<std::uint64_t>(&value);
  if (large != nullptr && *large > INT64_MAX) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("Label {} is too large for a .cls file, which holds an int64.", *large));
  }
  return std::visit([](auto number) { return fmt::format("{}", number); }, value);
}

void check_labels(const SampleSource& source) {
  const SampleSpec spec = source.spec();
  const bool are_classes = spec.label_shape.empty() && !is_floating_point(spec.label_dtype);
  if (has_labels(spec) && !are_classes) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("The labels of {} are {}, and .cls files hold one whole number each; pack "
                    "to .npy.",
                    source.name(),
                    describe_part(spec.label_shape, spec.label_dtype)));
  }
  if (source.size() == 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} has no samples, and tar shards would not say of what shape.",
                            source.name()));
  }
}

}  // namespace

std::unique_ptr<PackTarget> make_tar_target(const PackOptions& options,
                                            const SampleSource& source,
                                            const Unfinished& work) {
  check_labels(source);
  return std::make_unique<TarShards>(options, source, work);
}

}  // namespace headrace::cli
