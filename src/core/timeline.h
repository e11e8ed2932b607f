// SPDX-License-Identifier: Apache-2.0
/// \file
/// The timeline: what "done" means, for every stream of every backend.
/// Design: docs/design/001-timeline.md.
#pragma once

#include "headrace/backend.h"

#include "core/cache_key.h"
#include "core/process.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <vector>

namespace headrace::core {

class StreamState;

/// Whether work of either device may wait for the other's and copy from and to its memory.
bool are_joined(const BackendDevice& a, const BackendDevice& b);

/// A point of a stream's work: everything submitted to `stream` before marker `serial`.
struct Ticket {
  std::shared_ptr<StreamState> stream;
  MarkerSerial serial = 0;
};

/// What a stream's later work comes after, so that it need not wait twice: the last marker waited
/// for of each of a few streams. Not synchronised.
class WaitedFor {
 public:
  [[nodiscard]] bool covers(const Ticket& ticket) const noexcept;
  void add(const Ticket& ticket) noexcept;

 private:
  struct Entry {
    std::uint64_t stream = 0;  // its id; 0 for none
    MarkerSerial serial = 0;
  };
  std::array<Entry, 4> entries_{};
  std::size_t next_ = 0;  // the entry that another stream takes the place of
};

/// One stream of a backend, its markers counted.
///
/// Invariant: until it is closed, `completed_ <= recorded_`; a marker is recorded only under
/// `mutex_`, so serials rise in the order the backend sees them. A ticket may name the marker after
/// the last recorded one; it is recorded when somebody first asks about it, and then covers at
/// least the work it stood for. While the stream is captured it takes no markers, for one would
/// break the capture: what has none yet is not done, and cannot be waited for. A closed stream has
/// passed all. Threads: safe from any thread. Lock order: `mutex_`, then `open_mutex_`, which is
/// innermost; no lock of others is taken under them.
class StreamState : public std::enable_shared_from_this<StreamState> {
 public:
  enum class Owner { headrace, adopted };

  StreamState(std::shared_ptr<BackendDevice> device,
              std::shared_ptr<BackendStream> backend,
              Owner owner);

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  /// The id as thread caches know it.
  [[nodiscard]] std::uint32_t short_id() const noexcept { return short_id_; }
  [[nodiscard]] const BackendDevice& device() const noexcept { return *device_; }
  /// The backend's handle. From then on work may reach the stream unseen.
  [[nodiscard]] NativeHandle native_handle();
  [[nodiscard]] bool is_capturing() const;

  /// Whether a new marker would be recorded: not while the stream is captured, nor between the two
  /// calls below.
  [[nodiscard]] bool takes_markers() const;
  /// Marks the work so far, if it can be, and takes no markers until as many `resume_markers`:
  /// before a capture, which may begin while another thread is about to mark.
  void pause_markers() noexcept;
  void resume_markers() noexcept;

  /// Has the backend record what it must before the work is submitted. Runs functions of the
  /// caller's, so no lock is held.
  void prepare(Submission& submission);
  /// Hands work to the backend.
  void submit(std::shared_ptr<Submission> submission);

  /// The point after everything submitted so far: the next marker, or the last one when nothing can
  /// have been submitted since. Costs no backend call, except on an adopted stream, whose owner may
  /// end it: there the marker is recorded at once, unless it takes none.
  Ticket stamp();

  /// The same, for work just submitted, which must not be forgotten: a marker that cannot be
  /// recorded is recorded later.
  Ticket point() noexcept;

  /// The serial that `stamp` would give a stream of our own. Calls nothing, and never fails.
  [[nodiscard]] MarkerSerial stamp_serial() const noexcept {
    return stamp_.load(std::memory_order_acquire);
  }

  /// Whether marker `serial` is known to be passed. Asks nobody.
  [[nodiscard]] bool has_passed(MarkerSerial serial) const noexcept {
    return serial <= completed_.load(std::memory_order_acquire) ||
           is_lost_.load(std::memory_order_relaxed);
  }

