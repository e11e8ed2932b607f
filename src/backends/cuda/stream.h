// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/graph_cache.h"
#include "backends/cuda/kept_work.h"
#include "backends/cuda/markers.h"
#include "backends/cuda/recording.h"
#include "backends/shared/keeper.h"

#include <atomic>
#include <memory>
#include <vector>

namespace headrace::cuda {

class Context;

/// A stream of a device: the interface's rules on CUDA's streams and events.
class Stream final : public BackendStream {
 public:
  /// Who else may submit to it, and who destroys it: a stream of ours that nobody knows, the
  /// device's default stream, or one that somebody made elsewhere.
  enum class Kind { own, default_stream, adopted };

  /// A new stream. \throws Error  as the driver says.
  static std::shared_ptr<Stream> make(std::shared_ptr<Context> context);

  Stream(std::shared_ptr<Context> context, CUstream stream, Kind kind);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() override;

  void prepare(Submission& submission) override;
  void submit(std::shared_ptr<Submission> submission) override;
  void signal(MarkerSerial serial) override;
  MarkerSerial completed() override;
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) override;
  void wait_for(BackendStream& producer, MarkerSerial serial) override;
  [[nodiscard]] NativeHandle native_handle() override;
  [[nodiscard]] bool is_private() const override { return kind_ == Kind::own; }
  [[nodiscard]] bool is_capturing() const override;

 private:
  EventHold record(EventPool& events);
  KeptWork& add_to(backends::KeptOne& one, std::shared_ptr<Submission> submission);
  void keep(const EventHold& done, backends::KeptOne one);
  void submit_recorded(std::shared_ptr<Submission> submission);
  void submit_traced(std::shared_ptr<Submission> submission);
  void submit_plain(const Submission& submission);
  bool wait_for_event(const EventHold& event, std::chrono::nanoseconds timeout);
  bool poll(const EventHold& event, std::chrono::nanoseconds timeout);

  const std::shared_ptr<Context> context_;
  CUstream const stream_;
  const Kind kind_;
  mutable std::atomic<bool> is_known_;  // somebody outside has, or had, its handle
  Markers markers_;
  GraphCache graphs_;                  // of the submitting thread's
  std::vector<Operation> operations_;  // the same; kept for its memory
  const std::shared_ptr<EventClock> clock_;
  backends::KeptOne unfollowed_;  // whose end no event tells
  backends::Keeper keeper_;
};

}  // namespace headrace::cuda
