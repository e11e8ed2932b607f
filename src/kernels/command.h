// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

namespace headrace::kernels {

/// Runs the commands of a submission, one after another, on this thread. Every MemoryView's handle
/// must be an address of the host's.
///
/// Labelled commands are recorded in the submission's trace, if it has one.
/// When a command throws, the outcome is told and the commands after it are not run.
/// \param stream  What LaunchCommand functions are given.
void run(Submission& submission, NativeHandle stream) noexcept;

}  // namespace headrace::kernels
