// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "cli/describe.h"
#include "cli/element.h"
#include "cli/new_file.h"
#include "cli/npy_text.h"
#include "cli/pack_target.h"
#include "cli/tar_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <variant>
#include <vector>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxMember = (std::uint64_t{1} << 33) - 1;  // What the header can say.
constexpr std::size_t kMaxShards = 1'000'000;                       // What six digits can say.

/// How the shards of a target are called.
class ShardNames {
 public:
  explicit ShardNames(const PackOptions& options)
      : is_one_(!options.shard_bytes), target_(options.target) {
    if (!is_one_ && target_.extension() == ".tar") {
      target_.replace_extension();
    }
  }

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

class TarShards final : public PackTarget {
 public:
  TarShards(const PackOptions& options, const SampleSource& source, ShardNames names)
      : shard_bytes_(options.shard_bytes),
        names_(std::move(names)),
        spec_(source.spec()),
        array_header_(npy_header(spec_.input_shape, spec_.input_dtype)) {
    const std::uint64_t member =
        array_header_.size() + part_bytes(spec_.input_shape, spec_.input_dtype);
    if (member > kMaxMember) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("A sample of {} has {} bytes, and a member of a tar shard at most {}.",
                      source.name(),
                      member,
                      kMaxMember));
    }
  }

  void add(std::span<const std::byte> input, std::span<const std::byte> label) override {
    const std::string key = fmt::format("{:09}", count_++);
    const std::string text = label.empty() ? "" : label_text(label);
    const std::uint64_t need = kTarBlock + tar_blocks(array_header_.size() + input.size()) +
                               (label.empty() ? 0 : kTarBlock + tar_blocks(text.size()));
    open_shard(need);
    NewFile& shard = *shards_.back();
    shard.write(tar_header(key + ".npy", array_header_.size() + input.size()));
    shard.write(array_header_);
    shard.write(input);
    pad(shard);
    if (!label.empty()) {
      shard.write(tar_header(key + ".cls", text.size()));
      shard.write(text);
      pad(shard);
    }
  }

  void publish() override {
    close_shard();
    publish_shards();
    for (const fs::path& path : names_.existing()) {
      const bool is_new = std::ranges::any_of(
          shards_, [&](const auto& shard) { return shard->path().filename() == path.filename(); });
      if (!is_new && replaces_) {  // Of a longer row of shards, which would be read with these.
        std::error_code error;
        if (!fs::remove(path, error) && error) {
          throw Error(
              ErrorCode::io,
              fmt::format("Cannot remove '{}', which is older than the shards beside it: {}.",
                          path.string(),
                          error.message()));
        }
      }
    }
  }

  void replace() { replaces_ = true; }

  [[nodiscard]] std::string_view format() const override { return "tar"; }
  [[nodiscard]] std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const auto& shard : shards_) {
      sum += shard->size();
    }
    return sum;
  }
  [[nodiscard]] std::size_t files() const override { return shards_.size(); }

 private:
  /// Gives all shards their names, or none where nothing was to be replaced.
  void publish_shards() {
    std::size_t published = 0;
    try {
      for (; published < shards_.size(); ++published) {
        shards_[published]->publish(replaces_);
      }
    } catch (...) {
      std::error_code ignored;
      for (std::size_t i = 0; i < published && !replaces_; ++i) {
        fs::remove(shards_[i]->path(), ignored);
      }
      throw;
    }
  }

  /// Goes on to another shard when this one has no room for `need` bytes and its end.
  void open_shard(std::uint64_t need) {
    const bool is_full = !shards_.empty() && shard_bytes_ &&
                         shards_.back()->size() + need + 2 * kTarBlock > *shard_bytes_;
    if (!shards_.empty() && !is_full) {
      return;
    }
    close_shard();
    if (shards_.size() == kMaxShards) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("More than {} shards are not written; make --shard-size larger.",
                              kMaxShards));
    }
    shards_.push_back(std::make_unique<NewFile>(names_.name(shards_.size())));
  }

  void close_shard() {
    if (!shards_.empty()) {
      shards_.back()->write(std::string(2 * kTarBlock, '\0'));
      shards_.back()->seal();
    }
  }

  static void pad(NewFile& shard) {
    shard.write(std::string(tar_blocks(shard.size()) - shard.size(), '\0'));
  }

  [[nodiscard]] std::string label_text(std::span<const std::byte> label) const {
    const Value value = load_element(spec_.label_dtype, label.data());
    const auto* const large = std::get_if<std::uint64_t>(&value);
    if (large != nullptr && *large > INT64_MAX) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("Label {} is too large for a .cls file, which holds an int64.", *large));
    }
    return std::visit([](auto number) { return fmt::format("{}", number); }, value);
  }

  std::optional<std::uint64_t> shard_bytes_;
  ShardNames names_;
  SampleSpec spec_;
  std::string array_header_;
  std::vector<std::unique_ptr<NewFile>> shards_;
  std::uint64_t count_ = 0;
  bool replaces_ = false;
};

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
                                            const SampleSource& source) {
  check_labels(source);
  ShardNames names(options);
  const std::vector<fs::path> existing = names.existing();
  for (const fs::path& path : existing) {
    if (!fs::is_regular_file(path)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no file and is not replaced.", path.string()));
    }
    if (!options.force) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is there already; --force replaces it.", path.string()));
    }
  }
  auto target = std::make_unique<TarShards>(options, source, std::move(names));
  if (options.force) {
    target->replace();
  }
  return target;
}

}  // namespace headrace::cli
