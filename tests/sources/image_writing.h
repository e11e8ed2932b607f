// SPDX-License-Identifier: Apache-2.0
// Pictures of known pixels, and JPEG and PNG files made of them by the libraries themselves.
#pragma once

#include "sample_reading.h"

#include <jpeglib.h>
#include <png.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace headrace::test {

/// Pixels row by row.
struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgb;

  [[nodiscard]] std::vector<std::uint8_t> pixel(std::uint32_t x, std::uint32_t y) const {
    const auto at = rgb.begin() + (std::ptrdiff_t{y} * width + x) * 3;
    return {at, at + 3};
  }
  friend bool operator==(const Picture&, const Picture&) = default;
};

/// A picture that no mirroring leaves as it is: smooth, so that JPEG keeps it.
inline Picture smooth_picture(std::uint32_t width, std::uint32_t height) {
  Picture picture{width, height, {}};
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      picture.rgb.push_back(static_cast<std::uint8_t>(30 + 200 * x / width));
      picture.rgb.push_back(static_cast<std::uint8_t>(20 + 150 * y / height));
      picture.rgb.push_back(static_cast<std::uint8_t>(220 - 90 * (x + y) / (width + height)));
    }
  }
  return picture;
}

/// Colours that change from pixel to pixel.
inline Picture noisy_picture(std::uint32_t width, std::uint32_t height) {
  std::mt19937 random(width + height);
  Picture picture{width, height, {}};
  picture.rgb.reserve(std::size_t{width} * height * 3);
  for (std::size_t i = 0; i < std::size_t{width} * height * 3; ++i) {
    picture.rgb.push_back(static_cast<std::uint8_t>(random() >> 8));
  }
  return picture;
}

/// A TIFF header with one entry, the orientation.
inline std::string exif_block(unsigned orientation, bool is_big_endian = false) {
  using namespace std::string_literals;
  const auto value = static_cast<char>(orientation);
  return is_big_endian
             ? "MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + value + "\0\0\0\0\0\0"s
             : "II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + value + "\0\0\0\0\0\0\0"s;
}

struct JpegOptions {
  int quality = 100;
  J_COLOR_SPACE from = JCS_RGB;  ///< Of the samples given.
  J_COLOR_SPACE stored = JCS_YCbCr;
  bool is_progressive = false;
  bool is_arithmetic = false;
  bool is_subsampled = false;
  std::array<int, 2> sampling = {0, 0};  ///< Of the first component, across and down; 0: as above.
  unsigned restart_rows = 0;             ///< Restart markers every so many rows of blocks.
  std::vector<jpeg_scan_info> scans = {};  ///< Of a progressive file; empty for the usual ones.
  std::string exif = {};
};

inline std::string jpeg_file(std::uint32_t width,
                             std::uint32_t height,
                             std::vector<std::uint8_t> samples,
                             const JpegOptions& options = {}) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);  // ends the test program on an error
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.in_color_space = options.from;
  jpeg.input_components = options.from == JCS_CMYK        ? 4
                          : options.from == JCS_GRAYSCALE ? 1
                          : options.from == JCS_UNKNOWN   ? 2
                                                          : 3;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, options.stored);
  jpeg_set_quality(&jpeg, options.quality, TRUE);
  if (!options.is_subsampled) {
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
  }
  if (options.sampling[0] != 0) {
    jpeg.comp_info[0].h_samp_factor = options.sampling[0];
    jpeg.comp_info[0].v_samp_factor = options.sampling[1];
  }
  jpeg.restart_in_rows = static_cast<int>(options.restart_rows);
  if (options.is_progressive) {
    jpeg_simple_progression(&jpeg);
  }
  if (!options.scans.empty()) {
    jpeg.scan_info = options.scans.data();
    jpeg.num_scans = static_cast<int>(options.scans.size());
  }
  jpeg.arith_code = options.is_arithmetic ? TRUE : FALSE;
  jpeg_start_compress(&jpeg, TRUE);
  if (!options.exif.empty()) {
    const std::string marker = std::string("Exif\0\0", 6) + options.exif;
    jpeg_write_marker(&jpeg,
                      JPEG_APP0 + 1,
                      reinterpret_cast<const JOCTET*>(marker.data()),
                      static_cast<unsigned>(marker.size()));
  }
  const std::size_t stride = std::size_t{width} * static_cast<std::size_t>(jpeg.input_components);
  while (jpeg.next_scanline < height) {
    JSAMPROW row = samples.data() + jpeg.next_scanline * stride;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return file;
}

inline std::string jpeg_file(const Picture& picture, const JpegOptions& options = {}) {
  return jpeg_file(picture.width, picture.height, picture.rgb, options);
}

