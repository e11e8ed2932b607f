// SPDX-License-Identifier: Apache-2.0
#include "sources/tar_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

namespace headrace::sources {
namespace {

constexpr std::string_view kLabelExtension = "cls";

/// The class in a `.cls` file: a decimal number, with space or a line end behind it.
std::int64_t read_label(const FilePart& file) {
  const std::span<const std::byte> bytes = file.bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.remove_suffix(text.size() - (text.find_last_not_of(" \t\r\n") + 1));
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc{} || end != text.data() + text.size()) {
    file.refuse(ErrorCode::corrupt_data,
                0,
                fmt::format("the label is {}, which is no decimal class", printable(text)));
  }
  return label;
}

/// Puts members together to samples.
class Grouping {
 public:
  explicit Grouping(const MappedFile& shard) : shard_(shard) {}

  void add(TarMember member) {
    std::optional<MemberName> name = split_member_name(member.name);
    if (!name) {
      return;
    }
    const InputDecoder* const decoder = find_decoder(name->extension);
    if (decoder != nullptr) {
      add_input(sample_of(std::move(name->key)), *decoder, std::move(member));
    } else if (name->extension == kLabelExtension) {
      add_label(sample_of(std::move(name->key)), member);
    }
  }

  std::vector<TarSample> finish() {
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (samples_[i].decoder == nullptr) {
        shard_.refuse(ErrorCode::corrupt_data,
                      label_offsets_[i],
                      fmt::format("sample {} has a label and no input ({})",
                                  printable(samples_[i].key),
                                  decoder_extensions()));
      }
    }
    return std::move(samples_);
  }

 private:
  std::size_t sample_of(std::string key) {
    const auto [place, is_new] = places_.try_emplace(std::move(key), samples_.size());
    if (is_new) {
      samples_.emplace_back().key = place->first;
      label_offsets_.push_back(0);
    }
    return place->second;
  }

  void add_input(std::size_t place, const InputDecoder& decoder, TarMember member) {
    TarSample& sample = samples_[place];
    if (sample.decoder != nullptr) {
      const bool is_same = sample.decoder == &decoder;
      shard_.refuse(is_same ? ErrorCode::corrupt_data : ErrorCode::unsupported,
                    member.begin,
                    fmt::format("sample {} has a second input, {} after {}",
                                printable(sample.key),
                                printable(member.name),
                                printable(sample.input.name)));
    }
    sample.decoder = &decoder;
    sample.input = std::move(member);
  }

  void add_label(std::size_t place, const TarMember& member) {
    TarSample& sample = samples_[place];
    if (sample.label) {
      shard_.refuse(ErrorCode::corrupt_data,
                    member.begin,
                    fmt::format("sample {} has a second label", printable(sample.key)));
    }
    sample.label = read_label(FilePart(shard_, member.begin, member.size, member.name));
    label_offsets_[place] = member.begin;
  }

  const MappedFile& shard_;
  std::vector<TarSample> samples_;
  std::vector<std::size_t> label_offsets_;  ///< Of each sample, for errors.
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace

std::optional<MemberName> split_member_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = path.find('.', begin);
  const bool is_meta = begin == 0 && path.starts_with("__") && path.ends_with("__");
  if (dot == std::string_view::npos || dot == begin || is_meta) {
    return std::nullopt;
  }
  MemberName name{.key = std::string(path.substr(0, dot)),
                  .extension = std::string(path.substr(dot + 1))};
  std::ranges::transform(name.extension, name.extension.begin(), [](char character) {
    const bool is_upper = character >= 'A' && character <= 'Z';
    return is_upper ? static_cast<char>(character - 'A' + 'a') : character;
  });
  return name;
}

std::vector<TarSample> list_tar_samples(const MappedFile& shard) {
  Grouping grouping(shard);
  for (TarMember& member : list_tar_members(shard)) {
    grouping.add(std::move(member));
  }
  return grouping.finish();
}

}  // namespace headrace::sources
