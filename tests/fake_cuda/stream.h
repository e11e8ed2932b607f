// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_cuda/work.h"

#include <cuda.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace headrace::fake_cuda {

struct Capture;
struct Context;

/// A point in a stream that is passed once.
struct Point {
  bool is_passed = false;
  std::chrono::steady_clock::time_point time;
};

/// A piece of work in a stream.
struct Operation {
  Work work;
  std::vector<std::shared_ptr<const Point>> waits;  ///< Must be passed before it runs.
  std::shared_ptr<Point> end = std::make_shared<Point>();
};

struct Stream {
  std::shared_ptr<Context> context;
  CUstream handle = nullptr;
  bool is_blocking = false;  ///< Ordered against the legacy stream.
  bool is_legacy = false;
  bool is_destroyed = false;
  bool is_running = false;  ///< The first operation of the queue is.
  std::deque<Operation> queue;
  std::shared_ptr<const Point> last;  ///< End of the last operation ever queued.
  std::shared_ptr<Capture> capture;   ///< It is part of.
  std::vector<std::size_t> tail;      ///< Nodes of the capture that the next one comes after.
};

struct Event {
  std::shared_ptr<Context> context;
  bool has_time = true;
  std::shared_ptr<const Point> last;  ///< Null when it was never recorded.
  std::shared_ptr<Capture> capture;   ///< Where it was last recorded, if in one.
  std::vector<std::size_t> nodes;     ///< There.
};

/// The stream of a handle, and whether anything may be issued to it.
CUresult find_stream(CUstream handle, std::shared_ptr<Stream>& stream);

/// Queues an operation behind what is in the stream, and for the legacy stream's sake others.
std::shared_ptr<const Point> enqueue(Stream& stream, Operation operation);

/// Issues work: to the stream, or to the graph that is captured from it.
CUresult issue(CUstream handle, Work work);

/// Waits until `point` is passed. \returns Success, or that the context is lost.
CUresult wait_for(const std::shared_ptr<Context>& context,
                  const std::shared_ptr<const Point>& point);

std::shared_ptr<Event> find_event(CUevent handle);
int live_streams();
int live_events();
/// Forgets the handles of what belongs to a context.
void drop_streams_of(const Context& context);

}  // namespace headrace::fake_cuda
