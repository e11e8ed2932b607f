// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// Runs a small program of a few threads in every order in which their atomic operations can come,
// with every value that a load may see under C++'s rules for release and acquire: a store may stay
// unseen by another thread until something orders the two. Plain data is watched for accesses that
// nothing orders.
//
// The model: each atomic object has its stores in one order. A load sees any of them that is not
// older than one its thread has seen, or than one that happens before it. A release store carries
// its thread's clock, which an acquire load of it joins. Sequentially consistent loads see at least
// the last sequentially consistent store. A heavy barrier makes everything stored so far visible to
// all, and orders nothing else.

namespace headrace::test {

/// One exploration: the choices made so far, and what was found.
class WeakMemory {
 public:
  static constexpr std::size_t kThreads = 3;
  using Clock = std::array<std::size_t, kThreads>;

  /// Runs `bodies` in every order; `make` prepares each run. Stops at the first run that fails.
  /// \returns In how many orders it ran.
  std::size_t explore(const std::function<std::vector<std::function<void()>>()>& make) {
    std::size_t runs = 0;
    do {
      run(make());
      ++runs;
    } while (failure_.empty() && next_path());
    return runs;
  }

  /// What was wrong in the last run; empty when nothing was.
  [[nodiscard]] const std::string& failure() const { return failure_; }

  void fail(const std::string& what) {
    if (failure_.empty()) {
      failure_ = what;
    }
  }

  /// The exploration that the calling thread takes part in.
  static WeakMemory& current() { return *current_; }

  // --- What the model's atomics and data call, on a thread that has the turn.

  /// A place where another thread may go on first.
  void point() { hand_on(pick_thread()); }

  /// Waits until another thread made a step, after which old stores are seen.
  void pause() {
    std::vector<std::size_t> others = runnable();
    std::erase(others, self_);
    if (!others.empty()) {
      hand_on(others[choose(others.size())]);
    }
    see_all(self_);
  }

  void heavy_barrier() {
    point();
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      see_all(thread);
    }
  }

  std::size_t choose(std::size_t options) {
    if (options < 2) {
      return 0;
    }
    if (place_ == path_.size()) {
      path_.push_back({0, options});
    }
    return path_[place_++].choice;
  }

  [[nodiscard]] static std::size_t self() { return self_; }
  [[nodiscard]] Clock& clock() { return clocks_[self_]; }
  /// Moves the calling thread's own time on.
  std::size_t tick() { return ++clocks_[self_][self_]; }

  /// The oldest store of an atomic object that a thread may still see.
  std::size_t& floor(const void* object, std::size_t thread) { return floors_[object][thread]; }
  std::size_t& newest(const void* object) { return newest_[object]; }

 private:
  struct Choice {
    std::size_t choice;
    std::size_t options;
  };

  void run(const std::vector<std::function<void()>>& bodies) {
    place_ = 0;
    clocks_ = {};
    floors_.clear();
    newest_.clear();
    done_.assign(bodies.size(), false);
    turn_ = choose(bodies.size());
    std::vector<std::thread> threads;
    for (std::size_t number = 0; number < bodies.size(); ++number) {
      threads.emplace_back([this, number, &bodies] { live(number, bodies[number]); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  void live(std::size_t number, const std::function<void()>& body) {
    self_ = number;
    current_ = this;
    await_turn();
    body();
    const std::scoped_lock lock(mutex_);
    done_[number] = true;
    const std::vector<std::size_t> others = runnable();
    if (!others.empty()) {
      turn_ = others[choose(others.size())];
    }
    changed_.notify_all();
  }

  [[nodiscard]] std::vector<std::size_t> runnable() const {
    std::vector<std::size_t> threads;
    for (std::size_t thread = 0; thread < done_.size(); ++thread) {
      if (!done_[thread]) {
        threads.push_back(thread);
      }
    }
    return threads;
  }

  std::size_t pick_thread() {
    const std::vector<std::size_t> threads = runnable();
    return threads[choose(threads.size())];
  }

  void hand_on(std::size_t thread) {
    if (thread != self_) {
      {
        const std::scoped_lock lock(mutex_);
        turn_ = thread;
      }
      changed_.notify_all();
      await_turn();
    }
  }

  void await_turn() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return turn_ == self_; });
  }

  void see_all(std::size_t thread) {
    for (const auto& [object, index] : newest_) {
      floors_[object][thread] = index;
    }
  }

  /// Changes the last choice that has another option. \returns False when there is none.
  bool next_path() {
    path_.resize(place_);
    while (!path_.empty() && ++path_.back().choice == path_.back().options) {
      path_.pop_back();
    }
    return !path_.empty();
  }

  inline static thread_local WeakMemory* current_ = nullptr;
  inline static thread_local std::size_t self_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t turn_ = 0;
  std::vector<bool> done_;
  std::vector<Choice> path_;
  std::size_t place_ = 0;
  std::array<Clock, kThreads> clocks_{};
  std::map<const void*, std::array<std::size_t, kThreads>> floors_;
  std::map<const void*, std::size_t> newest_;
  std::string failure_;
};

/// Stands for std::atomic. `Order` may weaken what the code under test asks for.
template <class T, class Order>
class ModelAtomic {
 public:
  ModelAtomic(T value) : stores_{{value, {}, {}, true}} {}  // NOLINT(google-explicit-constructor)
  ~ModelAtomic() = default;
  ModelAtomic(const ModelAtomic&) = delete;
  ModelAtomic& operator=(const ModelAtomic&) = delete;

