// SPDX-License-Identifier: Apache-2.0
#include "headrace/weights.h"

#include "headrace/completion.h"
#include "headrace/staging.h"

#include "sources/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace headrace {
namespace {

using sources::SafetensorsEntry;

// One is filled while the others are copied. The size is a multiple of every element's.
constexpr std::size_t kStagingBuffers = 3;
constexpr std::size_t kStagingBytes = std::size_t{4} << 20;
constexpr std::size_t kLargestElement = 8;

/// Bytes of a staging buffer that suit `entries`: no more than the largest of them.
std::size_t staging_bytes(const std::vector<SafetensorsEntry>& entries) {
  std::size_t largest = kLargestElement;
  for (const SafetensorsEntry& entry : entries) {
    largest = std::max(largest, std::min(entry.end - entry.begin, kStagingBytes));
  }
  return (largest + kLargestElement - 1) / kLargestElement * kLargestElement;
}

/// Begins to copy `bytes`, all of `target`, piece by piece.
void upload(StagingBufferPool& pool,
            std::span<const std::byte> bytes,
            const Tensor& target,
            std::vector<Completion>& copies) {
  const std::size_t element = size_of(target.dtype());
  const Tensor flat = target.reshape(Shape{bytes.size() / element});
  for (std::size_t at = 0; at < bytes.size();) {
    StagingBuffer buffer = pool.get_buffer();
    const std::size_t piece = std::min(bytes.size() - at, buffer.size());
    std::memcpy(buffer.data(), bytes.data() + at, piece);
    const auto begin = static_cast<std::int64_t>(at / element);
    const auto end = static_cast<std::int64_t>((at + piece) / element);
    copies.push_back(pool.transfer_to_gpu(std::move(buffer), flat.slice(begin, end)));
    at += piece;
  }
}

}  // namespace

std::vector<NamedTensor> read_weights(const std::filesystem::path& path,
                                      const MemoryManager& manager,
                                      const Stream& stream) {
  const sources::MappedFile file(path);
  const std::vector<SafetensorsEntry> entries = sources::read_safetensors_header(file);
  StagingBufferPool pool(manager, kStagingBuffers, staging_bytes(entries));
  std::vector<NamedTensor> weights;
  std::vector<Completion> copies;
  for (const SafetensorsEntry& entry : entries) {
    file.check_not_shortened();
    Tensor tensor(manager, Shape(entry.extents), entry.dtype, DeviceType::persistent_gpu, stream);
    upload(pool, file.bytes().subspan(entry.begin, entry.end - entry.begin), tensor, copies);
    weights.push_back({entry.name, std::move(tensor)});
  }
  for (const Completion& copy : copies) {
    copy.wait();
  }
  return weights;
}

}  // namespace headrace
