// SPDX-License-Identifier: Apache-2.0
#include "sources/image_reader.h"

#include "sources/file_descriptor.h"
#include "sources/image_view.h"
#include "sources/mapped_file.h"
#include "sources/random_view.h"
#include "sources/stb_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <unistd.h>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

/// Enough to tell what a file is.
constexpr std::size_t kSignatureBytes = 16;

/// Holds most images' heads, with a camera's data about the picture.
constexpr std::size_t kHeadBytes = std::size_t{64} << 10;

/// Where a line begins in its buffer. libjpeg writes to aligned addresses past the caches, and the
/// resizer, which reads the line at once, would wait for memory.
constexpr std::size_t kUnaligned = 1;

/// More than any image of as many pixels as are read takes; a larger file is not brought into
/// memory to find that out.
constexpr std::uint64_t kMostBytes = kMaxPixels * 8;

/// Memory that a thread keeps from one image to the next.
constexpr std::size_t kMostKept = std::size_t{64} << 20;

/// What two decoders of JPEG may differ by, about twice what they were seen to: see
/// docs/design/013-images.md.
constexpr ImageDifference kJpegTolerance{.max = 6, .mean = 0.5};

void read_all(const FileDescriptor& file, const std::string& path, std::vector<std::byte>& into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t count = ::read(file.number(), into.data() + done, into.size() - done);
    if (count < 0 && errno != EINTR) {
      throw_io("read", path, errno);
    }
    if (count == 0) {
      into.resize(done);  // It was shortened meanwhile.
    }
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
}

ImageDifference difference(std::span<const std::byte> one, std::span<const std::byte> other) {
  std::uint64_t sum = 0;
  int max = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    const int apart = std::abs(std::to_integer<int>(one[i]) - std::to_integer<int>(other[i]));
    max = std::max(max, apart);
    sum += static_cast<std::uint64_t>(apart);
  }
  return {.max = max, .mean = static_cast<double>(sum) / static_cast<double>(one.size())};
}

}  // namespace

/// Brings an image's rows to their place, resized and turned as is needed.
class ImageReader::Placing final : public RowSink {
 public:
  Placing(ImageReader& reader,
          const EncodedImage& image,
          const ImageRules& rules,
          std::uint64_t random_key,
          std::uint8_t* into)
      : reader_(reader), image_(image), rules_(rules), random_(random_key), into_(into) {}

  Request begin(const ImageHead& head) override {
    const ImageSize& size = rules_.size;
    unturned_ = head.orientation.is_transposed ? ImageSize{size.height, size.width} : size;
    // Drawn whether it counts or not, so that crops are the same with and without it.
    const bool is_flipped = random_.below(2) == 1;
    turn_ = rules_.random_flip && is_flipped ? head.orientation.flipped() : head.orientation;
    if (!turn_.is_upright()) {
      reader_.picture_.resize(size.width * size.height * kChannels);
    }
    is_resized_ = rules_.random_crop || head.shown() != size;
    if (!is_resized_) {
      return {.part = {.width = unturned_.width, .height = unturned_.height}};
    }
    if (!rules_.may_resize) {
      refuse_size(head.shown());
    }
    reader_.line_.resize(kUnaligned + head.stored.width * kChannels + kernels::kResampleSlack);
    const ImageView view = view_of(head.shown()).before(head.orientation);
    const std::uint64_t shrink = rules_.scaled_decoding && head.can_shrink ? view.shrink() : 1;
    return {.shrink = shrink, .part = reader_.resizer_.begin(view, shrink)};
  }

  std::uint8_t* next_row() override {
    const std::uint64_t row = row_count_++;
    if (!is_resized_) {
      return result() + row * unturned_.width * kChannels;
    }
    if (row > 0) {
      reader_.resizer_.take(line());
    }
    return line();
  }

  void end() override {
    if (is_resized_) {
      reader_.resizer_.take(line());
      reader_.resizer_.finish(result());
    }
    if (!turn_.is_upright()) {
      turn(result(), unturned_, turn_, into_);
    }
  }

 private:
  [[noreturn]] void refuse_size(const ImageSize& size) const {
    image_.refuse(ErrorCode::corrupt_data,
                  0,
                  fmt::format("the image is {}x{}, not {}x{} as when the data set was opened",
                              size.width,
                              size.height,
                              rules_.size.width,
                              rules_.size.height));
  }

  ImageView view_of(const ImageSize& shown) {
    return rules_.random_crop
               ? cut_and_resize(shown, draw_crop(*rules_.random_crop, shown, random_), rules_.size)
               : cover_and_cut(shown, rules_.size);
  }

