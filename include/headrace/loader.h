// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/export.h"
#include "headrace/list_view.h"
#include "headrace/loader_state.h"
#include "headrace/memory_manager.h"
#include "headrace/source.h"
#include "headrace/stats.h"
#include "headrace/stream.h"
#include "headrace/tail.h"
#include "headrace/tensor.h"
#include "headrace/trace.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace headrace {

namespace loader {
class Engine;
class Lease;
}  // namespace loader

/// Order of the dimensions of image-like inputs.
enum class Layout {
  keep,  ///< As the source has them.
  hwc,   ///< Height, width, channel: as the source has them; says that they are.
  chw,   ///< Channel, height, width, rearranged on the device.
};

/// What a sample that cannot be read does.
enum class OnError {
  raise,  ///< `get_batch` throws in place of its batch; the batches after it follow.
  skip,   ///< The batch goes without the sample; counted and listed in the statistics.
};

/// Which part of every step this process loads.
struct Shard {
  std::uint64_t rank = 0;        ///< Below `world_size`.
  std::uint64_t world_size = 1;  ///< Processes that share the data.
};

/// What becomes of inputs on the device. Labels and fields stay as they are.
struct OutputSpec {
  std::optional<DataType> dtype = {};  ///< Unset: the source's, or float32 when `mean` is given.
  Layout layout = Layout::keep;
  /// With `stddev`: out = x * a + b for every element, one mean and deviation for each channel, or
  /// one for all. The last dimension is the channels; inputs of two, [height, width], have one
  /// channel in every layout. For uint8 inputs both are in units of 0 to 1, as in
  /// torchvision: a = 1 / (255 stddev), b = -mean / stddev; else a = 1 / stddev. The product and
  /// the sum are each rounded to float32, then the result to `dtype`.
  std::vector<double> mean = {};
  std::vector<double> stddev = {};  ///< Each above 0; 1 when only `mean` is given.
};

/// How an AsyncDataLoader works. Zero `workers` or `prefetch_depth` mean the default.
struct AsyncDataLoaderConfig {
  std::size_t batch_size = 1;         ///< Samples of a batch of this process; at least 1.
  std::size_t prefetch_depth = 3;     ///< Batches made ready ahead of the consumer.
  std::size_t workers = 2;            ///< Threads that read; at a DataSource they take turns.
  MemoryManager memory_manager = {};  ///< Where batches live; empty means the global one.
  std::uint64_t epochs = 1;           ///< Passes over the data; 0 goes on until `stop`.
  bool shuffle = false;    ///< A new order of all samples every epoch, the same on all ranks.
  std::uint64_t seed = 0;  ///< Of the order and of every sample's `random_key`.
  Tail tail = Tail::short_batch;
  Shard shard = {};
  OnError on_error = OnError::raise;
  std::uint64_t max_failures = UINT64_MAX;  ///< With `skip`: one more is raised.
  OutputSpec output = {};
  std::vector<Tensor> weights = {};  ///< Shared with every batch.
  /// Most bytes of device memory for batches, those still referenced by the consumer included; 0
  /// means half of the device's memory.
  std::size_t byte_budget = 0;
  bool ordered = true;  ///< False hands batches out as they become ready.
  /// Where stages, and the device's work for them, are recorded; empty for nowhere.
  std::shared_ptr<Trace> trace = {};
};

/// The `ReadContext::random_key` of sample `index` in `epoch`, as every loader with `seed` gives it
/// to its source.
HEADRACE_EXPORT std::uint64_t random_key(std::uint64_t seed,
                                         std::uint64_t epoch,
                                         std::uint64_t index) noexcept;

/// One batch in device memory.
///
/// Move-only; destroying it releases it. Tensors copied from it keep their memory: the loader then
/// goes on with other memory in its place.
/// Threads: one thread at a time.
class HEADRACE_EXPORT GPUBatch {
 public:
  GPUBatch() noexcept;
  GPUBatch(GPUBatch&&) noexcept;
  GPUBatch& operator=(GPUBatch&&) noexcept;
  GPUBatch(const GPUBatch&) = delete;
  GPUBatch& operator=(const GPUBatch&) = delete;
  ~GPUBatch();

  Tensor input_tensor;              ///< [rows, input shape], converted as `output` says.
  Tensor label_tensor;              ///< [rows, label shape]; no elements where there are no labels.
  ListView<Tensor> weight_tensors;  ///< The config's; valid while this batch is.
  std::uint64_t batch_id = 0;       ///< Rises by one from batch to batch, over all epochs.
  std::uint64_t generation = 0;     ///< The loader's when the batch was made.
  std::uint64_t epoch = 0;          ///< Pass over the data, from 0.
  std::int64_t valid_count = 0;  ///< Rows that are samples in their own right; padding comes after.

  /// The tensor of a further field. \throws Error  `invalid_argument` when there is none so named.
  [[nodiscard]] const Tensor& tensor(std::string_view field) const;

  /// The source's index of every valid row; valid while this batch is.
  [[nodiscard]] ListView<std::uint64_t> sample_ids() const noexcept;

