// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headrace::loader {

class Engine;

/// The engine that this thread is a worker of, or null. For an engine's own threads to tell.
inline const Engine*& this_worker() noexcept {
  thread_local const Engine* engine = nullptr;
  return engine;
}

}  // namespace headrace::loader
