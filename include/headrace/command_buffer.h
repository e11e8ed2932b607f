// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/completion.h"
#include "headrace/export.h"
#include "headrace/native_handle.h"
#include "headrace/stats.h"
#include "headrace/stream.h"
#include "headrace/tensor.h"
#include "headrace/trace.h"

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace headrace {

namespace core {
class CommandPoolState;
struct CommandSlot;
}  // namespace core

/// Operations recorded to be submitted as one piece.
///
/// Move-only; goes back to its pool when destroyed, and what was recorded is forgotten.
/// Life: keeps the tensors recorded into it until their work is submitted.
/// Threads: one thread at a time. Every recording call throws `invalid_argument` when this is
/// empty.
class HEADRACE_EXPORT CommandBuffer {
 public:
  CommandBuffer() = default;
  CommandBuffer(CommandBuffer&& other) noexcept = default;
  CommandBuffer& operator=(CommandBuffer&& other) noexcept;
  CommandBuffer(const CommandBuffer&) = delete;
  CommandBuffer& operator=(const CommandBuffer&) = delete;
  ~CommandBuffer();

  /// Number of the buffer in its pool, from 1; 0 when empty.
  [[nodiscard]] int id() const noexcept;
  /// True while it is taken from its pool; false when empty.
  [[nodiscard]] bool is_in_use() const noexcept;
  /// The stream that the commands will run on, in the API below.
  [[nodiscard]] NativeHandle native_handle() const;

  /// Records a copy of `from`'s elements into `to`.
  ///
  /// One of the two is of the stream's device; the other may be of one that this one reaches.
  ///
  /// \throws Error  `invalid_argument` when type or shape differ, or a device is another;
  ///                nothing is recorded.
  void copy(const Tensor& from, const Tensor& to);

  /// Records setting every element of `tensor` to `value`, converted to its type.
  void fill(const Tensor& tensor, double value);

  /// Records converting `from`'s elements into `to`, whose shape must be the same.
  void convert(const Tensor& from, const Tensor& to);

  /// Records work of the caller's own. `function` is called once when the work is recorded for the
  /// device, or on `host` in its turn on the stream's thread, with a stream whose `native_handle`
  /// is what to launch on. An exception it throws is the error of the submission, whose later
  /// operations are not run. It must not wait for its own stream.
  ///
  /// Order: after the operations recorded before. Tensors it uses are the caller's to keep, and to
  /// announce with `record_use`.
  void launch(std::function<void(Stream)> function);

  explicit operator bool() const noexcept { return slot_ != nullptr; }

 private:
  friend class core::CommandPoolState;
  std::shared_ptr<core::CommandSlot> slot_;
};

/// One operation of a batch.
struct BatchOperation {
  std::string type = {};                                    ///< Label that the pool's trace shows.
  std::function<void(CommandBuffer&)> data = {};            ///< Records the operation.
  std::function<void(std::exception_ptr)> completion = {};  ///< Told when the batch is done.
};

/// Command buffers for one stream, used again and again.
///
/// Threads: safe from any thread. Completion handlers run one after another on a worker of the
/// pool's, with no lock held; they may call the library, this pool included. What a handler throws
/// is counted and written to the log.
class HEADRACE_EXPORT CommandBufferPool {
 public:
  /// \param stream       Stream that everything runs on; not `Stream{}`, which names no device.
  /// \param max_buffers  Most command buffers that may exist, at least 1.
  /// \param trace        Where commands are recorded, by label, on a track named after the stream;
  ///                     empty for nowhere. `host` and MockDevice record.
  /// \throws Error  `invalid_argument`.
  CommandBufferPool(Stream stream, std::size_t max_buffers, std::shared_ptr<Trace> trace = nullptr);
  CommandBufferPool(CommandBufferPool&&) noexcept = default;
  CommandBufferPool& operator=(CommandBufferPool&& other) noexcept;
  CommandBufferPool(const CommandBufferPool&) = delete;
  CommandBufferPool& operator=(const CommandBufferPool&) = delete;
  /// Waits as `cleanup` does, and for what handlers submit meanwhile, to its end.
  ~CommandBufferPool();

  /// Takes a command buffer with nothing recorded.
  ///
  /// Waits: while all are taken and one of them is in flight or in the hand of a call of
  /// `execute_batch` or `execute_async` on another thread.
  /// \throws Error  `capacity` when all are held by callers, for then nothing would end the wait.
  CommandBuffer get_buffer();

  /// Takes a command buffer. \returns nullopt when all are taken.
  std::optional<CommandBuffer> try_get_buffer();

  /// Gives a command buffer back unsubmitted. An empty one is ignored.
  void return_buffer(CommandBuffer&& buffer) noexcept;

  /// Submits what was recorded and returns at once.
  ///
  /// The buffer is back in the pool before the handler runs and before a wait on the result
  /// returns.
  ///
  /// \param completion  Told exactly once, with null or the error.
  /// \throws Error  `invalid_argument` when `buffer` is empty or of another pool, or the stream
  ///                takes no markers (see CaptureScope). A failure of the submission itself is
  ///                told to the handler and by the result.
  Completion execute_async(CommandBuffer&& buffer,
                           std::function<void(std::exception_ptr)> completion = {});

  /// Records all operations, in order, into one command buffer and submits it once.
  ///
  /// Every operation's handler is told the batch's error, or null. When recording throws, nothing
  /// is submitted and that is the error. Waits: as `get_buffer`. \throws Error  `invalid_argument`
  /// for no operation; `capacity`.
  Completion execute_batch(std::span<const BatchOperation> operations);

  [[nodiscard]] CommandPoolStats stats() const;

  /// Waits for what is in flight and for the handlers due, then drops the idle command buffers. The
  /// pool stays usable. Called from a handler it waits for the work only.
  void cleanup() noexcept;

 private:
  std::shared_ptr<core::CommandPoolState> state_;
};

}  // namespace headrace
