// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/once.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/timeline.h"

#include <utility>

namespace headrace::vulkan {

Once::Once(Context& context, std::uint32_t times)
    : context_(context), recording_(context.recordings().take(context.facts().compute.index)) {
  recording_->begin(times);
}

Once::~Once() {
  context_.recordings().give_back(std::move(recording_));
}

void Once::run() {
  recording_->end();
  const auto timeline = std::make_shared<Timeline>(context_);
  const std::uint64_t done = timeline->begin() + 1;
  context_.own_queue().submit({}, recording_->commands(), {timeline, done});
  timeline->settle(done);
  context_.require_alive();
}

}  // namespace headrace::vulkan