  /// Where the loader stands after this batch was handed out.
  [[nodiscard]] const LoaderState& state() const;

  /// Gives the batch back: its memory is used by the work submitted so far to the stream that
  /// `get_batch` was given. The tensors here become empty. Again: nothing.
  void release() noexcept;

  /// Gives the batch back after the work submitted so far to `stream` too.
  ///
  /// \throws Error  `invalid_argument` when `stream` is of another device or is being captured;
  /// then
  ///                nothing is changed.
  void release(const Stream& stream);

  /// False when empty or released.
  explicit operator bool() const noexcept { return lease_ != nullptr; }

 private:
  friend class loader::Engine;
  std::unique_ptr<loader::Lease> lease_;
};

/// Turns samples into batches in device memory, ahead of the consumer.
///
/// Order: batch b of an epoch is a function of the seed, the epoch, the shard and b, whatever the
/// workers do. Threads: safe from any thread; consumers share one sequence of batches.
/// Life: the destructor stops; the loader's own source may call it from a read. Batches may outlive
/// the loader. Fork: see Device.
/// Design: docs/design/006-loader.md.
class HEADRACE_EXPORT AsyncDataLoader {
 public:
  /// Loads from a serial source, whose `get_batch` and `reset` the workers call in turn, one at a
  /// time.
  ///
  /// \throws Error  `invalid_argument` for a setting out of range or no source; `unsupported` for
  ///                shuffle, more than one rank, `skip` or `ordered = false`, which a
  ///                serial source cannot serve.
  AsyncDataLoader(std::shared_ptr<DataSource> source, AsyncDataLoaderConfig config);

  /// Loads from a random-access source, which all workers read at once; asks for its fingerprint.
  ///
  /// \throws Error  `invalid_argument` for a setting out of range or no source; as `fingerprint`.
  AsyncDataLoader(std::shared_ptr<SampleSource> source, AsyncDataLoaderConfig config);

  AsyncDataLoader(AsyncDataLoader&&) noexcept = default;
  AsyncDataLoader& operator=(AsyncDataLoader&& other) noexcept;
  AsyncDataLoader(const AsyncDataLoader&) = delete;
  AsyncDataLoader& operator=(const AsyncDataLoader&) = delete;
  ~AsyncDataLoader();

  /// Begins at the first batch, or at the state that `restore` gave, in a new generation.
  ///
  /// \throws Error  `invalid_argument` while running; `out_of_memory`.
  void start();

  /// Takes the next batch and makes `stream` wait for it; the host does not wait for the device.
  ///
  /// Waits: until the batch is ready.
  /// \returns nullopt once the last epoch is drained.
  /// \throws Error  `stopped` when `stop` ended it, or it never started; what the source threw for
  ///                a sample of this batch, with the sample and the source named; `capacity` when
  ///                the memory budget, or `out_of_memory` when the manager's, is used up by batches
  ///                that are held, and then the call may be made again after releasing;
  ///                `invalid_argument` when `stream` is of another device or is being captured.
  std::optional<GPUBatch> get_batch(const Stream& stream = {});

  /// Takes the next batch if it is ready. \returns nullopt when it is not, also while memory for it
  /// is being looked for, or none is left.
  /// \throws Error  as `get_batch`.
  std::optional<GPUBatch> try_get_batch(const Stream& stream = {});

  /// Whether the last batch of the last epoch was handed out.
  [[nodiscard]] bool is_finished() const;

  /// Ends loading: callers waiting in `get_batch` get `stopped`, batches not handed out are
  /// dropped, batches handed out stay valid. Waits: for the source's calls in flight; begins none.
  /// Again: nothing.
  void stop() noexcept;

  [[nodiscard]] AsyncDataLoaderStats stats() const;

  /// Where the consumer stands: after the last batch handed out.
  [[nodiscard]] LoaderState state() const;

  /// Makes the next `start` begin at `state`, with any number of workers and ranks.
  ///
  /// \throws Error  `invalid_argument` while running, or when `state` is of other data, another
  /// seed
  ///                or another order.
  void restore(const LoaderState& state);

  /// Goes through the batches; see `begin`.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = GPUBatch;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    GPUBatch& operator*() const { return *batch_; }
    GPUBatch* operator->() const { return batch_.get(); }
    iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    friend bool operator==(const iterator& a, const iterator& b) noexcept {
      return a.batch_ == b.batch_;
    }

   private:
    friend class AsyncDataLoader;
    explicit iterator(AsyncDataLoader* loader) : loader_(loader) { advance(); }
    HEADRACE_EXPORT void advance();

    AsyncDataLoader* loader_ = nullptr;
    std::shared_ptr<GPUBatch> batch_;
  };

  /// The first batch not handed out; starts the loader if it is not running. A batch is released
  /// when the iterator moves on, unless it was moved from.
  iterator begin();
  iterator end() { return {}; }

 private:
  std::shared_ptr<loader::Engine> engine_;
};

}  // namespace headrace
