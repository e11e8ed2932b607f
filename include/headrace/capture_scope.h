// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/buffer.h"
#include "headrace/export.h"
#include "headrace/memory_manager.h"
#include "headrace/stream.h"

#include <cstddef>
#include <memory>

namespace headrace {

namespace core {
struct Capture;
}  // namespace core

/// Keeps the memory of a graph that is captured from a stream, such as a CUDA graph, out of every
/// other use for as long as the graph may be launched.
///
///     CaptureScope scope(manager, stream);    // before the capture begins
///     ... begin the capture, take and return buffers, launch, end the capture ...
///     scope.end_capture();
///     ... launch the graph; after a launch on another stream: scope.record_use(other) ...
///     // the graph goes first, then the scope
///
/// A buffer taken for `stream` while it is being captured is of memory whose uses are known to be
/// over, or of new memory: nothing is asked of the device, waited for or given back. One that is
/// returned meanwhile may serve a later take of the capture, except `cpu` memory. The manager has
/// it back when the scope ends, ordered after all work on `stream` and on the streams of
/// `record_use`. A buffer that is still taken then is its holder's, as ever, and comes back in the
/// same order.
///
/// The stream takes no markers while it is captured, for they would break the capture, nor at all
/// between the constructor, which marks the work so far, and `end_capture`. Work that has no marker
/// yet counts as not done: memory that it uses serves no other stream, and calls that must wait for
/// it throw `invalid_argument`. So begin the scope right before the capture, and end the capture
/// right after it. Without a scope only a capture that has begun is seen, and one that begins while
/// another thread looks whether work is done may be broken.
///
/// Graphs captured one after the other in one scope share memory, so they must be launched in an
/// order in which each is over before another begins; give others a scope each.
///
/// Order: as above. Until `end_capture`, takes and returns for the stream come past the threads'
/// caches. Life: holds the manager and the stream. Threads: one scope, one thread at a time; the
/// manager meanwhile is safe from any thread. Fork: in a child it does nothing.
class HEADRACE_EXPORT CaptureScope {
 public:
  /// \throws Error  `invalid_argument` for no manager, a stream of another device, or one
  ///                whose last scope has not ended its capture.
  explicit CaptureScope(MemoryManager manager, Stream stream = {});
  CaptureScope(CaptureScope&& other) noexcept;
  CaptureScope& operator=(CaptureScope&& other) noexcept;
  CaptureScope(const CaptureScope&) = delete;
  CaptureScope& operator=(const CaptureScope&) = delete;
  /// Gives the memory back to the manager.
  ~CaptureScope();

  /// Says that the capture is over: what it used stays kept, takes for the stream are what they are
  /// elsewhere, and the stream takes markers again. May be called again.
  void end_capture() noexcept;

  /// Keeps a buffer that was taken before the capture, or for another stream, and that the captured
  /// work uses: once returned it stays here until the scope ends. The caller holds the buffer.
  ///
  /// \throws Error  `invalid_argument` for an empty buffer, one of another manager, or one that
  ///                another scope keeps.
  void keep(const Buffer& buffer);

  /// Says that what was captured was launched on `stream`: the memory is used by others only after
  /// the work submitted there so far.
  ///
  /// \throws Error  `invalid_argument` for a stream of another device.
  void record_use(const Stream& stream);

  /// Bytes of the buffers that have come back and are kept.
  [[nodiscard]] std::size_t kept_bytes() const;

 private:
  void end() noexcept;

  MemoryManager manager_;
  Stream stream_;
  std::shared_ptr<core::Capture> capture_;  // null once moved from
};

}  // namespace headrace
