// SPDX-License-Identifier: Apache-2.0
#include "headrace/fmt.h"
#include "headrace/source.h"

#include "cli/amounts.h"
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/describe.h"
#include "cli/element.h"
#include "cli/files.h"
#include "cli/inspection.h"
#include "cli/json.h"
#include "cli/outputs.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace headrace::cli {
namespace {

/// Counting labels reads whole samples, so it is not done for more bytes than these.
constexpr std::uint64_t kCheapBytes = std::uint64_t{256} << 20;

/// Kinds of labels that are listed one by one.
constexpr std::size_t kMaxListed = 20;

std::optional<std::map<std::int64_t, std::uint64_t>> count_labels(const SampleSource& source,
                                                                  const Inspection& inspection) {
  const SampleSpec& spec = inspection.spec;
  const bool has_classes = spec.label_shape.empty() && !is_floating_point(spec.label_dtype) &&
                           spec.label_dtype != DataType::uint64;
  if (!has_classes || !spec.fields.empty() || inspection.bytes > kCheapBytes) {
    return std::nullopt;
  }
  std::map<std::int64_t, std::uint64_t> counts;
  std::vector<std::byte> input(part_bytes(spec.input_shape, spec.input_dtype));
  std::vector<std::byte> label(size_of(spec.label_dtype));
  for (std::uint64_t i = 0; i < source.size(); ++i) {
    SampleView view{.input = input, .label = label, .fields = {}};
    source.read({.index = i}, view);
    const Value value = load_element(spec.label_dtype, label.data());
    ++counts[std::visit([](auto number) { return static_cast<std::int64_t>(number); }, value)];
  }
  return counts;
}

std::string labels_text(const Inspection& inspection) {
  if (!inspection.labels) {
    return "";
  }
  const auto& labels = *inspection.labels;
  std::uint64_t least = UINT64_MAX;
  std::uint64_t most = 0;
  for (const auto& [label, count] : labels) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  std::string text = fmt::format("classes  {}", labels.size());
  if (labels.size() > kMaxListed) {
    return text + fmt::format(", of {} to {} samples\n", least, most);
  }
  text += "\n";
  for (const auto& [label, count] : labels) {
    constexpr std::uint64_t kBar = 40;
    const std::string bar(static_cast<std::size_t>((count * kBar + most - 1) / most), '#');
    text += fmt::format("{:>7}  {:>8}  {}\n", label, count, bar);
  }
  return text;
}

std::string to_text(const Inspection& inspection) {
  const SampleSpec& spec = inspection.spec;
  const auto part = [](const Shape& shape, DataType dtype) {
    return fmt::format("{}, {}", describe_part(shape, dtype), bytes_text(part_bytes(shape, dtype)));
  };
  std::string text =
      fmt::format("source   {}\nsamples  {}\ninput    {}\nlabel    {}\n",
                  one_line(inspection.source),
                  inspection.samples,
                  part(spec.input_shape, spec.input_dtype),
                  has_labels(spec) ? part(spec.label_shape, spec.label_dtype) : "none");
  for (const SampleSpec::Field& field : spec.fields) {
    text += fmt::format("field    {}: {}\n", one_line(field.name), part(field.shape, field.dtype));
  }
  text += fmt::format("bytes    {}\n", bytes_text(inspection.bytes));
  return text + labels_text(inspection);
}

}  // namespace

int run(const InspectOptions& options) {
  check_outputs({{"--json", options.json == "-" ? "" : options.json}});
  const auto source = open_data(options.path, options.source);
  Inspection inspection{.source = source->name(),
                        .samples = source->size(),
                        .spec = source->spec(),
                        .bytes = source->size() * sample_bytes(source->spec()),
                        .labels = {}};
  inspection.labels = count_labels(*source, inspection);
  print_results(to_text(inspection), options.json);
  write_json(to_json(inspection), options.json);
  return 0;
}

}  // namespace headrace::cli
