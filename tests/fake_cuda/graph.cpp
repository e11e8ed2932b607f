// SPDX-License-Identifier: Apache-2.0
// Graphs, what may be changed in one that was instantiated, and their launches.
#include "fake_cuda/graph.h"

#include "fake_cuda/context.h"
#include "fake_cuda/entries.h"
#include "fake_cuda/handles.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"
#include "fake_cuda/scheduler.h"
#include "fake_cuda/stream.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

namespace headrace::fake_cuda {

namespace {

Handles<CUgraph, Graph>& graphs() {
  static auto* const kGraphs = new Handles<CUgraph, Graph>;
  return *kGraphs;
}

Handles<CUgraphExec, Exec>& execs() {
  static auto* const kExecs = new Handles<CUgraphExec, Exec>;
  return *kExecs;
}

Operand operand_of(std::uintptr_t address, std::size_t bytes) {
  const Place place = place_of(address, bytes);
  return {static_cast<int>(place.kind),
          place.allocation ? place.allocation->context.get() : nullptr};
}

struct OperandsOf {
  std::vector<Operand> operator()(const Copy& copy) const {
    return {operand_of(copy.to, copy.bytes), operand_of(copy.from, copy.bytes)};
  }
  std::vector<Operand> operator()(const Fill& fill) const {
    return {operand_of(fill.to, fill.count * fill.element_bytes)};
  }
  std::vector<Operand> operator()(const KernelLaunch& launch) const {
    return {{0, launch.function->context.get()}};
  }
  template <class Other>
  std::vector<Operand> operator()(const Other& /*work*/) const {
    return {};
  }
};

/// Whether a node that was instantiated may become `work`.
bool may_become(const Node& node, const Work& work) {
  return node.work.index() == work.index() && node.operands == std::visit(OperandsOf{}, work);
}

/// Whether memory is a device's that is not current: what a node of its own kind is for.
bool is_elsewhere(const Place& place) {
  return place.kind == Place::Kind::device && place.allocation->context != current();
}

CUresult translate(const CUDA_MEMCPY3D& from, Work& work) {
  const bool is_from_host = from.srcMemoryType == CU_MEMORYTYPE_HOST;
  const bool is_to_host = from.dstMemoryType == CU_MEMORYTYPE_HOST;
  Copy copy;
  copy.to = is_to_host ? reinterpret_cast<std::uintptr_t>(from.dstHost) : from.dstDevice;
  copy.from = is_from_host ? reinterpret_cast<std::uintptr_t>(from.srcHost) : from.srcDevice;
  copy.bytes = from.WidthInBytes;
  if (from.Height != 1 || from.Depth != 1 || from.srcXInBytes != 0 || from.dstXInBytes != 0) {
    violate("the fake has no copies in two dimensions");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const Place source_place = place_of(copy.from, copy.bytes);
  const Place target_place = place_of(copy.to, copy.bytes);
  if (is_elsewhere(source_place) || is_elsewhere(target_place)) {
    violate("a copy in a graph names memory of another device");
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Place::Kind source = source_place.kind;
  const Place::Kind target = target_place.kind;
  const auto fits = [](Place::Kind kind, bool is_host) {
    return kind == Place::Kind::pinned ||
           kind == (is_host ? Place::Kind::pageable : Place::Kind::device);
  };
  if (copy.bytes == 0 || !fits(source, is_from_host) || !fits(target, is_to_host)) {
    violate("a copy in a graph names memory that is not there or of the other kind");
    return CUDA_ERROR_INVALID_VALUE;
  }
  work = copy;
  return CUDA_SUCCESS;
}

CUresult translate(const CUDA_MEMSET_NODE_PARAMS& from, Work& work) {
  const Fill fill{from.dst, from.value, from.elementSize, from.width};
  const bool is_element = from.elementSize == 1 || from.elementSize == 2 || from.elementSize == 4;
  const bool has_high_bits =
      is_element && from.elementSize < 4 && (from.value >> (8 * from.elementSize)) != 0;
  if (from.height != 1 || from.width == 0 || !is_element || has_high_bits) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  work = fill;
  return check(work);
}

CUresult translate(const CUDA_KERNEL_NODE_PARAMS& from, Work& work) {
  KernelLaunch launch;
  if (const CUresult result = describe_launch(from, launch); result != CUDA_SUCCESS) {
    return result;
  }
  work = std::move(launch);
  return CUDA_SUCCESS;
}

/// The places in `graph` of the nodes named; false when one is not there.
bool find_nodes(const Graph& graph,
                std::span<const CUgraphNode> handles,
                std::vector<std::size_t>& places) {
  for (CUgraphNode handle : handles) {
    const auto found = std::ranges::find(graph.nodes, handle, &Node::handle);
    if (found == graph.nodes.end()) {
      return false;
    }
    places.push_back(static_cast<std::size_t>(found - graph.nodes.begin()));
  }
  return true;
}

template <class Parameters>
CUresult add_node(CUgraphNode* node,
                  CUgraph handle,
                  std::span<const CUgraphNode> after,
                  const Parameters& parameters) {
  const auto graph = graphs().find(handle);
  std::vector<std::size_t> places;
  Work work;
  if (!graph || !find_nodes(*graph, after, places)) {
    violate("a node was added to a graph, or after a node, that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult result = translate(parameters, work); result != CUDA_SUCCESS) {
    return result;
  }
  *node = graph->nodes[append(*graph, std::move(work), std::move(places))].handle;
  return CUDA_SUCCESS;
}

template <class Parameters>
CUresult set_parameters(CUgraphExec handle, CUgraphNode node, const Parameters& parameters) {
  const auto exec = execs().find(handle);
  Work work;
  if (!exec) {
    violate("a graph was updated that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto found = std::ranges::find(exec->nodes, node, &Node::handle);
  if (found == exec->nodes.end()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult result = translate(parameters, work); result != CUDA_SUCCESS) {
    return result;
  }
  if (!may_become(*found, work)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  found->work = std::move(work);
  return CUDA_SUCCESS;
}

/// A random order in which each node comes after those that it must come after.
std::vector<std::size_t> order_of(const std::vector<Node>& nodes) {
  std::vector<std::size_t> order;
  std::vector<std::size_t> rest(nodes.size());
  std::iota(rest.begin(), rest.end(), std::size_t{0});
  while (!rest.empty()) {
    std::vector<std::size_t> ready;
    std::ranges::copy_if(rest, std::back_inserter(ready), [&](std::size_t node) {
      return std::ranges::all_of(nodes[node].after, [&](std::size_t before) {
        return std::ranges::find(order, before) != order.end();
      });
    });
    const std::size_t next = ready[random_below(ready.size())];
    order.push_back(next);
    std::erase(rest, next);
  }
  return order;
}

CUgraphExecUpdateResult compare(const Exec& exec, const Graph& graph, CUgraphNode& culprit) {
  if (exec.nodes.size() != graph.nodes.size()) {
    return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    culprit = graph.nodes[i].handle;
    if (exec.nodes[i].after != graph.nodes[i].after) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    }
    if (exec.nodes[i].work.index() != graph.nodes[i].work.index()) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
    if (exec.nodes[i].operands != graph.nodes[i].operands) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
    }
  }
  culprit = nullptr;
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

}  // namespace

std::size_t append(Graph& graph, Work work, std::vector<std::size_t> after) {
  Node node;
  node.handle = reinterpret_cast<CUgraphNode>(next_handle());
  node.operands = std::visit(OperandsOf{}, work);
  node.work = std::move(work);
  node.after = std::move(after);
  graph.nodes.push_back(std::move(node));
  return graph.nodes.size() - 1;
}

CUgraph hand_over(std::shared_ptr<Graph> graph) {
  return graphs().add(std::move(graph));
}

int live_graphs() {
  return graphs().size();
}

int live_execs() {
  return execs().size();
}

CUresult fake_cuGraphCreate(CUgraph* graph, unsigned flags) {
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *graph = graphs().add(std::make_shared<Graph>());
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphDestroy(CUgraph graph) {
  if (!graphs().remove(graph)) {
    violate("a graph was destroyed that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, std::size_t* count) {
  const auto graph = graphs().find(handle);
  if (!graph) {
    violate("the nodes were asked of a graph that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (nodes == nullptr) {
    *count = graph->nodes.size();
    return CUDA_SUCCESS;
  }
  for (std::size_t i = 0; i < *count; ++i) {
    nodes[i] = i < graph->nodes.size() ? graph->nodes[i].handle : nullptr;
  }
  *count = std::min(*count, graph->nodes.size());
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphAddMemcpyNode(CUgraphNode* node,
                                   CUgraph graph,
                                   const CUgraphNode* after,
                                   std::size_t after_count,
                                   const CUDA_MEMCPY3D* parameters,
                                   CUcontext /*context*/) {
  return add_node(node, graph, {after, after_count}, *parameters);
}

CUresult fake_cuGraphAddMemsetNode(CUgraphNode* node,
                                   CUgraph graph,
                                   const CUgraphNode* after,
                                   std::size_t after_count,
                                   const CUDA_MEMSET_NODE_PARAMS* parameters,
                                   CUcontext /*context*/) {
  return add_node(node, graph, {after, after_count}, *parameters);
}

CUresult fake_cuGraphAddKernelNode(CUgraphNode* node,
                                   CUgraph graph,
                                   const CUgraphNode* after,
                                   std::size_t after_count,
                                   const CUDA_KERNEL_NODE_PARAMS* parameters) {
  return add_node(node, graph, {after, after_count}, *parameters);
}

CUresult fake_cuGraphInstantiateWithFlags(CUgraphExec* exec,
                                          CUgraph handle,
                                          unsigned long long /*flags*/) {
  const auto graph = graphs().find(handle);
  if (!graph) {
    violate("a graph was instantiated that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult result = state_of(current()); result != CUDA_SUCCESS) {
    return result;
  }
  auto made = std::make_shared<Exec>();
  made->nodes = graph->nodes;
  *exec = execs().add(std::move(made));
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphExecDestroy(CUgraphExec exec) {
  if (!execs().remove(exec)) {
    violate("a graph exec was destroyed that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphExecMemcpyNodeSetParams(CUgraphExec exec,
                                             CUgraphNode node,
                                             const CUDA_MEMCPY3D* parameters,
                                             CUcontext /*context*/) {
  return set_parameters(exec, node, *parameters);
}

CUresult fake_cuGraphExecMemsetNodeSetParams(CUgraphExec exec,
                                             CUgraphNode node,
                                             const CUDA_MEMSET_NODE_PARAMS* parameters,
                                             CUcontext /*context*/) {
  return set_parameters(exec, node, *parameters);
}

CUresult fake_cuGraphExecKernelNodeSetParams(CUgraphExec exec,
                                             CUgraphNode node,
                                             const CUDA_KERNEL_NODE_PARAMS* parameters) {
  return set_parameters(exec, node, *parameters);
}

CUresult fake_cuGraphExecUpdate(CUgraphExec exec_handle,
                                CUgraph graph_handle,
                                CUgraphExecUpdateResultInfo* why) {
  const auto exec = execs().find(exec_handle);
  const auto graph = graphs().find(graph_handle);
  if (!exec || !graph) {
    violate("a graph was updated, or by one, that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  *why = {};
  why->result = compare(*exec, *graph, why->errorNode);
  if (why->result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  for (std::size_t i = 0; i < graph->nodes.size(); ++i) {
    exec->nodes[i].work = graph->nodes[i].work;
  }
  return CUDA_SUCCESS;
}

CUresult fake_cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
  const auto exec = execs().find(handle);
  std::shared_ptr<Stream> stream;
  if (!exec) {
    violate("a graph was launched that does not exist");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult result = find_stream(stream_handle, stream); result != CUDA_SUCCESS) {
    return result;
  }
  if (stream->capture) {
    violate("the fake launches no graph inside a capture");
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (exec->last) {
    enqueue(*stream, {Nothing{}, {exec->last}});
  }
  for (const std::size_t place : order_of(exec->nodes)) {
    const Work& work = exec->nodes[place].work;
    const auto end = enqueue(*stream, {work, {}});
    if (const auto* node = std::get_if<EventNode>(&work)) {
      node->event->capture = nullptr;
      node->event->last = end;
    }
  }
  exec->last = enqueue(*stream, {});
  return CUDA_SUCCESS;
}

}  // namespace headrace::fake_cuda
