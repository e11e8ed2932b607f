// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/translate.h"

#include "headrace/error.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/geometry.h"

#include <array>

namespace headrace::vulkan {

namespace {

MemoryView at(MemoryView view, std::size_t bytes) {
  view.offset += bytes;
  return view;
}

/// What shaders that fill and convert can be bound to at a time.
std::size_t most_bytes(const Context& context) {
  return static_cast<std::size_t>(context.facts().most_bytes_bound) - 2 * kBindAlignment;
}

/// A pattern of 1, 2 or 4 bytes as a word.
std::uint32_t word_of(std::uint64_t pattern, std::size_t element_bytes) {
  constexpr std::array<std::uint64_t, 5> kMasks{0, 0xff, 0xffff, 0, 0xffffffff};
  constexpr std::array<std::uint64_t, 5> kTimes{0, 0x01010101, 0x00010001, 0, 1};
  return static_cast<std::uint32_t>((pattern & kMasks[element_bytes]) * kTimes[element_bytes]);
}

/// Whether a shader takes it: between aligned places that only the device sees.
bool is_for_shader(const CopyCommand& copy, const Context& context) {
  const auto is_aligned = [&](const MemoryView& view) {
    return view.host == nullptr && context.memory().find(view).offset % kPieceBytes == 0;
  };
  return copy.bytes % kPieceBytes == 0 && is_aligned(copy.from) && is_aligned(copy.to);
}

void copy_by_shader(const CopyCommand& copy, Context& context, std::vector<Operation>& operations) {
  const std::size_t most = most_bytes(context) / kPieceBytes * kPieceBytes;
  for (std::size_t done = 0; done < copy.bytes; done += most) {
    const std::size_t part = std::min(most, copy.bytes - done);
    const Binding from(context.memory().find(at(copy.from, done)), part);
    const Binding to(context.memory().find(at(copy.to, done)), part);
    const std::size_t pieces = part / kPieceBytes;
    DispatchOperation operation{context.pipelines().get({Shader::copy}), from.range, to.range};
    operation.constants = {from.offset, to.offset, static_cast<std::uint32_t>(pieces)};
    operation.groups =
        groups_of(divide_up(pieces, kCopiedPiecesAThread), context.facts().most_groups);
    operations.emplace_back(operation);
  }
}

/// Converts one part that can be bound as a whole: in pieces as far as both sides are aligned.
class PartConversion {
 public:
  PartConversion(const ConvertCommand& work, Context& context)
      : work_(work),
        context_(context),
        from_(context.memory().find(work.from), work.count * size_of(work.from_type)),
        to_(context.memory().find(work.to), work.count * size_of(work.to_type)) {}

  void add_to(std::vector<Operation>& operations) const {
    const std::uint32_t elements = elements_a_piece(work_.from_type, work_.to_type);
    const bool is_aligned = is_whole(from_.offset, elements * size_of(work_.from_type)) &&
                            is_whole(to_.offset, elements * size_of(work_.to_type));
    const std::size_t pieces = is_aligned ? work_.count / elements : 0;
    if (pieces != 0) {
      operations.emplace_back(
          dispatch(by_pieces,
                   static_cast<std::uint32_t>(pieces),
                   groups_of(divide_up(pieces, kPiecesAThread), context_.facts().most_groups)));
    }
    if (const std::size_t done = pieces * elements; done == 0) {
      add_words(operations);
    } else if (done != work_.count) {
      ConvertCommand rest = work_;
      rest.from = at(rest.from, done * size_of(rest.from_type));
      rest.to = at(rest.to, done * size_of(rest.to_type));
      rest.count -= done;
      PartConversion(rest, context_).add_words(operations);
    }
  }

 private:
  enum Shape : std::uint32_t { by_words, by_pieces };

  /// Whether so many bytes at a time begin where a thread can read or write them at once.
  static bool is_whole(std::uint32_t offset, std::size_t bytes) {
    return offset % std::min<std::size_t>(bytes, kPieceBytes) == 0;
  }