  void store(T value, std::memory_order asked) {
    WeakMemory& memory = WeakMemory::current();
    memory.point();
    add(value, Order::of_store(asked, value));
  }

  T load(std::memory_order asked) {
    WeakMemory& memory = WeakMemory::current();
    memory.point();
    const std::memory_order order = Order::of_load(asked);
    std::size_t oldest = memory.floor(this, WeakMemory::self());
    for (std::size_t i = oldest; i < stores_.size(); ++i) {
      const bool must_see = happens_before(stores_[i]) ||
                            (order == std::memory_order_seq_cst && stores_[i].is_seq_cst);
      oldest = must_see ? i : oldest;
    }
    return see(oldest + memory.choose(stores_.size() - oldest), order);
  }

  T exchange(T value, std::memory_order order) {
    WeakMemory::current().point();
    const T before = see(stores_.size() - 1, order);  // Always the last store.
    add(value, order);
    return before;
  }

 private:
  struct Store {
    T value;
    WeakMemory::Clock made;      // its maker's clock
    WeakMemory::Clock released;  // what a load of it acquires
    bool is_seq_cst;
    std::size_t maker = WeakMemory::kThreads;
  };

  static bool happens_before(const Store& store) {
    return store.maker == WeakMemory::kThreads ||
           store.made[store.maker] <= WeakMemory::current().clock()[store.maker];
  }

  void add(T value, std::memory_order order) {
    WeakMemory& memory = WeakMemory::current();
    memory.tick();
    const bool releases = order != std::memory_order_relaxed;
    stores_.push_back({value,
                       memory.clock(),
                       releases ? memory.clock() : WeakMemory::Clock{},
                       order == std::memory_order_seq_cst,
                       WeakMemory::self()});
    memory.newest(this) = stores_.size() - 1;
    memory.floor(this, WeakMemory::self()) = stores_.size() - 1;
  }

  T see(std::size_t index, std::memory_order order) {
    WeakMemory& memory = WeakMemory::current();
    memory.floor(this, WeakMemory::self()) = index;
    if (order != std::memory_order_relaxed) {
      for (std::size_t i = 0; i < WeakMemory::kThreads; ++i) {
        memory.clock()[i] = std::max(memory.clock()[i], stores_[index].released[i]);
      }
    }
    return stores_[index].value;
  }

  std::vector<Store> stores_;
};

/// Plain data: every access must be ordered with every other by another thread.
class ModelData {
 public:
  /// Reads and writes.
  void touch() {
    WeakMemory& memory = WeakMemory::current();
    for (std::size_t thread = 0; thread < WeakMemory::kThreads; ++thread) {
      if (last_[thread] > memory.clock()[thread]) {
        memory.fail("thread " + std::to_string(WeakMemory::self()) +
                    " touches the data, and nothing orders that with thread " +
                    std::to_string(thread));
      }
    }
    last_[WeakMemory::self()] = memory.tick();
  }

 private:
  WeakMemory::Clock last_{};
};

}  // namespace headrace::test
