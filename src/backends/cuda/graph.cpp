// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/graph.h"

#include "backends/cuda/context.h"

namespace headrace::cuda {

Graph::Graph(Context& context) : context_(&context) {
  context.check(context.driver().cuGraphCreate(&graph_, 0), "cuGraphCreate");
}

Graph::~Graph() {
  if (graph_ != nullptr) {
    const Entered entered(*context_);
    context_->driver().cuGraphDestroy(graph_);
  }
}

GraphExec::GraphExec(Context& context, const Graph& graph) : context_(&context) {
  context.check(context.driver().cuGraphInstantiateWithFlags(&exec_, graph.get(), 0),
                "cuGraphInstantiateWithFlags");
}

GraphExec::~GraphExec() {
  if (exec_ != nullptr) {
    const Entered entered(*context_);
    context_->driver().cuGraphExecDestroy(exec_);
  }
}

}  // namespace headrace::cuda