  /// Where the picture goes before it is turned.
  [[nodiscard]] std::uint8_t* result() const {
    return turn_.is_upright() ? into_ : reader_.picture_.data();
  }

  [[nodiscard]] std::uint8_t* line() const { return reader_.line_.data() + kUnaligned; }

  ImageReader& reader_;
  const EncodedImage& image_;
  const ImageRules& rules_;
  KeyedRandom random_;
  std::uint8_t* into_;
  Orientation turn_;
  ImageSize unturned_;  // what becomes of the picture before it is turned
  bool is_resized_ = false;
  std::uint64_t row_count_ = 0;
};

ImageReader& ImageReader::of_this_thread() {
  thread_local ImageReader reader;
  return reader;
}

EncodedImage ImageReader::load(const std::string& path, std::size_t most) {
  const FileDescriptor file = open_regular(path);
  return load(file, path, std::min<std::uint64_t>(bytes_of_file(file, path), most));
}

EncodedImage ImageReader::load(const FileDescriptor& file,
                               const std::string& path,
                               std::uint64_t bytes) {
  if (bytes > kMostBytes) {
    EncodedImage{.path = path, .bytes = {}}.refuse(
        ErrorCode::unsupported,
        kMostBytes,
        fmt::format("the image goes on: its {} bytes are more than {}", bytes, kMostBytes));
  }
  file_.resize(static_cast<std::size_t>(bytes));
  read_all(file, path, file_);
  return {.path = path, .bytes = file_};
}

ImageHead ImageReader::read_head(const EncodedImage& image) {
  if (has_png_signature(image.bytes)) {
    return png_.read_head(image);
  }
  return jpeg_.read_head(image);
}

bool ImageReader::is_image(const std::string& path, std::uint64_t& file_bytes) {
  const FileDescriptor file = open_regular(path);
  file_bytes = bytes_of_file(file, path);
  const EncodedImage start = load(file, path, std::min<std::uint64_t>(file_bytes, kSignatureBytes));
  return has_jpeg_signature(start.bytes) || has_png_signature(start.bytes);
}

ImageSize ImageReader::size_of(const std::string& path) {
  const EncodedImage start = load(path, kHeadBytes);
  try {
    return read_head(start).shown();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt_data || start.bytes.size() < kHeadBytes) {
      throw;
    }
  }
  return size_of(load(path, SIZE_MAX));
}

ImageSize ImageReader::size_of(const EncodedImage& image) {
  return read_head(image).shown();
}

void ImageReader::read(const std::string& path,
                       const ImageRules& rules,
                       std::uint64_t random_key,
                       std::span<std::byte> into) {
  forget_large();
  read(load(path, SIZE_MAX), rules, random_key, into);
}

void ImageReader::read(const EncodedImage& image,
                       const ImageRules& rules,
                       std::uint64_t random_key,
                       std::span<std::byte> into) {
  Placing placing(*this, image, rules, random_key, reinterpret_cast<std::uint8_t*>(into.data()));
  decode(image, placing);
}

void ImageReader::decode(const EncodedImage& image, RowSink& sink) {
  if (has_png_signature(image.bytes)) {
    png_.decode(image, sink);
  } else {
    jpeg_.decode(image, sink);
  }
}

ImageCheck ImageReader::check(const std::string& path,
                              const ImageRules& rules,
                              std::uint64_t random_key,
                              std::span<const std::byte> input) {
  forget_large();
  return check(load(path, SIZE_MAX), rules, random_key, input);
}

ImageCheck ImageReader::check(const EncodedImage& image,
                              const ImageRules& rules,
                              std::uint64_t random_key,
                              std::span<const std::byte> input) {
  Trial trial;
  decode(image, trial);
  std::vector<std::byte> second(input.size());
  Placing placing(*this, image, rules, random_key, reinterpret_cast<std::uint8_t*>(second.data()));
  ImageCheck check{.allowed = has_png_signature(image.bytes) ? ImageDifference{} : kJpegTolerance};
  check.reason = decode_with_stb(image, trial, placing);
  if (check.reason.empty()) {
    check.found = difference(input, second);
  }
  return check;
}

void ImageReader::forget_large() {
  const std::size_t kept = file_.capacity() + picture_.capacity() + line_.capacity() +
                           resizer_.kept_bytes() + png_.kept_bytes();
  if (kept > kMostKept) {
    file_ = {};
    picture_ = {};
    line_ = {};
    resizer_ = {};
    png_ = {};
  }
}

}  // namespace headrace::sources
