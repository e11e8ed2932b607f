// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/graph.h"
#include "backends/cuda/operation.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <vector>

namespace headrace::cuda {

class Context;

/// Graphs that a stream's submissions are launched as, kept for the next of the same shape.
///
/// Threads: one call at a time. The context is current.
class GraphCache {
 public:
  explicit GraphCache(Context& context) : context_(context) {}

  /// Launches the operations as one graph, if a submission of their shape was seen before and the
  /// driver can make or change the graph. \returns Whether it did; if not, it will know the shape.
  bool launch(std::span<const Operation> operations, CUstream stream);

  /// Launches a graph that was recorded, which it may do by way of an earlier one.
  void launch(const Graph& recorded, CUstream stream);

 private:
  /// A graph of operations one after another, each with what it was last given.
  struct Replay {
    std::vector<Operation> operations;
    std::vector<CUgraphNode> nodes;
    Graph graph;  // Names the nodes.
    GraphExec exec;
  };
  struct Recorded {
    std::size_t nodes = 0;
    GraphExec exec;
  };

  bool has_seen(std::span<const Operation> operations);
  Replay build(std::span<const Operation> operations);
  void update(Replay& replay, std::span<const Operation> operations);

  Context& context_;
  std::list<Replay> replays_;        // the last used first
  std::list<Recorded> recorded_;     // the same
  std::vector<std::uint64_t> seen_;  // hashes of shapes seen once, the newest last
};

}  // namespace headrace::cuda
