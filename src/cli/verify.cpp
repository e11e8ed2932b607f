// SPDX-License-Identifier: Apache-2.0
#include "cli/verify.h"

#include "headrace/fmt.h"

#include "cli/describe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace headrace::cli {
namespace {

constexpr std::size_t kMaxProblems = 8;

std::size_t bytes_of(const Shape& shape, DataType dtype) {
  return static_cast<std::size_t>(shape.element_count()) * size_of(dtype);
}

/// Makes every true boolean the byte 1, as reading a tensor back does.
void make_plain(std::vector<std::byte>& elements, DataType dtype) {
  if (dtype == DataType::boolean) {
    for (std::byte& element : elements) {
      element = std::byte{element != std::byte{0}};
    }
  }
}

}  // namespace

Verifier::Verifier(std::shared_ptr<const SampleSource> source,
                   const OutputSpec& output,
                   const Share& share,
                   std::uint64_t epochs,
                   std::uint64_t seed)
    : source_(std::move(source)),
      spec_(source_->spec()),
      expected_(spec_.input_shape, spec_.input_dtype, output),
      share_(share),
      epochs_(epochs),
      seed_(seed),
      input_(bytes_of(spec_.input_shape, spec_.input_dtype)),
      label_(bytes_of(spec_.label_shape, spec_.label_dtype)),
      epoch_(share.start.epoch),
      seen_(source_->size()) {
  for (const SampleSpec::Field& field : spec_.fields) {
    fields_.emplace_back(bytes_of(field.shape, field.dtype));
  }
}

void Verifier::note(std::string problem) {
  if (verified_.problems.size() < kMaxProblems) {
    verified_.problems.push_back(std::move(problem));
  }
}

void Verifier::note_missing() {
  const std::uint64_t share = share_.of_epoch(epoch_);
  std::vector<std::size_t> ids;
  for (std::size_t id = 0; share_.is_whole(epoch_) && id < seen_.size() && ids.size() < 5; ++id) {
    if (!seen_[id]) {
      ids.push_back(id);
    }
  }
  note(fmt::format("Epoch {} has {} of {}{}{}.",
                   epoch_,
                   distinct_,
                   counted(share, "sample", "samples"),
                   ids.empty() ? "" : "; missing: ",
                   fmt::join(ids, ", ")));
}

void Verifier::close_epoch() {
  const std::uint64_t share = share_.of_epoch(epoch_);
  if (distinct_ < share) {
    verified_.missing += share - distinct_;
    note_missing();
  } else if (distinct_ > share) {
    verified_.duplicates += distinct_ - share;
    note(fmt::format("Epoch {} has {}; the share is {}.",
                     epoch_,
                     counted(distinct_, "sample", "samples"),
                     share));
  }
}

void Verifier::open_epoch(std::uint64_t epoch) {
  while (epoch_ < epoch) {
    close_epoch();
    ++epoch_;
    distinct_ = 0;
    seen_.assign(seen_.size(), false);
  }
}

bool Verifier::check_part(const HostBatch& batch,
                          const HostBatch::Part& part,
                          const Shape& row_shape,
                          DataType dtype,
                          const std::string& name) {
  const bool is_padded = share_.tail == Tail::pad_repeat || share_.tail == Tail::pad_zero;
  const std::uint64_t rows = is_padded ? share_.batch_size : batch.ids.size();
  const Shape shape = row_shape.with_leading(static_cast<std::int64_t>(rows));
  if (part.shape == shape && part.dtype == dtype && part.bytes.size() == bytes_of(shape, dtype)) {
    return true;
  }
  note(fmt::format("A batch of epoch {} has {} {} {} ({}), not {} {}.",
                   batch.epoch,
                   name,
                   part.dtype,
                   part.shape,
                   counted(part.bytes.size(), "byte", "bytes"),
                   dtype,
                   shape));
  return false;
}

bool Verifier::check_shapes(const HostBatch& batch) {
  bool is_right = batch.ids.size() <= share_.batch_size;
  if (!is_right) {
    note(fmt::format("A batch of epoch {} has {}, more than {}.",
                     batch.epoch,
                     counted(batch.ids.size(), "sample", "samples"),
                     share_.batch_size));
  }
  is_right = is_right && batch.fields.size() == fields_.size() &&
             check_part(batch, batch.input, expected_.shape(), expected_.dtype(), "inputs") &&
             check_part(batch, batch.label, spec_.label_shape, spec_.label_dtype, "labels");
  for (std::size_t i = 0; is_right && i < fields_.size(); ++i) {
    const SampleSpec::Field& field = spec_.fields[i];
    is_right = check_part(batch, batch.fields[i], field.shape, field.dtype, field.name);
  }
  return is_right;
}

