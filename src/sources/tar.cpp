// SPDX-License-Identifier: Apache-2.0
#include "sources/tar.h"

#include "sources/compressed.h"
#include "sources/file_backed.h"
#include "sources/fingerprint.h"
#include "sources/folder.h"
#include "sources/image_backed.h"
#include "sources/image_member.h"
#include "sources/image_rules.h"
#include "sources/read_request.h"
#include "sources/row_source.h"
#include "sources/sample_spec.h"
#include "sources/tar_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace headrace::sources {
namespace {

using Shard = std::shared_ptr<const MappedFile>;

/// A fingerprint looks into the content of so many samples, of fewer than twice as many at most.
constexpr std::size_t kLookedInto = 32;
constexpr std::size_t kPiecesOfEach = 2;

/// Where a sample lies.
struct Place {
  const MappedFile* shard = nullptr;
  const InputDecoder* decoder = nullptr;
  TarMember input;
  std::int64_t label = 0;

  [[nodiscard]] FilePart part() const { return {*shard, input.begin, input.size, input.name}; }
};

class TarSource final : public SampleSource, public FileBacked, public ImageBacked {
 public:
  TarSource(std::string name,
            SampleSpec spec,
            const ImageRules& rules,
            std::vector<Shard> shards,
            std::vector<Place> places)
      : name_(std::move(name)),
        spec_(std::move(spec)),
        rules_(rules),
        shards_(std::move(shards)),
        places_(std::move(places)) {
    sizes_.input_stride = part_bytes("input", spec_.input_shape, spec_.input_dtype);
    sizes_.label_stride = part_bytes("label", spec_.label_shape, spec_.label_dtype);
    sizes_.sample_count = places_.size();
  }

  [[nodiscard]] SampleSpec spec() const override { return spec_; }
  [[nodiscard]] std::size_t size() const override { return places_.size(); }
  void read(const ReadContext& context, SampleView& into) const override {
    check_read(name_, sizes_, context, into);
    const Place& place = places_[context.index];
    place.decoder->decode(place.part(), rules_, context.random_key, into.input);
    if (!into.label.empty()) {
      std::memcpy(into.label.data(), &place.label, sizeof(place.label));
    }
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t fingerprint() const override;
  void check_files() const override {
    for (const Shard& shard : shards_) {
      shard->check_not_shortened();
    }
  }
  void will_need(std::span<const std::uint64_t> samples) const noexcept override {
    std::uint64_t set_bytes = 0;
    for (const Shard& shard : shards_) {
      set_bytes += shard->bytes().size();
    }
    ReadRequest inputs(set_bytes);
    for (const std::uint64_t sample : samples) {
      const Place& place = places_[sample];
      inputs.add(place.shard->bytes().subspan(place.input.begin, place.input.size));
    }
  }
  [[nodiscard]] std::optional<ImageCheck> check_image(
      const ReadContext& context, std::span<const std::byte> input) const override {
    const Place& place = places_[context.index];
    if (!place.decoder->is_image) {
      return std::nullopt;
    }
    return sources::check_image(place.part(), rules_, context.random_key, input);
  }

 private:
  std::string name_;
  SampleSpec spec_;
  ImageRules rules_;
  RowView sizes_;
  std::vector<Shard> shards_;
  std::vector<Place> places_;
};

/// Of what the samples are, not of how they are spread over shards, nor of members that are none.
std::uint64_t TarSource::fingerprint() const {
  check_files();
  Fingerprint samples("tar");
  samples.add(spec_.label_shape);
  samples.add(std::uint64_t{places_.size()});
  const std::size_t step = std::max<std::size_t>(places_.size() / kLookedInto, 1);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    samples.add(place.input.name);
    samples.add(std::uint64_t{place.input.size});
    samples.add(static_cast<std::uint64_t>(place.label));
    if (i % step == 0) {
      samples.add_content(place.part().bytes(), kPiecesOfEach);
    }
  }
  return samples.value();
}

/// Puts the samples of shards one behind the other, and sees that they are of one kind.
class Collection {
 public:
  explicit Collection(const SourceOptions& options) : options_(options) {}

  void add(const MappedFile& shard) {
    for (TarSample& sample : list_tar_samples(shard)) {
      Place place{.shard = &shard,
                  .decoder = sample.decoder,
                  .input = std::move(sample.input),
                  .label = sample.label.value_or(0)};
      const InputType type = place.decoder->examine(place.part(), options_);
      if (places_.empty()) {
        type_ = type;
        has_labels_ = sample.label.has_value();
        first_key_ = sample.key;
      }
      check_same_kind(place, sample, type);
      has_images_ = has_images_ || place.decoder->is_image;
      places_.push_back(std::move(place));
    }
  }

