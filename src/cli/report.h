// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include "cli/bound_by.h"
#include "cli/verify.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace headrace::cli {

/// What `headrace stream` did.
struct Report {
  std::string source;
  std::uint64_t dataset_size = 0;
  SampleSpec spec;
  DeviceInfo device;
  AsyncDataLoaderConfig config;  ///< As asked.
  std::string shard_origin;
  AsyncDataLoaderStats stats;

  bool is_resumed = false;
  int signal = 0;  ///< That ended the run early, or 0.
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
  std::uint64_t epochs = 0;  ///< Epochs that batches came from.
  double seconds = 0;        ///< From the loader's start until the last batch is on the device.
  double first_batch_seconds = 0;
  double wait_seconds = 0;  ///< Spent in `get_batch`.
  double processor_seconds = 0;
  std::uint64_t storage_reads = 0;
  std::uint64_t order_digest = 0;
  std::optional<Verified> verified;
  std::size_t trace_events = 0;     ///< In the trace file.
  std::uint64_t trace_dropped = 0;  ///< Older ones, which are not in it.

  [[nodiscard]] double samples_per_second() const;
  [[nodiscard]] double gigabytes_per_second() const;
  [[nodiscard]] double consumer_wait_fraction() const;
  [[nodiscard]] BoundBy bound_by() const;
  [[nodiscard]] std::string digest_text() const;
};

/// The report for people, aligned, several lines.
std::string to_text(const Report& report);

}  // namespace headrace::cli