  /// Whether the device was lost, as far as is known, before marker `serial` was passed.
  [[nodiscard]] bool was_lost_before(MarkerSerial serial) const noexcept {
    return is_lost_.load(std::memory_order_relaxed) &&
           serial > completed_.load(std::memory_order_acquire);
  }

  /// \throws Error  `device_lost` when marker `serial` counts as passed only because of that.
  void require_done(MarkerSerial serial) const;

  /// \throws Error  `unsupported` in a child of the process that made it.
  void require_current() const { process_.require_current("The stream"); }

  /// \throws Error  `invalid_argument` when this stream cannot wait for work on `producer`.
  void require_joined(const StreamState& producer) const;

  [[nodiscard]] bool is_adopted() const noexcept { return owner_ == Owner::adopted; }

  /// The next marker, which covers at least everything submitted so far. Never fails.
  Ticket next() noexcept;

  /// The same point with its marker recorded, so that later work does not move it.
  /// \throws Error  `invalid_argument` while the stream takes no markers.
  Ticket mark();

  /// Whether marker `serial` is passed; no while it was not recorded and the stream takes none. A
  /// lost device has passed every marker, and so has a stream of a parent process: nothing runs on
  /// it.
  bool is_complete(MarkerSerial serial) noexcept;

  /// Whether marker `serial` is recorded, if need be now, so that others can wait for it. No only
  /// while the stream takes no markers: of another failure whoever waits will hear.
  bool has_marker(MarkerSerial serial) noexcept;

  /// Waits on the host. \throws Error  `device_lost`; `invalid_argument` when the marker was not
  /// recorded and the stream takes none.
  void wait(MarkerSerial serial);
  /// The same, at most `timeout`, also for the stream to take the marker.
  /// \returns Whether the marker is passed.
  bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout);

  /// Waits on the host for the work so far; while the stream takes no markers, for what has one.
  /// \returns Whether that was all.
  bool finish();

  /// Makes later work of this stream wait, on the device, for `ticket`, unless it is known to be
  /// passed. The backend is not asked whether it is, for that may take longer than the wait; but
  /// for another device's ticket, and on a stream that is captured.
  /// \throws Error  `invalid_argument` when `ticket` is not passed and this stream is captured, or
  /// its marker was not recorded and its stream takes none.
  void wait_on(const Ticket& ticket);

  /// Says that no handle to the stream is left. Its markers still complete.
  void retire() noexcept;

  /// Closes the backend's stream if it is retired and done. \returns Whether it is closed.
  bool reap() noexcept;

 private:
  /// Null when it is closed.
  [[nodiscard]] std::shared_ptr<BackendStream> open_backend() const;
  /// Records marker `serial` if that has not happened. \returns Nothing while the stream takes no
  /// markers; null when it is closed, which passes the marker.
  std::optional<std::shared_ptr<BackendStream>> record(MarkerSerial serial);
  /// The same for who cannot do without. \throws Error  `invalid_argument` in place of nothing.
  std::shared_ptr<BackendStream> recorded(MarkerSerial serial);
  void require_no_wait(const Ticket& ticket) const;
  /// `mutex_` is held, and the stream is open.
  [[nodiscard]] bool takes_markers_locked() const;
  void raise_completed(MarkerSerial serial) noexcept;
  /// Notes the markers begun and whether work may be behind the last one. `mutex_` is held.
  void set_stamp(MarkerSerial begun, bool is_dirty) noexcept;

