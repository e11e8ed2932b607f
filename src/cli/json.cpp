// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"

#include "headrace/version.h"

#include "cli/describe.h"

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Labels beyond this many kinds are not written.
constexpr std::size_t kMaxLabels = 10000;

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json part_json(const Shape& shape, DataType dtype) {
  return {{"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
          {"dtype", to_string(dtype)},
          {"bytes", part_bytes(shape, dtype)}};
}

Json stage_json(const StageStats& stage) {
  return {{"count", stage.count},
          {"total_us", stage.total_us},
          {"p50_us", stage.p50_us},
          {"p99_us", stage.p99_us}};
}

Json stages_json(const AsyncDataLoaderStats& stats) {
  return {{"read", stage_json(stats.read)},
          {"wait_for_slot", stage_json(stats.wait_for_slot)},
          {"copy", stage_json(stats.copy)},
          {"wait_for_batch", stage_json(stats.wait_for_batch)},
          {"handoff", stage_json(stats.handoff)}};
}

Json shard_json(const Shard& shard) {
  return {{"rank", shard.rank}, {"world_size", shard.world_size}};
}

Json failures_json(const AsyncDataLoaderStats& stats) {
  Json list = Json::array();
  for (const SampleFailure& failure : stats.first_failures) {
    list.push_back(
        {{"epoch", failure.epoch}, {"sample", failure.sample}, {"message", failure.message}});
  }
  return list;
}

Json images_json(const std::optional<DecodedTwice>& images) {
  if (!images) {
    return nullptr;
  }
  return {{"name", images->decoder},
          {"samples", images->samples},
          {"unsupported", images->unsupported},
          {"max_difference", images->max_difference},
          {"mean_difference", images->mean_difference}};
}

Json verified_json(const std::optional<Verified>& verified) {
  if (!verified) {
    return nullptr;
  }
  return {{"samples", verified->samples},
          {"mismatches", verified->mismatches},
          {"missing", verified->missing},
          {"duplicates", verified->duplicates},
          {"second_decoder", images_json(verified->images)}};
}

}  // namespace

std::string to_json(std::span<const DeviceInfo> devices) {
  Json list = Json::array();
  for (const DeviceInfo& device : devices) {
    list.push_back({{"spec", device.spec},
                    {"backend", device.backend},
                    {"name", device.name},
                    {"index", device.index},
                    {"total_bytes", device.total_bytes},
                    {"is_gpu", device.is_gpu},
                    {"unified_memory", device.unified_memory},
                    {"uuid", device.uuid.empty() ? Json() : Json(device.uuid)}});
  }
  return text_of({{"devices", std::move(list)}});
}

std::string to_json(const Inspection& inspection) {
  const SampleSpec& spec = inspection.spec;
  Json json{{"source", inspection.source},
            {"samples", inspection.samples},
            {"input", part_json(spec.input_shape, spec.input_dtype)},
            {"label", nullptr},
            {"fields", Json::object()},
            {"bytes", inspection.bytes},
            {"labels", nullptr}};
  if (has_labels(spec)) {
    json["label"] = part_json(spec.label_shape, spec.label_dtype);
  }
  for (const SampleSpec::Field& field : spec.fields) {
    json["fields"][field.name] = part_json(field.shape, field.dtype);
  }
  if (inspection.labels && inspection.labels->size() <= kMaxLabels) {
    json["labels"] = Json::object();
    for (const auto& [label, count] : *inspection.labels) {
      json["labels"][std::to_string(label)] = count;
    }
  }
  return text_of(json);
}

std::string to_json(const Report& report) {
  const AsyncDataLoaderStats& stats = report.stats;
  return text_of({{"version", kVersion},
                  {"source", report.source},
                  {"dataset_size", report.dataset_size},
                  {"device", report.device.spec},
                  {"device_name", report.device.name},
                  {"backend", report.device.backend},
                  {"shard", shard_json(report.config.shard)},
                  {"seed", report.config.seed},
                  {"shuffle", report.config.shuffle},
                  {"batch_size", report.config.batch_size},
                  {"workers", stats.workers},
                  {"prefetch", report.config.prefetch_depth},
                  {"generation", stats.generation},
                  {"resumed", report.is_resumed},
                  {"interrupted", report.signal != 0},
                  {"samples", report.samples},
                  {"batches", report.batches},
                  {"epochs", report.epochs},
                  {"bytes_to_device", stats.bytes_to_device},
                  {"seconds", report.seconds},
                  {"samples_per_second", report.samples_per_second()},
                  {"gigabytes_per_second", report.gigabytes_per_second()},
                  {"first_batch_ms", report.first_batch_seconds * 1e3},
                  {"consumer_wait_fraction", report.consumer_wait_fraction()},
                  {"handoff_us", {{"p50", stats.handoff.p50_us}, {"p99", stats.handoff.p99_us}}},
                  {"peak_device_bytes", stats.peak_device_bytes},
                  {"peak_pinned_bytes", stats.pinned_bytes},
                  {"failures", stats.failures},
                  {"first_failures", failures_json(stats)},
                  {"order_digest", report.digest_text()},
                  {"bound_by", to_string(report.bound_by())},
                  {"stages", stages_json(stats)},
                  {"verified", verified_json(report.verified)}});
}

std::string to_json(const PackReport& report) {
  return text_of({{"version", kVersion},
                  {"source", report.source},
                  {"target", report.target},
                  {"format", report.format},
                  {"samples", report.samples},
                  {"resumed_samples", report.resumed_samples},
                  {"files", report.files},
                  {"bytes", report.bytes},
                  {"seconds", report.seconds}});
}

std::string to_json(const BenchReport& report) {
  Json list = Json::array();
  for (const Measurement& measurement : report.measurements) {
    Json json{{"group", measurement.group},
              {"name", measurement.name},
              {"unit", to_string(measurement.unit)},
              {"value", measurement.value},
              {"peer", nullptr},
              {"peer_value", nullptr},
              {"ratio", nullptr}};
    if (!measurement.peer.empty()) {
      json["peer"] = measurement.peer;
      json["peer_value"] = measurement.peer_value;
      json["ratio"] = measurement.ratio();
    }
    list.push_back(std::move(json));
  }
  return text_of({{"version", kVersion},
                  {"device", report.device.spec},
                  {"device_name", report.device.name},
                  {"backend", report.device.backend},
                  {"threads", report.threads},
                  {"rounds", report.effort.rounds},
                  {"seconds_a_round", report.effort.seconds},
                  {"measurements", std::move(list)}});
}

std::string to_json(const LoaderState& state, const StateOwner& owner) {
  Json json = Json::parse(state.to_json());
  json["shard"] = shard_json(owner.shard);
  json["batch_size"] = owner.batch_size;
  return json.dump() + "\n";
}

std::optional<StateOwner> state_owner(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto number = [](const Json& object, const char* name) -> std::optional<std::uint64_t> {
    const bool is_there = object.is_object() && object.contains(name);
    return is_there && object[name].is_number_unsigned()
               ? std::optional(object[name].get<std::uint64_t>())
               : std::nullopt;
  };
  const Json shard = json.is_object() && json.contains("shard") ? json["shard"] : Json();
  const auto rank = number(shard, "rank");
  const auto world_size = number(shard, "world_size");
  const auto batch_size = number(json, "batch_size");
  if (!rank || !world_size || !batch_size) {
    return std::nullopt;
  }
  return StateOwner{{.rank = *rank, .world_size = *world_size}, *batch_size};
}

}  // namespace headrace::cli
