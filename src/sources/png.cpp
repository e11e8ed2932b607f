// SPDX-License-Identifier: Apache-2.0
#include "sources/png.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <new>
#include <string_view>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

/// Most bytes that deflate makes of one.
constexpr std::uint64_t kMaxInflation = 1032;

/// Sides as JPEG's at most; both formats have the same limits.
constexpr png_uint_32 kMaxSide = 65535;

/// Chunks that change no pixel, and are skipped; names without their ends, as libpng wants them.
constexpr std::string_view kSkipped{
    "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0"
    "tIME\0zTXt\0",
    std::size_t{17} * 5};

/// One file being decoded.
class Reading {
 public:
  explicit Reading(const EncodedImage& image);
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { png_destroy_read_struct(&png_, &info_, nullptr); }

  ImageHead read_head();
  void start_rows();
  void read_rows(const Region& needed, RowSink& sink, std::vector<std::uint8_t>& picture);
  void skip_rows(std::uint64_t count);
  void finish();

 private:
  /// Runs `step`, out of which libpng may jump: nothing that `step` makes may have a destructor
  /// while it calls libpng.
  template <class Step>
  void run(const Step& step) {
    // NOLINTNEXTLINE(cert-err52-cpp): the way out that libpng has
    if (setjmp(jump_) != 0) {
      image_.refuse(ErrorCode::corrupt_data, position_, message_.data());
    }
    step();
  }

  [[nodiscard]] Orientation orientation() const;
  void read_interlaced(std::vector<std::uint8_t>& picture);
  [[noreturn]] void fail(const char* message);

  static void on_error(png_structp png, png_const_charp message) {
    static_cast<Reading*>(png_get_error_ptr(png))->fail(message);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep into, std::size_t count);

  const EncodedImage& image_;
  std::size_t position_ = 0;
  std::jmp_buf jump_{};
  std::array<char, 200> message_{};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  ImageSize size_;
  bool is_interlaced_ = false;
};

Reading::Reading(const EncodedImage& image) : image_(image) {
  // On an error in here libpng frees what it has and gives null.
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
  info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
  if (info_ == nullptr) {
    png_destroy_read_struct(&png_, &info_, nullptr);
    throw std::bad_alloc();
  }
}

void Reading::fail(const char* message) {
  std::strncpy(message_.data(), message, message_.size() - 1);
  std::longjmp(jump_, 1);
}

void Reading::on_read(png_structp png, png_bytep into, std::size_t count) {
  Reading& reading = *static_cast<Reading*>(png_get_io_ptr(png));
  const std::span<const std::byte> bytes = reading.image_.bytes;
  if (count > bytes.size() - reading.position_) {
    reading.position_ = bytes.size();
    png_error(png, "the file ends within the image");
  }
  std::memcpy(into, bytes.data() + reading.position_, count);
  reading.position_ += count;
}

Orientation Reading::orientation() const {
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(png_, info_, &size, &exif) == 0) {
    return {};
  }
  return read_orientation({exif, size});
}

ImageHead Reading::read_head() {
  run([this] {
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    png_set_chunk_malloc_max(png_, image_.bytes.size());
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
    png_set_keep_unknown_chunks(png_,
                                PNG_HANDLE_CHUNK_NEVER,
                                reinterpret_cast<png_const_bytep>(kSkipped.data()),
                                static_cast<int>(kSkipped.size() / 5));
    png_read_info(png_, info_);
  });
  size_ = {png_get_image_width(png_, info_), png_get_image_height(png_, info_)};
  is_interlaced_ = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
  check_pixels(image_, size_);
  return {.stored = size_, .orientation = orientation()};
}

void Reading::start_rows() {
  const std::uint64_t packed = size_.height * png_get_rowbytes(png_, info_);
  if (packed / kMaxInflation > image_.bytes.size()) {
    image_.refuse(ErrorCode::corrupt_data,
                  position_,
                  fmt::format("the file's {} bytes cannot hold {}x{} pixels",
                              image_.bytes.size(),
                              size_.width,
                              size_.height));
  }
  run([this] {
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != size_.width * kChannels) {
      png_error(png_, "the pixels are of no known kind");
    }
  });
}

void Reading::read_interlaced(std::vector<std::uint8_t>& picture) {
  picture.resize(size_.width * size_.height * kChannels);
  run([&] {
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
      for (std::uint64_t y = 0; y < size_.height; ++y) {
        png_read_row(png_, picture.data() + y * size_.width * kChannels, nullptr);
      }
    }
  });
}

void Reading::skip_rows(std::uint64_t count) {
  run([&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      png_read_row(png_, nullptr, nullptr);
    }
  });
}

void Reading::read_rows(const Region& needed, RowSink& sink, std::vector<std::uint8_t>& picture) {
  const std::uint64_t row_bytes = size_.width * kChannels;
  if (is_interlaced_) {
    read_interlaced(picture);
    for (std::uint64_t y = needed.y; y < needed.y + needed.height; ++y) {
      std::copy_n(picture.data() + y * row_bytes, row_bytes, sink.next_row());
    }
    return;
  }
  skip_rows(needed.y);
  for (std::uint64_t i = 0; i < needed.height; ++i) {
    std::uint8_t* const row = sink.next_row();
    run([&] { png_read_row(png_, row, nullptr); });
  }
  skip_rows(size_.height - needed.y - needed.height);
}

void Reading::finish() {
  run([this] { png_read_end(png_, nullptr); });
}

}  // namespace

bool has_png_signature(std::span<const std::byte> bytes) noexcept {
  constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
  return bytes.size() >= kSignature.size() &&
         std::memcmp(bytes.data(), kSignature.data(), kSignature.size()) == 0;
}

ImageHead PngDecoder::read_head(const EncodedImage& image) {
  return Reading(image).read_head();
}

void PngDecoder::decode(const EncodedImage& image, RowSink& sink) {
  Reading reading(image);
  const Region needed = sink.begin(reading.read_head()).part;
  reading.start_rows();
  reading.read_rows(needed, sink, picture_);
  reading.finish();
  sink.end();
}

}  // namespace headrace::sources
