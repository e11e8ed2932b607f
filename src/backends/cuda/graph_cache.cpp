// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/graph_cache.h"

#include "backends/cuda/context.h"

#include <algorithm>
#include <utility>

namespace headrace::cuda {

namespace {

/// Graphs of either kind that a stream keeps, and shapes that it remembers.
constexpr std::size_t kMostGraphs = 16;
constexpr std::size_t kMostShapes = 64;

CUDA_MEMCPY3D parameters_of(const CopyOperation& copy) {
  CUDA_MEMCPY3D parameters{};  // NOLINT(bugprone-invalid-enum-default-initialization): set below
  parameters.srcMemoryType = copy.is_from_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
  parameters.srcDevice = copy.from;
  // NOLINTBEGIN(performance-no-int-to-ptr): of the unified address space, where both are one
  parameters.srcHost = reinterpret_cast<const void*>(copy.from);
  parameters.dstHost = reinterpret_cast<void*>(copy.to);
  // NOLINTEND(performance-no-int-to-ptr)
  parameters.dstMemoryType = copy.is_to_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
  parameters.dstDevice = copy.to;
  parameters.WidthInBytes = copy.bytes;
  parameters.Height = 1;
  parameters.Depth = 1;
  return parameters;
}

CUDA_MEMSET_NODE_PARAMS parameters_of(const FillOperation& fill) {
  CUDA_MEMSET_NODE_PARAMS parameters{};
  parameters.dst = fill.to;
  parameters.value = fill.value;
  parameters.elementSize = fill.element_bytes;
  parameters.width = fill.count;
  parameters.height = 1;
  return parameters;
}

CUDA_KERNEL_NODE_PARAMS parameters_of(const KernelOperation& kernel, void** arguments) {
  CUDA_KERNEL_NODE_PARAMS parameters{};
  parameters.func = kernel.function;
  parameters.gridDimX = kernel.blocks;
  parameters.gridDimY = parameters.gridDimZ = 1;
  parameters.blockDimX = kernel.threads;
  parameters.blockDimY = parameters.blockDimZ = 1;
  parameters.kernelParams = arguments;
  return parameters;
}

/// Adds an operation to a graph, after the nodes before it.
struct Adder {
  Context& context;
  CUgraph graph;
  std::span<const CUgraphNode> after;

  CUgraphNode operator()(const CopyOperation& copy) const {
    const CUDA_MEMCPY3D parameters = parameters_of(copy);
    CUgraphNode node = nullptr;
    context.check(context.driver().cuGraphAddMemcpyNode(
                      &node, graph, after.data(), after.size(), &parameters, context.handle()),
                  "cuGraphAddMemcpyNode");
    return node;
  }
  CUgraphNode operator()(const FillOperation& fill) const {
    const CUDA_MEMSET_NODE_PARAMS parameters = parameters_of(fill);
    CUgraphNode node = nullptr;
    context.check(context.driver().cuGraphAddMemsetNode(
                      &node, graph, after.data(), after.size(), &parameters, context.handle()),
                  "cuGraphAddMemsetNode");
    return node;
  }
  CUgraphNode operator()(KernelOperation kernel) const {
    auto arguments = addresses_of(kernel);
    const CUDA_KERNEL_NODE_PARAMS parameters = parameters_of(kernel, arguments.data());
    CUgraphNode node = nullptr;
    context.check(context.driver().cuGraphAddKernelNode(
                      &node, graph, after.data(), after.size(), &parameters),
                  "cuGraphAddKernelNode");
    return node;
  }
};

/// Gives a node of a graph that can be launched another operation of the same kind.
struct Updater {
  Context& context;
  CUgraphExec exec;
  CUgraphNode node;