  void add_words(std::vector<Operation>& operations) const {
    operations.emplace_back(
        dispatch(by_words,
                 static_cast<std::uint32_t>(work_.count),
                 groups_of(touched(to_.offset, work_.count * size_of(work_.to_type), 4),
                           context_.facts().most_groups)));
  }

  [[nodiscard]] DispatchOperation dispatch(Shape shape,
                                           std::uint32_t count,
                                           std::uint32_t groups) const {
    const PipelineKey key{Shader::convert,
                          {static_cast<std::uint32_t>(work_.from_type),
                           static_cast<std::uint32_t>(work_.to_type),
                           shape}};
    DispatchOperation operation{context_.pipelines().get(key), from_.range, to_.range};
    operation.constants = {from_.offset, to_.offset, count};
    operation.groups = groups;
    return operation;
  }

  const ConvertCommand& work_;
  Context& context_;
  const Binding from_;
  const Binding to_;
};

}  // namespace

void translate(const CopyCommand& copy, Context& context, std::vector<Operation>& operations) {
  if (copy.bytes == 0) {
    return;
  }
  if (is_for_shader(copy, context)) {
    return copy_by_shader(copy, context, operations);
  }
  const auto range = [&](const MemoryView& view) {
    const Place place = context.memory().find(view);
    return Range{place.buffer, place.offset, copy.bytes, place.is_host_visible};
  };
  operations.emplace_back(CopyOperation{range(copy.from), range(copy.to)});
}

void translate(const FillCommand& fill, Context& context, std::vector<Operation>& operations) {
  const std::size_t bytes = fill.count * fill.element_bytes;
  const Place place = context.memory().find(fill.to);
  if (bytes != 0 && fill.element_bytes <= 4 && (place.offset | bytes) % 4 == 0) {
    operations.emplace_back(
        FillOperation{{place.buffer, place.offset, bytes, place.is_host_visible},
                      word_of(fill.pattern, fill.element_bytes)});
    return;
  }
  const std::size_t most = most_bytes(context) / sizeof(std::uint64_t) * sizeof(std::uint64_t);
  for (std::size_t done = 0; done < bytes; done += most) {
    const std::size_t part = std::min(most, bytes - done);
    const Binding to(context.memory().find(at(fill.to, done)), part);
    DispatchOperation operation{context.pipelines().get({Shader::fill}), {}, to.range};
    operation.constants = {to.offset,
                           static_cast<std::uint32_t>(part),
                           static_cast<std::uint32_t>(fill.pattern),
                           static_cast<std::uint32_t>(fill.pattern >> 32),
                           static_cast<std::uint32_t>(fill.element_bytes)};
    operation.groups =
        groups_of(touched(to.offset, part, kPieceBytes), context.facts().most_groups);
    operations.emplace_back(operation);
  }
}

void translate(const ConvertCommand& work, Context& context, std::vector<Operation>& operations) {
  const std::size_t from_bytes = size_of(work.from_type);
  const std::size_t to_bytes = size_of(work.to_type);
  if (work.from_type == work.to_type) {
    return translate(CopyCommand{work.from, work.to, work.count * to_bytes}, context, operations);
  }
  const std::size_t elements = elements_a_piece(work.from_type, work.to_type);
  const std::size_t most =
      most_bytes(context) / (elements * std::max(from_bytes, to_bytes)) * elements;
  for (std::size_t done = 0; done < work.count; done += most) {
    ConvertCommand part = work;
    part.from = at(part.from, done * from_bytes);
    part.to = at(part.to, done * to_bytes);
    part.count = std::min(most, work.count - done);
    PartConversion(part, context).add_to(operations);
  }
}

void translate(const Command& command, Context& context, std::vector<Operation>& operations) {
  std::visit(
      [&](const auto& work) {
        if constexpr (std::is_same_v<std::decay_t<decltype(work)>, LaunchCommand>) {
          throw Error(ErrorCode::internal,
                      "A launch reached a Vulkan stream without being recorded.");
        } else {
          translate(work, context, operations);
        }
      },
      command.work);
}

}  // namespace headrace::vulkan
