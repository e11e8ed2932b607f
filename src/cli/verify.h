// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/image_check.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include "cli/expected_input.h"
#include "cli/share.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace headrace::cli {

/// A batch as it was read back from the device.
struct HostBatch {
  struct Part {
    Shape shape;  ///< Rows included.
    DataType dtype = DataType::float32;
    std::vector<std::byte> bytes = {};
  };
  std::uint64_t epoch = 0;
  std::vector<std::uint64_t> ids = {};  ///< Sample of every valid row.
  Part input = {};
  Part label = {};
  std::vector<Part> fields = {};  ///< In the order of the SampleSpec.
};

/// Copies a batch to the host. Waits: for the batch.
HostBatch read_back(const GPUBatch& batch, const SampleSpec& spec);

/// What was found by decoding images with a second decoder too.
struct DecodedTwice {
  std::string decoder;            ///< The second's name.
  std::uint64_t samples = 0;      ///< Compared.
  std::uint64_t unsupported = 0;  ///< Samples that it did not decode; these are no mismatches.
  std::string unsupported_reason = {};  ///< Of the first of them, after its id.
  int max_difference = 0;               ///< Of any channel of any pixel, in levels of 0 to 255.
  double mean_difference = 0;           ///< Over all that was compared, in levels.
};

/// What a Verifier found.
struct Verified {
  std::uint64_t samples = 0;           ///< Compared, byte by byte.
  std::uint64_t mismatches = 0;        ///< Samples that are not what the source holds.
  std::uint64_t missing = 0;           ///< Samples of this rank's share that never came.
  std::uint64_t duplicates = 0;        ///< Samples that came again in an epoch.
  std::optional<DecodedTwice> images;  ///< Unset when no sample was an encoded image.
  std::vector<std::string> problems;   ///< At most the first 8, in words.

  [[nodiscard]] bool is_clean() const noexcept {
    return mismatches == 0 && missing == 0 && duplicates == 0;
  }
};

/// Compares what a loader delivers with a read of its own, on the calling thread.
///
/// Every sample of every epoch must come once, as the source and the output specification make it.
/// What the source decoded from an image must be what a second decoder makes of it, within bounds.
/// Which samples are another rank's it does not know: of a rank's share it checks the number.
class Verifier {
 public:
  /// \param source  Opened for the verifier alone.
  /// \param output  What the loader makes of inputs.
  /// \param share   What the loader has to deliver.
  /// \param epochs  Of the run; 0 is endless.
  /// \param seed    Of the run: what is drawn at random is drawn again.
  Verifier(std::shared_ptr<const SampleSource> source,
           const OutputSpec& output,
           const Share& share,
           std::uint64_t epochs,
           std::uint64_t seed);

  /// Checks one batch; batches come in the order delivered.
  void add(const HostBatch& batch);

  /// Ends the checking.
  ///
  /// \param failures     Samples that the loader said it could not read; these are not missing.
  /// \param is_complete  Whether the run went to its end; if not, the last epoch may be unfinished.
  /// \returns What was found in all.
  const Verified& finish(std::uint64_t failures, bool is_complete);

 private:
  void open_epoch(std::uint64_t epoch);
  void close_epoch();
  bool check_shapes(const HostBatch& batch);
  bool check_part(const HostBatch& batch,
                  const HostBatch::Part& part,
                  const Shape& row_shape,
                  DataType dtype,
                  const std::string& name);
  void check_row(const HostBatch& batch, std::size_t row);
  bool mark(std::uint64_t epoch, std::uint64_t id);
  void read(const ReadContext& context);
  bool check_decoding(const ReadContext& context);
  bool compare(const HostBatch& batch,
               std::size_t row,
               const HostBatch::Part& part,
               std::span<const std::byte> expected,
               const std::string& name);
  void note(std::string problem);
  void note_missing();

  std::shared_ptr<const SampleSource> source_;
  SampleSpec spec_;
  ExpectedInput expected_;
  Share share_;
  std::uint64_t epochs_;
  std::uint64_t seed_;
  Verified verified_;

  // The sample that was read last.
  std::vector<std::byte> input_;
  std::vector<std::byte> label_;
  std::vector<std::vector<std::byte>> fields_;

  // The epoch that batches come from; those before it are closed.
  std::uint64_t epoch_;
  std::uint64_t distinct_ = 0;
  std::vector<bool> seen_;
};

}  // namespace headrace::cli
