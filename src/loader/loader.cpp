// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/process.h"
#include "loader/engine.h"
#include "loader/permutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headrace {

using loader::Engine;
using loader::Lease;

namespace {

void note_use(const Lease& lease, core::StreamState& stream) noexcept {
  lease.packed->block().note_use(stream);
  if (lease.expanded) {
    lease.expanded->block().note_use(stream);
  }
}

bool is_of_this_process(const Lease& lease) noexcept {
  return lease.packed->pool().process().is_current();
}

/// The engine, shared for the length of a call: the source may destroy the loader meanwhile.
std::shared_ptr<Engine> made(std::shared_ptr<Engine> engine) {
  if (!engine) {
    throw Error(ErrorCode::invalid_argument, "This loader was moved from.");
  }
  engine->process().require_current("The loader");
  return engine;
}

}  // namespace

std::uint64_t random_key(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index) noexcept {
  return loader::mix(seed, epoch, index);
}

GPUBatch::GPUBatch() noexcept = default;

GPUBatch::GPUBatch(GPUBatch&&) noexcept = default;

GPUBatch& GPUBatch::operator=(GPUBatch&& other) noexcept {
  if (this != &other) {
    release();
    input_tensor = std::move(other.input_tensor);
    label_tensor = std::move(other.label_tensor);
    weight_tensors = std::exchange(other.weight_tensors, {});
    batch_id = other.batch_id;
    generation = other.generation;
    epoch = other.epoch;
    valid_count = other.valid_count;
    lease_ = std::move(other.lease_);
  }
  return *this;
}

GPUBatch::~GPUBatch() {
  release();
}

const Tensor& GPUBatch::tensor(std::string_view field) const {
  if (lease_) {
    const auto found = std::ranges::find(lease_->field_names, field);
    if (found != lease_->field_names.end()) {
      return lease_->fields[static_cast<std::size_t>(found - lease_->field_names.begin())];
    }
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("The batch has no field '{}'{}.",
                          field,
                          lease_ ? fmt::format("; its fields are [{}]",
                                               fmt::join(lease_->field_names, ", "))
                                 : " because it is empty"));
}

ListView<std::uint64_t> GPUBatch::sample_ids() const noexcept {
  return lease_ ? ListView<std::uint64_t>(lease_->ids) : ListView<std::uint64_t>();
}

const LoaderState& GPUBatch::state() const {
  if (!lease_) {
    throw Error(ErrorCode::invalid_argument, "GPUBatch::state was called on an empty batch.");
  }
  return lease_->state;
}

void GPUBatch::release() noexcept {
  if (!lease_) {
    return;
  }
  std::unique_ptr<Lease> lease = std::move(lease_);
  input_tensor.release();
  label_tensor.release();
  weight_tensors = {};
  if (!is_of_this_process(*lease)) {
    [[maybe_unused]] const Lease* stays = lease.release();
    return;
  }
  note_use(*lease, *lease->stream);
  lease->fields.clear();
  lease->packed.reset();
  lease->expanded.reset();
  lease->stream.reset();
  lease->weights.reset();
  if (const std::shared_ptr<Engine> engine = std::exchange(lease->engine, {}).lock()) {
    engine->recycle(std::move(lease));
  }
}

void GPUBatch::release(const Stream& stream) {
  if (!lease_ || !is_of_this_process(*lease_)) {
    release();
    return;
  }
  const auto user = lease_->packed->pool().device_state().resolve(stream);
  if (user->is_capturing()) {
    throw Error(ErrorCode::invalid_argument,
                "A batch cannot be released on a stream that is being captured.");
  }
  note_use(*lease_, *user);
  release();
}

AsyncDataLoader::AsyncDataLoader(std::shared_ptr<DataSource> source, AsyncDataLoaderConfig config)
    : engine_(core::make_shared_here<Engine>(std::move(source), std::move(config))) {}

AsyncDataLoader::AsyncDataLoader(std::shared_ptr<SampleSource> source, AsyncDataLoaderConfig config)
    : engine_(core::make_shared_here<Engine>(std::move(source), std::move(config))) {}

AsyncDataLoader& AsyncDataLoader::operator=(AsyncDataLoader&& other) noexcept {
  const AsyncDataLoader old(std::move(*this));
  engine_ = std::move(other.engine_);
  return *this;
}

AsyncDataLoader::~AsyncDataLoader() {
  if (engine_) {
    engine_->stop();
  }
}

void AsyncDataLoader::start() {
  made(engine_)->start();
}

std::optional<GPUBatch> AsyncDataLoader::get_batch(const Stream& stream) {
  return made(engine_)->get(stream, true);
}

std::optional<GPUBatch> AsyncDataLoader::try_get_batch(const Stream& stream) {
  return made(engine_)->get(stream, false);
}

bool AsyncDataLoader::is_finished() const {
  return made(engine_)->is_finished();
}

void AsyncDataLoader::stop() noexcept {
  if (engine_) {
    engine_->stop();
  }
}

AsyncDataLoaderStats AsyncDataLoader::stats() const {
  return made(engine_)->stats();
}

LoaderState AsyncDataLoader::state() const {
  return made(engine_)->state();
}

void AsyncDataLoader::restore(const LoaderState& state) {
  made(engine_)->restore(state);
}

AsyncDataLoader::iterator AsyncDataLoader::begin() {
  if (!made(engine_)->is_running()) {
    start();
  }
  return iterator(this);
}

void AsyncDataLoader::iterator::advance() {
  batch_.reset();
  if (std::optional<GPUBatch> next = loader_->get_batch()) {
    batch_ = std::make_shared<GPUBatch>(std::move(*next));
  }
}

}  // namespace headrace