struct PngOptions {
  int color_type = PNG_COLOR_TYPE_RGB;
  int bit_depth = 8;
  bool is_interlaced = false;
  std::vector<png_color> palette = {};
  std::vector<std::uint8_t> transparency = {};   ///< Alpha of palette entries.
  std::optional<png_color_16> transparent = {};  ///< The colour that is none, without a palette.
  std::string exif = {};
  std::string text = {};
};

/// `rows`: as PNG stores them, samples of 16 bits with the high byte first.
inline std::string png_file(std::uint32_t width,
                            std::uint32_t height,
                            std::vector<std::uint8_t> rows,
                            const PngOptions& options = {}) {
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) {
    throw std::runtime_error("libpng cannot write the test's picture");
  }
  png_set_write_fn(
      png,
      &file,
      [](png_structp writer, png_bytep bytes, std::size_t size) {
        static_cast<std::string*>(png_get_io_ptr(writer))
            ->append(reinterpret_cast<const char*>(bytes), size);
      },
      nullptr);
  png_set_IHDR(png,
               info,
               width,
               height,
               options.bit_depth,
               options.color_type,
               options.is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!options.palette.empty()) {
    png_set_PLTE(png, info, options.palette.data(), static_cast<int>(options.palette.size()));
  }
  if (!options.transparency.empty() || options.transparent) {
    png_set_tRNS(png,
                 info,
                 options.transparency.data(),
                 static_cast<int>(options.transparency.size()),
                 options.transparent ? &*options.transparent : nullptr);
  }
  std::string exif = options.exif;
  if (!exif.empty()) {
    png_set_eXIf_1(
        png, info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
  }
  std::string text = options.text;
  png_text entry{};
  entry.compression = PNG_TEXT_COMPRESSION_zTXt;
  std::string key = "Comment";
  entry.key = key.data();
  entry.text = text.data();
  entry.text_length = text.size();
  if (!text.empty()) {
    png_set_text(png, info, &entry, 1);
  }
  png_write_info(png, info);
  const std::size_t stride = png_get_rowbytes(png, info);
  std::vector<png_bytep> pointers;
  for (std::uint32_t y = 0; y < height; ++y) {
    pointers.push_back(rows.data() + y * stride);
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

inline std::string png_file(const Picture& picture, const PngOptions& options = {}) {
  return png_file(picture.width, picture.height, picture.rgb, options);
}

/// Reads a PNG with libpng's simple interface, which shares no code of ours.
inline Picture read_reference(const std::filesystem::path& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) {
    throw std::runtime_error("cannot read " + path.string());
  }
  image.format = PNG_FORMAT_RGB;
  Picture picture{image.width, image.height, {}};
  picture.rgb.resize(PNG_IMAGE_SIZE(image));
  png_image_finish_read(&image, nullptr, picture.rgb.data(), 0, nullptr);
  return picture;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Class folders in a folder of their own.
class ImageDir {
 public:
  void add(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((dir_ / name).parent_path());
    write_file(dir_ / name, content);
  }
  std::shared_ptr<SampleSource> open(std::optional<ImageSize> size = {}) const {
    return open_source(dir_.path(), {.image_size = size});
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? dir_.path().string() : (dir_ / name).string();
  }

 private:
  TempDir dir_;
};

inline Picture picture_of(const SampleSource& source, std::uint64_t index = 0) {
  const Shape shape = source.spec().input_shape;
  return {static_cast<std::uint32_t>(shape[1]),
          static_cast<std::uint32_t>(shape[0]),
          input_of<std::uint8_t>(source, index)};
}

/// What the library makes of one file.
inline Picture decode(const std::string& file, std::optional<ImageSize> size = {}) {
  const ImageDir dir;
  dir.add("class/image", file);
  return picture_of(*dir.open(size));
}

/// Expects that `found` is as large as `wanted`, differs by at most `most` everywhere, and by more
/// than `usual` in at most one of a hundred places.
inline void expect_near(const Picture& found, const Picture& wanted, int usual, int most) {
  ASSERT_EQ(found.width, wanted.width);
  ASSERT_EQ(found.height, wanted.height);
  std::size_t unusual = 0;
  int worst = 0;
  for (std::size_t i = 0; i < wanted.rgb.size(); ++i) {
    const int difference = std::abs(int{found.rgb[i]} - int{wanted.rgb[i]});
    unusual += difference > usual ? 1 : 0;
    worst = std::max(worst, difference);
  }
  EXPECT_LE(worst, most);
  EXPECT_LE(unusual * 100, wanted.rgb.size());
}

}  // namespace headrace::test
