// SPDX-License-Identifier: Apache-2.0
// As much of SPIR-V as says which buffers a shader writes.
#include "vulkan_layer/shader_uses.h"

#include <set>
#include <span>

namespace headrace::vulkan_layer {

namespace {

using Id = std::uint32_t;
using Words = std::span<const std::uint32_t>;

enum Opcode : std::uint32_t {
  type_struct = 30,
  type_pointer = 32,
  variable = 59,
  decorate = 71,
  member_decorate = 72,
};

enum Decoration : std::uint32_t {
  non_writable = 24,
  binding = 33,
  descriptor_set = 34,
};

struct Module {
  std::map<Id, std::size_t> members;         ///< Of structures: how many there are.
  std::map<Id, std::set<Id>> fixed_members;  ///< And which of them are not written.
  std::map<Id, Id> pointed;                  ///< What pointers point at.
  std::map<Id, Id> variables;                ///< By variable, its pointer's type.
  std::set<Id> fixed;                        ///< Variables that are not written.
  std::map<Id, std::uint32_t> sets;          ///< By variable.
  std::map<Id, std::uint32_t> bindings;      ///< By variable.
};

void note_decoration(Words words, Module& module) {
  switch (words[2]) {
    case non_writable:
      module.fixed.insert(words[1]);
      break;
    case binding:
      module.bindings[words[1]] = words[3];
      break;
    case descriptor_set:
      module.sets[words[1]] = words[3];
      break;
    default:
      break;
  }
}

/// Notes an instruction, the operands of which begin at word 1.
void note(Words words, Module& module) {
  switch (words[0] & 0xffffU) {
    case type_struct:
      module.members[words[1]] = words.size() - 2;
      break;
    case type_pointer:
      module.pointed[words[1]] = words[3];
      break;
    case variable:
      module.variables[words[2]] = words[1];
      break;
    case decorate:
      note_decoration(words, module);
      break;
    case member_decorate:
      if (words[3] == non_writable) {
        module.fixed_members[words[1]].insert(words[2]);
      }
      break;
    default:
      break;
  }
}

Module read(Words words) {
  constexpr std::size_t kHeader = 5;
  Module module;
  for (std::size_t at = kHeader; at < words.size();) {
    const std::size_t length = words[at] >> 16U;
    if (length == 0 || length > words.size() - at) {
      break;  // Nothing that a driver would take.
    }
    note(words.subspan(at, length), module);
    at += length;
  }
  return module;
}

bool is_read_only(Module& module, Id variable) {
  const Id type = module.pointed[module.variables[variable]];
  return module.fixed.contains(variable) ||
         (module.members.contains(type) &&
          module.members[type] == module.fixed_members[type].size());
}

}  // namespace

ShaderUses uses_of(const VkShaderModuleCreateInfo& info) {
  Module module = read({info.pCode, info.codeSize / sizeof(std::uint32_t)});
  ShaderUses uses;
  for (const auto& [variable, place] : module.bindings) {
    bool& is_written = uses[{module.sets[variable], place}];
    is_written = is_written || !is_read_only(module, variable);
  }
  return uses;
}

}  // namespace headrace::vulkan_layer
