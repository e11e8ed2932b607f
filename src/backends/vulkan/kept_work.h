// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/shared/keeper.h"
#include "backends/vulkan/queue.h"
#include "backends/vulkan/recording.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace headrace::vulkan {

class Context;

/// Which of a recording's times a labelled command began and ended at.
struct Span {
  std::string label;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// The commands of a submission, recorded for one use.
struct Recorded {
  std::unique_ptr<Recording> recording;  ///< Null when recording failed as a whole.
  std::vector<Span> spans;
};

/// Records the commands, up to the first that throws, of which the outcome is told. No lock is
/// held.
std::shared_ptr<Recorded> record(Submission& submission, Context& context);

/// A submission that must live until its work is done.
class KeptWork final : public backends::Kept {
 public:
  KeptWork(std::shared_ptr<Context> context,
           TimelinePoint done,
           std::shared_ptr<Submission> submission,
           Recorded recorded);
  KeptWork(const KeptWork&) = delete;
  KeptWork& operator=(const KeptWork&) = delete;
  ~KeptWork() override;

  /// Says that its work was not submitted after all: it is dropped, but not waited for.
  void cancel() noexcept;
  void finish() noexcept override;

 private:
  void trace() const;

  const std::shared_ptr<Context> context_;
  TimelinePoint done_;
  const std::shared_ptr<Submission> submission_;
  Recorded recorded_;
};

}  // namespace headrace::vulkan
