// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fake_cuda/work.h"

#include <cuda.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace headrace::fake_cuda {

struct Context;
struct Point;

/// What an update cannot change of memory that a node uses, or of its kernel.
struct Operand {
  int kind = 0;
  const Context* context = nullptr;
  friend bool operator==(const Operand&, const Operand&) = default;
};

struct Node {
  CUgraphNode handle = nullptr;
  Work work;
  std::vector<Operand> operands;   ///< As they were when the node was made.
  std::vector<std::size_t> after;  ///< Places of nodes that come before.
};

struct Graph {
  std::vector<Node> nodes;
};

/// A graph that can be launched: a copy of what the graph was.
struct Exec {
  std::vector<Node> nodes;
  std::shared_ptr<const Point> last;  ///< End of its last launch: one runs at a time.
};

/// Appends a node. \returns Its place.
std::size_t append(Graph& graph, Work work, std::vector<std::size_t> after);

/// Gives a graph that was captured to the program.
CUgraph hand_over(std::shared_ptr<Graph> graph);

int live_graphs();
int live_execs();

}  // namespace headrace::fake_cuda
