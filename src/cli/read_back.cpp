// SPDX-License-Identifier: Apache-2.0
#include "cli/element_type.h"
#include "cli/verify.h"

#include <concepts>
#include <span>
#include <vector>

namespace headrace::cli {
namespace {

HostBatch::Part part_of(const Tensor& tensor) {
  HostBatch::Part part{.shape = tensor.shape(), .dtype = tensor.dtype()};
  with_element_type(tensor.dtype(), [&]<class T>() {
    const std::vector<T> elements = tensor.to_vector<T>();
    if constexpr (std::same_as<T, bool>) {  // comes as bits
      for (const bool element : elements) {
        part.bytes.push_back(std::byte{element});
      }
    } else {
      const auto bytes = std::as_bytes(std::span(elements));
      part.bytes.assign(bytes.begin(), bytes.end());
    }
  });
  return part;
}

}  // namespace

HostBatch read_back(const GPUBatch& batch, const SampleSpec& spec) {
  const auto ids = batch.sample_ids();
  HostBatch result{.epoch = batch.epoch,
                   .ids = {ids.begin(), ids.end()},
                   .input = part_of(batch.input_tensor),
                   .label = part_of(batch.label_tensor)};
  for (const SampleSpec::Field& field : spec.fields) {
    result.fields.push_back(part_of(batch.tensor(field.name)));
  }
  return result;
}

}  // namespace headrace::cli
