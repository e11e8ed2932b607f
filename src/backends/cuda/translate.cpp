// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/translate.h"

#include "headrace/error.h"

#include "backends/cuda/blocks.h"
#include "backends/cuda/context.h"
#include "backends/cuda/device.h"
#include "backends/cuda/expansion.h"

namespace headrace::cuda {

namespace {

/// Whether a kernel takes it: between aligned places of the device's own memory.
bool is_for_kernel(const CopyCommand& copy) {
  return copy.peer == nullptr && copy.from.host == nullptr && copy.to.host == nullptr &&
         (address(copy.from) | address(copy.to) | copy.bytes) % kPieceBytes == 0;
}

/// Translates one kind of command each.
struct Translator {
  Context& context;
  std::vector<Operation>& operations;

  void operator()(const CopyCommand& copy) const {
    if (copy.bytes == 0) {
      return;
    }
    const std::uint64_t pieces = copy.bytes / kPieceBytes;
    const std::uint64_t blocks = divide_up(pieces, kPiecesABlock);
    if (is_for_kernel(copy) && blocks <= INT32_MAX) {
      operations.emplace_back(KernelOperation{context.kernels().copy_16_bytes(),
                                              static_cast<unsigned>(blocks),
                                              kThreads,
                                              {address(copy.from), address(copy.to), pieces}});
      return;
    }
    operations.emplace_back(CopyOperation{address(copy.to),
                                          address(copy.from),
                                          copy.bytes,
                                          copy.to.host != nullptr,
                                          copy.from.host != nullptr,
                                          copy.peer == nullptr ? nullptr : way_to(*copy.peer)});
  }

  Context* way_to(const BackendDevice& peer) const {
    const std::shared_ptr<Context>& other = static_cast<const Device&>(peer).context();
    context.open_way_to(other);
    return other.get();
  }

  void operator()(const FillCommand& fill) const {
    if (fill.count == 0) {
      return;
    }
    if (fill.element_bytes <= sizeof(unsigned)) {
      operations.emplace_back(FillOperation{address(fill.to),
                                            static_cast<unsigned>(fill.pattern),
                                            static_cast<unsigned>(fill.element_bytes),
                                            fill.count,
                                            fill.to.host != nullptr});
      return;
    }
    operations.emplace_back(KernelOperation{context.kernels().fill_8_bytes(),
                                            loop_blocks(fill.count),
                                            kThreads,
                                            {address(fill.to), fill.pattern, fill.count}});
  }

  void operator()(const ConvertCommand& work) const {
    if (work.from_type == work.to_type) {
      return (*this)(CopyCommand{work.from, work.to, work.count * size_of(work.to_type)});
    }
    if (work.count == 0) {
      return;
    }
    const CUdeviceptr from = address(work.from);
    const CUdeviceptr to = address(work.to);
    const Pieces pieces(from, size_of(work.from_type), to, size_of(work.to_type), work.count);
    const std::uint64_t blocks = divide_up(pieces.count, kPiecesABlock);
    operations.emplace_back(
        KernelOperation{context.kernels().convert(work.from_type, work.to_type),
                        blocks == 0 ? loop_blocks(work.count) : static_cast<unsigned>(blocks),
                        kThreads,
                        {from, to, work.count, pieces.head, pieces.count}});
  }

  void operator()(const ExpandCommand& work) const {
    if (const std::optional<ConvertCommand> conversion = as_conversion(work)) {
      return (*this)(*conversion);
    }
    if (work.samples != 0) {
      operations.emplace_back(expansion_of(work, context));
    }
  }

  void operator()(const LaunchCommand& /*launch*/) const {
    throw Error(ErrorCode::internal, "A launch reached a CUDA stream without being recorded.");
  }
};

}  // namespace

bool translate(const Command& command, Context& context, std::vector<Operation>& operations) {
  std::visit(Translator{context, operations}, command.work);
  const auto* copy = std::get_if<CopyCommand>(&command.work);
  return copy == nullptr || copy->peer == nullptr;
}

}  // namespace headrace::cuda
