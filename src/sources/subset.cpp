// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"
#include "headrace/image_check.h"
#include "headrace/source.h"

#include "sources/fingerprint.h"
#include "sources/image_backed.h"
#include "sources/row_source.h"

#include <fmt/format.h>

#include <utility>

namespace headrace {
namespace {

/// Some samples of a source that is not rows.
class Subset final : public SampleSource, public sources::FileBacked, public sources::ImageBacked {
 public:
  Subset(std::shared_ptr<const SampleSource> source,
         std::string name,
         std::vector<std::uint64_t> indices)
      : source_(std::move(source)), name_(std::move(name)), indices_(std::move(indices)) {}

  [[nodiscard]] SampleSpec spec() const override { return source_->spec(); }
  [[nodiscard]] std::size_t size() const override { return indices_.size(); }
  void read(const ReadContext& context, SampleView& into) const override {
    sources::check_index(name_, context.index, indices_.size());
    source_->read(inner(context), into);
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::uint64_t fingerprint() const override {
    const std::uint64_t whole = source_->fingerprint();
    return whole == 0 ? 0 : sources::fingerprint_of_subset(whole, indices_);
  }
  void check_files() const override {
    if (const auto* files = dynamic_cast<const sources::FileBacked*>(source_.get())) {
      files->check_files();
    }
  }
  void will_need(std::span<const std::uint64_t> samples) const noexcept override {
    if (const auto* files = dynamic_cast<const sources::FileBacked*>(source_.get())) {
      for (const std::uint64_t sample : samples) {
        files->will_need({&indices_[sample], 1});
      }
    }
  }
  [[nodiscard]] std::optional<ImageCheck> check_image(
      const ReadContext& context, std::span<const std::byte> input) const override {
    return headrace::check_image(*source_, inner(context), input);
  }

 private:
  [[nodiscard]] ReadContext inner(ReadContext context) const {
    context.index = indices_[context.index];
    return context;
  }

  std::shared_ptr<const SampleSource> source_;
  std::string name_;
  std::vector<std::uint64_t> indices_;
};

}  // namespace

std::shared_ptr<SampleSource> subset(std::shared_ptr<SampleSource> source,
                                     std::vector<std::uint64_t> indices) {
  if (source == nullptr) {
    throw Error(ErrorCode::invalid_argument, "A subset needs a source, and none was given.");
  }
  const std::string source_name = source->name();
  const std::size_t size = source->size();
  for (const std::uint64_t index : indices) {
    sources::check_index(source_name, index, size);
  }
  std::string name = fmt::format("{} samples of {}", indices.size(), source_name);
  if (const auto* rows = dynamic_cast<const sources::RowSource*>(source.get())) {
    return std::make_shared<sources::RowSource>(*rows, std::move(name), std::move(indices));
  }
  return std::make_shared<Subset>(std::move(source), std::move(name), std::move(indices));
}

}  // namespace headrace
