// SPDX-License-Identifier: Apache-2.0
/// \file
/// Elements between the host and device memory that it does not see, through host buffers that the
/// device copies from or to. Design: docs/design/005-command-buffers.md.
#pragma once

#include "headrace/tensor.h"

#include <cstddef>
#include <span>

namespace headrace::core {

/// Sends `bytes`, as many as `target` holds, on the device's default stream.
///
/// Waits: until `bytes` is read. A failure before the first copy is submitted changes nothing, a
/// later one may leave `target` written in part; what fails on the device itself, reads of `target`
/// throw.
void send_from_host(const Tensor& target, std::span<const std::byte> bytes);

/// Fetches the elements of `source` into `bytes`, as many. Waits: until they are there.
///
/// Throws what the last write of `source` failed with; `bytes` may then be written in part.
void fetch_to_host(const Tensor& source, std::span<std::byte> bytes);

}  // namespace headrace::core