  const std::uint64_t id_;
  const std::uint32_t short_id_;
  const ProcessStamp process_;
  const std::shared_ptr<BackendDevice> device_;
  const Owner owner_;
  std::atomic<MarkerSerial> begun_{0};  // markers recorded or being recorded
  std::atomic<MarkerSerial> recorded_{0};
  std::atomic<MarkerSerial> completed_{0};
  std::atomic<bool> is_lost_{false};    // the device was lost: nothing runs any more
  std::atomic<MarkerSerial> stamp_{0};  // the marker that covers all work there is
  mutable std::mutex mutex_;
  bool exposed_;        // guarded by mutex_; work may be submitted by others
  bool dirty_ = false;  // guarded by mutex_; work was submitted after the last marker
  WaitedFor waited_;    // guarded by mutex_
  mutable std::mutex open_mutex_;
  // Null once closed, under both locks; read under either.
  std::shared_ptr<BackendStream> backend_;
  bool retired_ = false;  // guarded by mutex_
  int pauses_ = 0;        // guarded by mutex_; calls of pause_markers
};

/// Points that something must wait for, one a stream at the most. Not synchronised.
class UseList {
 public:
  UseList() : UseList(std::pmr::new_delete_resource()) {}
  /// Keeps its entries in `memory`, which outlives it.
  explicit UseList(std::pmr::memory_resource* memory) : uses_(memory) {}
  UseList(const UseList& other) : uses_(other.uses_, std::pmr::new_delete_resource()) {}
  UseList(UseList&&) noexcept = default;
  UseList& operator=(const UseList&) = default;
  UseList& operator=(UseList&&) = default;
  ~UseList() = default;

  void add(const Ticket& ticket);
  void add(const UseList& other);
  void clear() noexcept { uses_.clear(); }

  /// Notes that all are on `stream`, which waits for itself.
  void cover_by(const StreamState& stream) noexcept;
  /// Notes that `stream` waits for all of `waited`, which was copied from here.
  void cover_by(const StreamState& stream, const UseList& waited) noexcept;
  /// Drops what `stream` waited for and nothing has been added to since: whoever waits for later
  /// work of that stream waits for it too. Not what another device has yet to do: if the stream's
  /// is lost, nobody waits for that any more.
  void drop_covered_by(const StreamState& stream) noexcept;
  /// Drops what devices other than `device` have done, or, being lost, will not do.
  void drop_complete_of_others(const BackendDevice& device) noexcept;

  /// Whether all are passed; those that are, are dropped.
  bool all_complete() noexcept;
  /// Whether all that are not passed belong to `stream`; those that are passed are dropped.
  bool all_complete_or_on(const StreamState& stream) noexcept;
  /// The same as `all_complete_or_on`, for what is known without asking; null: on no stream.
  bool all_passed_or_on(const StreamState* stream) noexcept;
  /// Whether all, passed or not, belong to `stream`.
  [[nodiscard]] bool is_only_on(const StreamState& stream) const noexcept {
    return uses_.empty() || (uses_.size() == 1 && uses_.front().ticket.stream.get() == &stream);
  }
  /// The id of the stream that all belong to, if there is one.
  [[nodiscard]] std::optional<std::uint64_t> only_stream() const noexcept;
  /// Whether `by`, or with null the host, can wait for all: they have their markers now, or are
  /// its own. Not while a stream of theirs takes none.
  [[nodiscard]] bool can_be_waited_for(const StreamState* by) const noexcept;
  /// Makes `stream` wait for all.
  void make_wait(StreamState& stream) const;
  /// \throws Error  `device_lost` when one is passed only because its device was lost.
  void require_done() const;
  /// Waits on the host for all, at most `timeout` each. \returns Whether all are passed.
  bool wait(std::chrono::nanoseconds timeout) const;
  /// Waits on the host for all.
  void wait() const;

  [[nodiscard]] bool empty() const noexcept { return uses_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return uses_.size(); }

  /// Calls `visit` with every ticket.
  template <class F>
  void for_each(const F& visit) const {
    for (const Use& use : uses_) {
      visit(use.ticket);
    }
  }

 private:
  struct Use {
    Ticket ticket;
    std::uint64_t covered_by = 0;  // id of the last stream that waits for it
  };
  std::pmr::vector<Use> uses_;
};

}  // namespace headrace::core
