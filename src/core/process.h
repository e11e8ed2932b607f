// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a forked child may not touch, and how it finds out. Design:
/// docs/design/011-fork-and-exit.md.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace headrace::core {

/// The number of this process: 1, and one more in every child of a fork. Costs one load.
std::uint64_t process_number() noexcept;

/// Remembers the process that something was made in. In a child of a fork the threads that served
/// it are gone, and its locks may be held by nobody who will ever let go.
class ProcessStamp {
 public:
  ProcessStamp();

  [[nodiscard]] bool is_current() const noexcept { return number_ == process_number(); }

  /// \throws Error  `unsupported` in a child; `what` begins the sentence: "The stream".
  void require_current(const char* what) const {
    if (!is_current()) [[unlikely]] {
      refuse(what);
    }
  }

 private:
  [[noreturn]] static void refuse(const char* what);

  std::uint64_t number_ = 0;
};

/// Makes a shared object that only the process that made it destroys. A child leaves it, and with
/// it all that it holds, as it is.
template <class T, class... Args>
std::shared_ptr<T> make_shared_here(Args&&... args) {
  return {new T(std::forward<Args>(args)...), [made = ProcessStamp()](T* object) {
            if (made.is_current()) {
              delete object;
            }
          }};
}

/// Guards the few tables that belong to the process. Nobody holds it at the moment of a fork, so
/// nothing is called under it that takes long or that calls back.
std::mutex& tables_mutex();

}  // namespace headrace::core
