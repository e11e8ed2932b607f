// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/operation.h"

#include <vector>

namespace headrace::vulkan {

class Context;

/// Adds what a command is to a device. \throws Error  `unsupported`; as the device says.
void translate(const Command& command, Context& context, std::vector<Operation>& operations);

/// The parts of it, for those who make commands of others.
void translate(const CopyCommand& copy, Context& context, std::vector<Operation>& operations);
void translate(const FillCommand& fill, Context& context, std::vector<Operation>& operations);
void translate(const ConvertCommand& work, Context& context, std::vector<Operation>& operations);
void translate(const ExpandCommand& work, Context& context, std::vector<Operation>& operations);

}  // namespace headrace::vulkan
