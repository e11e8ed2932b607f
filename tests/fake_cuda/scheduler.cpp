// SPDX-License-Identifier: Apache-2.0
// The device: a thread that does the work of all streams, one piece after another, in an order that
// is random where streams leave it open. Functions of the program's run on a second thread, one
// after another, so that one that waits keeps only its own stream.
#include "fake_cuda/scheduler.h"

#include "fake_cuda/context.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/stream.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <thread>
#include <utility>

namespace headrace::fake_cuda {

namespace {

struct HostJob {
  std::shared_ptr<Stream> stream;
  std::function<void()> run;
};

struct State {
  bool is_started = false;
  bool is_manual = false;
  int allowed = 0;  ///< Pieces of work that `run` lets through.
  int running = 0;  ///< Pieces under way, but for the program's functions.
  int done = 0;
  std::mt19937_64 random{1};
  std::deque<HostJob> host_jobs;
};

State& state() {
  static auto* const kState = new State;
  return *kState;
}

bool is_ready(const Stream& stream) {
  return !stream.is_running && !stream.queue.empty() &&
         std::ranges::all_of(stream.queue.front().waits,
                             [](const auto& point) { return point->is_passed; });
}

std::vector<std::shared_ptr<Stream>> ready_streams() {
  std::vector<std::shared_ptr<Stream>> ready;
  for (const auto& context : contexts()) {
    if (!context->is_lost) {
      std::ranges::copy_if(context->streams, std::back_inserter(ready), [](const auto& stream) {
        return is_ready(*stream);
      });
    }
  }
  return ready;
}

void finish(const std::shared_ptr<Stream>& stream) {
  stream->is_running = false;
  if (state_of(stream->context) == CUDA_SUCCESS) {  // Work of a lost context never ends.
    Point& end = *stream->queue.front().end;
    end.time = std::chrono::steady_clock::now();
    end.is_passed = true;
    stream->queue.pop_front();
    ++state().done;
    if (stream->is_destroyed && stream->queue.empty()) {
      stream->context->streams.remove(stream);
    }
  }
  changed().notify_all();
}

/// Work is late: now and then the device is busy with something else.
void dawdle(std::uint64_t dice) {
  for (std::uint64_t i = dice % 4 == 0 ? dice / 4 % 16 : 0; i > 0; --i) {
    std::this_thread::yield();
  }
}

void start(const std::shared_ptr<Stream>& stream) {
  stream->is_running = true;
  const Work& work = stream->queue.front().work;
  std::function<void()> run = prepare(work);
  if (!run) {
    lose(stream->context->device);
    finish(stream);
    return;
  }
  if (std::holds_alternative<HostCall>(work)) {
    state().host_jobs.push_back({stream, std::move(run)});
    changed().notify_all();
    return;
  }
  ++state().running;
  const std::uint64_t dice = state().random();
  lock().unlock();
  dawdle(dice);
  run();
  run = {};  // Memory that is let go meanwhile goes here.
  lock().lock();
  --state().running;
  finish(stream);
}

[[noreturn]] void work() {
  lock().lock();
  while (true) {
    std::vector<std::shared_ptr<Stream>> ready;
    wait_until([&] {
      if (state().is_manual && state().allowed == 0) {
        return false;
      }
      ready = ready_streams();
      return !ready.empty();
    });
    if (state().is_manual) {
      --state().allowed;
    }
    start(ready[random_below(ready.size())]);
  }
}

[[noreturn]] void call_program() {
  this_thread().is_in_callback = true;
  lock().lock();
  while (true) {
    wait_until([] { return !state().host_jobs.empty(); });
    HostJob job = std::move(state().host_jobs.front());
    state().host_jobs.pop_front();
    lock().unlock();
    job.run();
    lock().lock();
    finish(job.stream);
  }
}

}  // namespace

void work_came() {
  if (!std::exchange(state().is_started, true)) {
    std::thread(work).detach();
    std::thread(call_program).detach();
  }
  changed().notify_all();
}

void set_manual(bool is_manual) {
  state().is_manual = is_manual;
  state().allowed = 0;
  changed().notify_all();
}

int run(int count) {
  const int before = state().done;
  state().allowed = count;
  changed().notify_all();
  wait_until(
      [] { return state().running == 0 && (state().allowed == 0 || ready_streams().empty()); });
  state().allowed = 0;
  return state().done - before;
}

void set_seed(std::uint64_t seed) {
  state().random.seed(seed);
}

int pending_work() {
  std::size_t pending = 0;
  for (const auto& context : contexts()) {
    for (const auto& stream : context->streams) {
      pending += stream->queue.size();
    }
  }
  return static_cast<int>(pending);
}

std::uint64_t random_below(std::uint64_t end) {
  return state().random() % end;
}

}  // namespace headrace::fake_cuda
