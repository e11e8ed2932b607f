// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/export.h"
#include "headrace/shape.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace headrace {

/// One batch as a DataSource gives it. Shapes include the batch dimension, which comes first.
struct SourceBatch {
  std::vector<float> input = {};
  Shape input_shape = {};
  std::vector<float> labels = {};
  Shape label_shape = {};
};

/// The user's simple serial source of batches.
///
/// Threads: the loader's calls never overlap and come from one thread at a time.
class HEADRACE_EXPORT DataSource {
 public:
  DataSource() = default;
  DataSource(const DataSource&) = delete;
  DataSource& operator=(const DataSource&) = delete;
  virtual ~DataSource();

  /// Gives the next samples, at most `n`; fewer only at the end.
  ///
  /// \returns nullopt when no sample is left. An exception reaches the consumer at this batch.
  virtual std::optional<SourceBatch> get_batch(std::size_t n) = 0;

  /// Number of samples from one reset to the end.
  [[nodiscard]] virtual std::size_t size() const = 0;

  /// Goes back to the first sample. A loader calls it before its first batch too.
  virtual void reset() = 0;
};

/// What one sample of a SampleSource holds. Shapes are of a single sample.
struct SampleSpec {
  /// A further named part of a sample.
  struct Field {
    std::string name = {};
    Shape shape = {};
    DataType dtype = DataType::float32;
    friend bool operator==(const Field&, const Field&) = default;
  };

  Shape input_shape = {};
  DataType input_dtype = DataType::float32;
  /// `Shape{0}` says that the source has no labels.
  Shape label_shape = {};
  DataType label_dtype = DataType::int64;
  std::vector<Field> fields = {};
  friend bool operator==(const SampleSpec&, const SampleSpec&) = default;
};

/// Which sample to read, and the randomness that belongs to it.
struct ReadContext {
  std::uint64_t index = 0;       ///< Sample, below the source's `size()`.
  std::uint64_t epoch = 0;       ///< Pass over the data, from 0.
  std::uint64_t random_key = 0;  ///< A function of (seed, epoch, index) alone; seeds augmentation.
};

/// Where to write one sample. Each span has exactly the bytes that the SampleSpec says.
struct SampleView {
  std::span<std::byte> input = {};
  std::span<std::byte> label = {};
  std::vector<std::span<std::byte>> fields = {};
};

/// Random access to samples of one fixed spec.
///
/// Threads: `read` is called from many threads at once; the rest from any.
class HEADRACE_EXPORT SampleSource {
 public:
  SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;
  virtual ~SampleSource();

  /// Shapes and types; never changes.
  [[nodiscard]] virtual SampleSpec spec() const = 0;

  /// Number of samples; never changes.
  [[nodiscard]] virtual std::size_t size() const = 0;

  /// Writes sample `context.index` into `into`, every byte of it.
  ///
  /// \throws Error  `io` or `corrupt_data` naming the file; `invalid_argument` when there is no
  ///                such sample, or `into` is not of its size. Any exception reaches the consumer
  ///                at the batch of this sample.
  virtual void read(const ReadContext& context, SampleView& into) const = 0;

  /// What the samples are, for reports and errors: a path or a short description.
  [[nodiscard]] virtual std::string name() const;

  /// A number that tells this data set from others, by which a loader refuses the state of a set
  /// that has changed. Sources of `open_source`, `open_memory` and `subset` look at parts of the
  /// content, of class folders at paths and sizes of files alone: a copy elsewhere has the same
  /// number, and other changes are not seen. The cost is about the same for arrays of any size;
  /// archives and subsets take a step for each sample.
  ///
  /// The default knows spec and size alone. Another one should be the same on every machine, and
  /// must not depend on where the data lie or how they are called.
  ///
  /// \returns 0 when it is not known; then nothing is checked.
  /// \throws Error  `io` when the data cannot be looked at.
  [[nodiscard]] virtual std::uint64_t fingerprint() const;
};

