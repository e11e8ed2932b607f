// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/driver.h"

#include <utility>

namespace headrace::cuda {

class Context;

/// A graph as it is described. Owns it.
class Graph {
 public:
  Graph() = default;
  /// An empty one.
  explicit Graph(Context& context);
  /// One that was recorded; null for none.
  Graph(Context& context, CUgraph graph) noexcept : context_(&context), graph_(graph) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  Graph(Graph&& other) noexcept
      : context_(other.context_), graph_(std::exchange(other.graph_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~Graph();

  [[nodiscard]] CUgraph get() const noexcept { return graph_; }

 private:
  Context* context_ = nullptr;
  CUgraph graph_ = nullptr;
};

/// A graph that can be launched. Owns it.
class GraphExec {
 public:
  GraphExec() = default;
  /// \throws Error  as the driver says.
  GraphExec(Context& context, const Graph& graph);
  GraphExec(const GraphExec&) = delete;
  GraphExec& operator=(const GraphExec&) = delete;
  GraphExec(GraphExec&& other) noexcept
      : context_(other.context_), exec_(std::exchange(other.exec_, nullptr)) {}
  GraphExec& operator=(GraphExec&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(exec_, other.exec_);
    return *this;
  }
  ~GraphExec();

  [[nodiscard]] CUgraphExec get() const noexcept { return exec_; }

 private:
  Context* context_ = nullptr;
  CUgraphExec exec_ = nullptr;
};

}  // namespace headrace::cuda