  [[nodiscard]] SampleSpec spec() const {
    return {.input_shape = type_.shape,
            .input_dtype = type_.dtype,
            .label_shape = has_labels_ ? Shape{} : Shape{0},
            .label_dtype = has_labels_ ? DataType::int64 : DataType::uint8,
            .fields = {}};
  }
  [[nodiscard]] bool has_images() const { return has_images_; }

  /// What is done to the images, if there are any.
  [[nodiscard]] ImageRules rules() const {
    return has_images_ ? image_rules(options_, size_of_image(type_)) : ImageRules{};
  }
  std::vector<Place>& places() { return places_; }

 private:
  void check_same_kind(const Place& place, const TarSample& sample, const InputType& type) const {
    if (type != type_) {
      const bool are_images = has_images_ && place.decoder->is_image;
      place.shard->refuse(are_images ? ErrorCode::invalid_argument : ErrorCode::unsupported,
                          place.input.begin,
                          fmt::format("sample {} is {} {}, and sample {} is {} {}; {}",
                                      printable(sample.key),
                                      to_string(type.dtype),
                                      type.shape.to_string(),
                                      printable(first_key_),
                                      to_string(type_.dtype),
                                      type_.shape.to_string(),
                                      are_images ? "set one size for all images with `image_size`"
                                                 : "all must be alike"));
    }
    if (sample.label.has_value() != has_labels_) {
      place.shard->refuse(ErrorCode::corrupt_data,
                          place.input.begin,
                          fmt::format("sample {} has {} label (.cls), and sample {} has {}",
                                      printable(sample.key),
                                      has_labels_ ? "no" : "a",
                                      printable(first_key_),
                                      has_labels_ ? "one" : "none"));
    }
  }

  const SourceOptions& options_;
  std::vector<Place> places_;
  InputType type_;
  bool has_images_ = false;
  bool has_labels_ = false;
  std::string first_key_;
};

std::shared_ptr<SampleSource> open_shards(std::vector<Shard> shards,
                                          std::string name,
                                          const SourceOptions& options) {
  check_image_options(options);
  Collection samples(options);
  for (const Shard& shard : shards) {
    refuse_compressed(*shard);
    samples.add(*shard);
  }
  if (samples.places().empty()) {
    shards.front()->refuse(
        ErrorCode::unsupported,
        0,
        fmt::format("no sample is in the archive: no file KEY{}", decoder_extensions()));
  }
  if (!samples.has_images()) {
    refuse_image_options(name, options);
  }
  return std::make_shared<TarSource>(std::move(name),
                                     samples.spec(),
                                     samples.rules(),
                                     std::move(shards),
                                     std::move(samples.places()));
}

bool claims_name(std::string_view file_name) {
  return file_name.ends_with(".tar");
}

std::shared_ptr<SampleSource> open_file(Shard file, const SourceOptions& options) {
  std::string name = file->path().string();
  return open_shards({std::move(file)}, std::move(name), options);
}

/// Whether `name` is that of a packed archive whose unpacked form is not among `names`.
bool is_packed(std::string_view name, const std::vector<std::string>& names) {
  if (name.ends_with(".tgz")) {
    return true;
  }
  const std::size_t at = name.rfind(".tar.");
  return at != std::string_view::npos && std::ranges::count(names, name.substr(0, at + 4)) == 0;
}

std::shared_ptr<SampleSource> open_folder(const std::filesystem::path& folder,
                                          const SourceOptions& options) {
  const std::vector<std::string> names = file_names(folder);
  std::vector<Shard> shards;
  for (const std::string& name : names) {
    if (claims_name(name)) {
      shards.push_back(std::make_shared<const MappedFile>(folder / name));
    } else if (is_packed(name, names)) {
      refuse_compressed(MappedFile(folder / name));
    }
  }
  if (shards.empty()) {
    return nullptr;
  }
  refuse_split(folder, options);
  return open_shards(std::move(shards), folder.string(), options);
}

}  // namespace

constexpr Format kTarFormat{.file_label = "tar",
                            .folder_label = "*.tar",
                            .claims_name = claims_name,
                            .has_signature = has_tar_signature,
                            .open_file = open_file,
                            .open_folder = open_folder,
                            .may_hold_images = true};

}  // namespace headrace::sources