bool Verifier::mark(std::uint64_t epoch, std::uint64_t id) {
  if (id >= seen_.size()) {
    note(fmt::format("Epoch {} has a sample {}; there are {}.", epoch, id, seen_.size()));
    ++verified_.mismatches;
    return false;
  }
  if (epoch < epoch_ || (epochs_ != 0 && epoch >= epochs_) || seen_[id]) {
    note(fmt::format("Sample {} comes again in epoch {}.", id, epoch));
    ++verified_.duplicates;
  } else {
    seen_[id] = true;
    ++distinct_;
  }
  return true;
}

void Verifier::read(const ReadContext& context) {
  SampleView view{.input = input_, .label = label_, .fields = {}};
  for (std::vector<std::byte>& field : fields_) {
    view.fields.emplace_back(field);
  }
  source_->read(context, view);
  make_plain(input_, spec_.input_dtype);
  make_plain(label_, spec_.label_dtype);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    make_plain(fields_[i], spec_.fields[i].dtype);
  }
}

bool Verifier::check_decoding(const ReadContext& context) {
  const std::optional<ImageCheck> check = check_image(*source_, context, input_);
  if (!check) {
    return true;
  }
  if (!verified_.images) {
    verified_.images.emplace(DecodedTwice{.decoder = std::string(second_decoder())});
  }
  DecodedTwice& images = *verified_.images;
  if (!check->found) {
    if (images.unsupported++ == 0) {
      images.unsupported_reason = fmt::format("{}: {}", context.index, check->reason);
    }
    return true;
  }
  ++images.samples;
  images.max_difference = std::max(images.max_difference, check->found->max);
  images.mean_difference +=
      (check->found->mean - images.mean_difference) / static_cast<double>(images.samples);
  if (check->is_fault()) {
    note(
        fmt::format("Sample {} of epoch {}: {} makes other pixels of its image, {} levels apart at "
                    "most and {:.3g} on average; {} and {:.3g} are allowed.",
                    context.index,
                    context.epoch,
                    images.decoder,
                    check->found->max,
                    check->found->mean,
                    check->allowed.max,
                    check->allowed.mean));
  }
  return !check->is_fault();
}

bool Verifier::compare(const HostBatch& batch,
                       std::size_t row,
                       const HostBatch::Part& part,
                       std::span<const std::byte> expected,
                       const std::string& name) {
  const auto delivered = std::span(part.bytes).subspan(row * expected.size(), expected.size());
  const auto [found, wanted] = std::ranges::mismatch(delivered, expected);
  if (found == delivered.end()) {
    return true;
  }
  note(fmt::format("Sample {} of epoch {}: byte {} of its {} is {}, not {}.",
                   batch.ids[row],
                   batch.epoch,
                   found - delivered.begin(),
                   name,
                   std::to_integer<int>(*found),
                   std::to_integer<int>(*wanted)));
  return false;
}

void Verifier::check_row(const HostBatch& batch, std::size_t row) {
  ++verified_.samples;
  if (!mark(batch.epoch, batch.ids[row])) {
    return;
  }
  bool is_same = false;
  try {
    const std::uint64_t id = batch.ids[row];
    const ReadContext context{
        .index = id, .epoch = batch.epoch, .random_key = random_key(seed_, batch.epoch, id)};
    read(context);
    is_same = compare(batch, row, batch.input, expected_.make(input_), "input") &&
              compare(batch, row, batch.label, label_, "label");
    for (std::size_t i = 0; is_same && i < fields_.size(); ++i) {
      is_same = compare(batch, row, batch.fields[i], fields_[i], spec_.fields[i].name);
    }
    is_same = is_same && check_decoding(context);
  } catch (const std::exception& error) {
    note(fmt::format(
        "Sample {} was delivered but cannot be read: {}", batch.ids[row], error.what()));
  }
  verified_.mismatches += is_same ? 0U : 1U;
}

void Verifier::add(const HostBatch& batch) {
  if (epochs_ == 0 || batch.epoch < epochs_) {
    open_epoch(batch.epoch);
  }
  if (check_shapes(batch)) {
    for (std::size_t row = 0; row < batch.ids.size(); ++row) {
      check_row(batch, row);
    }
    return;
  }
  for (const std::uint64_t id : batch.ids) {
    ++verified_.samples;
    verified_.mismatches += mark(batch.epoch, id) ? 1U : 0U;
  }
}

const Verified& Verifier::finish(std::uint64_t failures, bool is_complete) {
  if (is_complete && epochs_ != 0) {
    open_epoch(epochs_);
  }
  verified_.missing -= std::min(verified_.missing, failures);
  return verified_;
}

}  // namespace headrace::cli