/// Width and height in pixels.
struct ImageSize {
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// What a random crop of an image takes: torchvision's RandomResizedCrop. Ten times a share of the
/// area and a ratio of the sides are drawn, the ratio evenly by its logarithm, until such a part
/// fits; its place is drawn then. When none fits it is the middle, as large as the ratios allow.
struct RandomCrop {
  double min_scale = 0.08;     ///< Shares of the image's area: above 0,
  double max_scale = 1.0;      ///< and at most 1.
  double min_ratio = 3.0 / 4;  ///< Width by height: above 0,
  double max_ratio = 4.0 / 3;  ///< and finite.
};

/// How `open_source` reads a path.
struct SourceOptions {
  /// A folder with several IDX pairs: the prefix of the pair to use ("train", "t10k").
  std::string split = {};
  /// Images: the size, 1 to 65535 pixels a side, that each is resized to cover and then cut to, in
  /// the middle. For a square that is torchvision's Resize and CenterCrop.
  std::optional<ImageSize> image_size = {};
  /// Images: instead of that a part drawn at random is resized to `image_size`, whatever its
  /// proportions. It follows from `ReadContext::random_key` alone.
  std::optional<RandomCrop> random_crop = {};
  /// Images: every other one, by `ReadContext::random_key`, is mirrored, left for right.
  bool random_flip = false;
  /// JPEG images larger than needed: decode them at a half, a quarter or an eighth of their size,
  /// the least that covers what they are resized to, as Pillow's draft mode does. Much faster for
  /// large images; pixels differ a little. Needs `image_size`; other images are left as they are.
  bool scaled_decoding = false;
  /// The path is a file of raw records of this spec: each an input, then its label, with nothing
  /// before, between or behind them, in little-endian order. Nothing is recognised then.
  std::optional<SampleSpec> raw = {};
};

/// Opens a data set, recognised by its content.
///
/// A file's format is told by its first bytes, whatever the name:
///  - NumPy's `.npy` (versions 1.0 to 3.0, C order, bytes in either order) and IDX, the format of
///    MNIST: one array whose first axis counts the samples; it has no labels;
///  - safetensors: the tensors "inputs" and, if it is there, "labels", of every DataType; other
///    tensors of the file are left alone;
///  - tar in WebDataset's layout: the samples KEY`.npy`, `.jpg`, `.jpeg` or `.png`, all of one
///  shape
///    and type, with int64 labels if there are KEY`.cls`, which hold decimal numbers. Parts of
///    other names are left alone. Not compressed.
///
/// A folder holds
///  - `inputs.npy` and `labels.npy`, or else
///  - `PREFIX-images-idx*` and `PREFIX-labels-idx*` (also `.idx*`), once or for several prefixes,
///    or else
///  - `*.tar`, shards that are read one behind the other in the order of their names, or else
///  - class folders of JPEG and PNG files.
///
/// A label array of shape [N] gives scalar labels (`Shape{}`), one of shape [N, K] gives
/// `Shape{K}`. A source without labels has `label_shape` `Shape{0}` and `label_dtype` uint8. Types
/// stay those of the file. No samples at all is no error.
///
/// An image, JPEG or PNG by its content, is `[H, W, 3]` uint8 RGB, as EXIF's orientation shows it,
/// without alpha. All must have one size unless `options.image_size` is set. They are decoded at
/// every `read`.
///
/// Of class folders the label, int64, is the folder's place among all in the order of their names'
/// bytes. The images of a class may lie in folders within it, at any depth, and come in the order
/// of torchvision's ImageFolder: its folders in the order of their paths' bytes, each by name.
/// Hidden files and folders are passed over; README, LICENSE and the like are, and `name()` says
/// so; other files, and classes without images, are refused. The folders are listed here, once; the
/// files are read at every `read`.
///
/// Life: files of arrays are mapped, never read whole, and stay open while the source lives. They
/// may be removed or replaced by a rename meanwhile. They must not be shortened in place: a loader
/// looks before every batch and gives `io`, but the system ends a process that reads a mapping
/// beyond the file's end.
///
/// \throws Error  `io` when the path cannot be read; `unsupported` when no format fits, a file is
///                of a kind that cannot be served, or an option of images is set for no images;
///                `corrupt_data` with path and offset when the content is not what its header or
///                its name says; `invalid_argument` when the folder holds several pairs and
///                `options.split` does not choose one, when a split is asked for where there is
///                none, when inputs and labels differ in number, when images differ in size and no
///                `options.image_size` is set, when options of images are out of range or lack
///                the size that they need; or when `options.raw` has fields or empty inputs.
HEADRACE_EXPORT std::shared_ptr<SampleSource> open_source(const std::filesystem::path& path,
                                                          SourceOptions options = {});

/// Samples `indices` of `source`, in that order; an index may stand more than once.
///
/// \throws Error  `invalid_argument` when `source` is null or an index is not below its size.
HEADRACE_EXPORT std::shared_ptr<SampleSource> subset(std::shared_ptr<SampleSource> source,
                                                     std::vector<std::uint64_t> indices);

/// Samples that lie in memory one after another; nothing is copied.
///
/// Life: both ranges must stay valid and unchanged while the source, or a subset of it, lives.
/// \param inputs  The samples' inputs, a whole number of them.
/// \param labels  As many labels; empty when `spec.label_shape` is `Shape{0}`.
/// \throws Error  `invalid_argument` when the sizes do not agree with `spec`, an input has no
///                elements, or `spec` has fields.
HEADRACE_EXPORT std::shared_ptr<SampleSource> open_memory(std::span<const std::byte> inputs,
                                                          std::span<const std::byte> labels,
                                                          SampleSpec spec);

}  // namespace headrace