  void operator()(const CopyOperation& copy) const {
    const CUDA_MEMCPY3D parameters = parameters_of(copy);
    context.check(
        context.driver().cuGraphExecMemcpyNodeSetParams(exec, node, &parameters, context.handle()),
        "cuGraphExecMemcpyNodeSetParams");
  }
  void operator()(const FillOperation& fill) const {
    const CUDA_MEMSET_NODE_PARAMS parameters = parameters_of(fill);
    context.check(
        context.driver().cuGraphExecMemsetNodeSetParams(exec, node, &parameters, context.handle()),
        "cuGraphExecMemsetNodeSetParams");
  }
  void operator()(KernelOperation kernel) const {
    auto arguments = addresses_of(kernel);
    const CUDA_KERNEL_NODE_PARAMS parameters = parameters_of(kernel, arguments.data());
    context.check(context.driver().cuGraphExecKernelNodeSetParams(exec, node, &parameters),
                  "cuGraphExecKernelNodeSetParams");
  }
};

/// What an update cannot change of an operation, as a number.
struct ShapeOf {
  std::uint64_t operator()(const CopyOperation& copy) const {
    return 1 + (copy.is_from_host ? 2U : 0U) + (copy.is_to_host ? 4U : 0U);
  }
  std::uint64_t operator()(const FillOperation& fill) const {
    return 8 + fill.element_bytes + (fill.is_to_host ? 16U : 0U);
  }
  std::uint64_t operator()(const KernelOperation& kernel) const {
    return reinterpret_cast<std::uint64_t>(kernel.function);
  }
};

void mix(std::uint64_t& hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;  // 2^64 / phi
  hash ^= hash >> 32;
}

std::uint64_t hash_of(std::span<const Operation> operations) {
  std::uint64_t hash = operations.size();
  for (const Operation& operation : operations) {
    mix(hash, std::visit(ShapeOf{}, operation));
  }
  return hash;
}

bool is_same_shape(std::span<const Operation> a, std::span<const Operation> b) {
  return std::ranges::equal(a, b, [](const Operation& x, const Operation& y) {
    return x.index() == y.index() && std::visit(ShapeOf{}, x) == std::visit(ShapeOf{}, y);
  });
}

template <class Entry>
void move_to_front(std::list<Entry>& list, typename std::list<Entry>::iterator entry) {
  list.splice(list.begin(), list, entry);
}

}  // namespace

bool GraphCache::launch(std::span<const Operation> operations, CUstream stream) {
  const auto known = std::ranges::find_if(
      replays_, [&](const Replay& replay) { return is_same_shape(replay.operations, operations); });
  if (known == replays_.end() && !has_seen(operations)) {
    return false;
  }
  try {
    if (known != replays_.end()) {
      move_to_front(replays_, known);
      update(replays_.front(), operations);
    } else {
      replays_.push_front(build(operations));
      replays_.resize(std::min(replays_.size(), kMostGraphs));
    }
  } catch (const Error&) {
    // Not every change can be made to a graph, and not every graph can be made: calls will do.
    if (known != replays_.end()) {
      replays_.pop_front();
    }
    context_.require_alive();
    return false;
  }
  context_.check(context_.driver().cuGraphLaunch(replays_.front().exec.get(), stream),
                 "cuGraphLaunch");
  return true;
}

bool GraphCache::has_seen(std::span<const Operation> operations) {
  const std::uint64_t hash = hash_of(operations);
  if (std::erase(seen_, hash) != 0) {
    return true;
  }
  if (seen_.size() == kMostShapes) {
    seen_.erase(seen_.begin());
  }
  seen_.push_back(hash);
  return false;
}

GraphCache::Replay GraphCache::build(std::span<const Operation> operations) {
  Replay replay;
  replay.graph = Graph(context_);
  replay.operations.assign(operations.begin(), operations.end());
  replay.nodes.reserve(operations.size());
  for (const Operation& operation : operations) {
    const std::span<const CUgraphNode> nodes(replay.nodes);
    const auto after = nodes.last(std::min<std::size_t>(nodes.size(), 1));
    replay.nodes.push_back(std::visit(Adder{context_, replay.graph.get(), after}, operation));
  }
  replay.exec = GraphExec(context_, replay.graph);
  return replay;
}

void GraphCache::update(Replay& replay, std::span<const Operation> operations) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (replay.operations[i] != operations[i]) {
      std::visit(Updater{context_, replay.exec.get(), replay.nodes[i]}, operations[i]);
      replay.operations[i] = operations[i];
    }
  }
}

void GraphCache::launch(const Graph& recorded, CUstream stream) {
  const Driver& driver = context_.driver();
  std::size_t nodes = 0;
  context_.check(driver.cuGraphGetNodes(recorded.get(), nullptr, &nodes), "cuGraphGetNodes");
  if (nodes == 0) {
    return;
  }
  const auto known = std::ranges::find_if(recorded_, [&](const Recorded& entry) {
    CUgraphExecUpdateResultInfo why{};
    return entry.nodes == nodes &&
           driver.cuGraphExecUpdate(entry.exec.get(), recorded.get(), &why) == CUDA_SUCCESS;
  });
  if (known != recorded_.end()) {
    move_to_front(recorded_, known);
  } else {
    recorded_.push_front({nodes, GraphExec(context_, recorded)});
    recorded_.resize(std::min(recorded_.size(), kMostGraphs));
  }
  context_.check(driver.cuGraphLaunch(recorded_.front().exec.get(), stream), "cuGraphLaunch");
}

}  // namespace headrace::cuda
