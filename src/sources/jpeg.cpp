// SPDX-License-Identifier: Apache-2.0
#include "sources/jpeg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <new>
#include <string_view>
#include <vector>

// Needs <cstdio> before it.
#include <jerror.h>
#include <jpeglib.h>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr std::string_view kExifName{"Exif\0\0", 6};

/// Each scan may cost the time of the whole picture and take a few bytes; encoders make about 10.
constexpr int kMaxScans = 200;

/// Pixels around the needed ones that are decoded too: upsampling mixes in colours of neighbours,
/// and libjpeg takes none from where it skips. Four are more than the two that it takes.
constexpr std::uint64_t kMargin = 4;

/// Faults that lose no part of the picture.
constexpr std::array kHarmless{int{JWRN_EXTRANEOUS_DATA},
                               int{JWRN_ADOBE_XFORM},
                               int{JWRN_JFIF_MAJOR},
                               int{JWRN_BOGUS_ICC},
                               int{JWRN_TOO_MUCH_DATA}};

/// Pillow's product of two parts of 255.
std::uint8_t multiply(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

/// CMYK as Adobe stores it, where 255 is no ink.
void convert_cmyk(std::span<const std::uint8_t> cmyk, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < cmyk.size(); i += 4) {
    const unsigned light = cmyk[i + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      *rgb++ = static_cast<std::uint8_t>(light - multiply(255U - cmyk[i + channel], light));
    }
  }
}

}  // namespace

struct JpegDecoder::State {
  State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() = default;

  /// Makes libjpeg's object for one image.
  void begin();
  void end() noexcept { jpeg_destroy_decompress(&jpeg); }

  /// Runs `step`, out of which libjpeg may jump: nothing that `step` makes may have a destructor
  /// while it calls libjpeg. \returns Whether it came to its end; else `message` says why not.
  template <class Step>
  bool attempt(const Step& step) {
    // NOLINTNEXTLINE(cert-err52-cpp): the way out that libjpeg has
    if (setjmp(jump) != 0) {
      return false;
    }
    step();
    return true;
  }

  template <class Step>
  void run(const EncodedImage& image, const Step& step) {
    if (!attempt(step)) {
      refuse(image, ErrorCode::corrupt_data, message.data());
    }
  }

  [[noreturn]] void refuse(const EncodedImage& image,
                           ErrorCode code,
                           std::string_view reason) const {
    const std::size_t left = jpeg.src != nullptr ? jpeg.src->bytes_in_buffer : 0;
    // Behind the end the source invents two bytes.
    const std::size_t size = image.bytes.size();
    while (reason.ends_with('.')) {
      reason.remove_suffix(1);
    }
    image.refuse(code, has_ended ? size : size - std::min(size, left), reason);
  }

  ImageHead read_head(const EncodedImage& image);
  [[nodiscard]] Orientation orientation() const;
  [[nodiscard]] std::span<const jpeg_component_info> components() const {
    return {jpeg.comp_info, static_cast<std::size_t>(jpeg.num_components)};
  }
  [[nodiscard]] bool has_halved_columns() const;
  [[nodiscard]] std::string_view ambiguity() const;
  void check_head(const EncodedImage& image) const;
  void check_fits(const EncodedImage& image) const;
  void read_rows(const EncodedImage& image, const Region& needed, RowSink& sink);
  void cut_columns(const EncodedImage& image, const Region& needed);
  void skip_rows(const EncodedImage& image, std::uint64_t count);
  void drop_row(const EncodedImage& image);
  void read_row(const EncodedImage& image, std::uint8_t* into);

  static State& of(j_common_ptr jpeg) { return *static_cast<State*>(jpeg->client_data); }
  [[noreturn]] static void fail(j_common_ptr jpeg);
  static void on_message(j_common_ptr jpeg, int level);
  static void on_progress(j_common_ptr jpeg);
  static void ignore(j_common_ptr) {}

  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  bool has_ended = false;
  std::uint64_t first_column = 0;  // of the rows that libjpeg gives
  std::vector<std::uint8_t> line;  // of inks, or of pixels that nobody needs
};

JpegDecoder::State::State() {
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = fail;
  errors.emit_message = on_message;
  errors.output_message = ignore;
  jpeg.client_data = this;
  progress.progress_monitor = on_progress;
}

void JpegDecoder::State::begin() {
  if (!attempt([this] { jpeg_create_decompress(&jpeg); })) {
    end();
    throw std::bad_alloc();
  }
  jpeg.progress = &progress;
  jpeg_save_markers(&jpeg, kExifMarker, 0xFFFF);
}

void JpegDecoder::State::fail(j_common_ptr jpeg) {
  State& state = of(jpeg);
  jpeg->err->format_message(jpeg, state.message.data());
  state.has_ended = state.has_ended || jpeg->err->msg_code == JWRN_JPEG_EOF;
  std::longjmp(state.jump, 1);
}

void JpegDecoder::State::on_message(j_common_ptr jpeg, int level) {
  constexpr int kWarning = -1;
  if (level == kWarning && std::ranges::count(kHarmless, jpeg->err->msg_code) == 0) {
    fail(jpeg);
  }
}

void JpegDecoder::State::on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxScans) {
    State& state = of(jpeg);
    constexpr std::string_view kReason = "the picture has too many scans";
    std::ranges::copy(kReason, state.message.begin());
    state.message[kReason.size()] = '\0';
    std::longjmp(state.jump, 1);
  }
}

Orientation JpegDecoder::State::orientation() const {
  for (const jpeg_marker_struct* marker = jpeg.marker_list; marker != nullptr;
       marker = marker->next) {
    const std::span data(marker->data, marker->data_length);
    if (marker->marker == kExifMarker && data.size() >= kExifName.size() &&
        std::ranges::equal(data.first(kExifName.size()), kExifName, {}, {}, [](char character) {
          return static_cast<JOCTET>(character);
        })) {
      return read_orientation(data.subspan(kExifName.size()));
    }
  }
  return {};
}

bool JpegDecoder::State::has_halved_columns() const {
  return std::ranges::any_of(components(), [this](const jpeg_component_info& component) {
    return component.h_samp_factor * 2 == jpeg.max_h_samp_factor &&
           component.v_samp_factor == jpeg.max_v_samp_factor;
  });
}

std::string_view JpegDecoder::State::ambiguity() const {
  constexpr int kPlain = 0;
  constexpr int kYcck = 2;
  if (jpeg.num_components == 4 &&
      (jpeg.saw_Adobe_marker == FALSE ||
       (jpeg.Adobe_transform != kPlain && jpeg.Adobe_transform != kYcck))) {
    return "nothing says how its four colours are to be taken";
  }
  const bool is_named_rgb = std::ranges::equal(
      components(), std::array{'R', 'G', 'B'}, {}, &jpeg_component_info::component_id);
  if (is_named_rgb && jpeg.jpeg_color_space != JCS_RGB) {
    return "its colours are called RGB and marked as others";
  }
  // libjpeg does not interpolate so few, which others do.
  const auto is_narrow = [this](const jpeg_component_info& component) {
    return component.h_samp_factor < jpeg.max_h_samp_factor && component.downsampled_width <= 2;
  };
  if (std::ranges::any_of(components(), is_narrow)) {
    return "it has at most two columns of colours";
  }
  return {};
}

void JpegDecoder::State::check_head(const EncodedImage& image) const {
  if (jpeg.arith_code != FALSE) {
    refuse(image, ErrorCode::unsupported, "the image is in arithmetic coding");
  }
  const bool is_known = jpeg.jpeg_color_space != JCS_UNKNOWN;
  if (!is_known) {
    refuse(image,
           ErrorCode::unsupported,
           fmt::format("the image has {} colour components of no known kind", jpeg.num_components));
  }
  check_pixels(image, {jpeg.image_width, jpeg.image_height});
}

void JpegDecoder::State::check_fits(const EncodedImage& image) const {
  const auto units = [](std::uint64_t pixels, int factor) {
    const auto unit = static_cast<std::uint64_t>(factor) * DCTSIZE;
    return (pixels + unit - 1) / unit;
  };
  const std::uint64_t least_bits = units(jpeg.image_width, jpeg.max_h_samp_factor) *
                                   units(jpeg.image_height, jpeg.max_v_samp_factor);
  if (least_bits / 8 > image.bytes.size()) {
    refuse(image,
           ErrorCode::corrupt_data,
           fmt::format("the file's {} bytes cannot hold {}x{} pixels",
                       image.bytes.size(),
                       jpeg.image_width,
                       jpeg.image_height));
  }
}

ImageHead JpegDecoder::State::read_head(const EncodedImage& image) {
  has_ended = false;
  run(image, [&] {
    jpeg_mem_src(&jpeg,
                 reinterpret_cast<const unsigned char*>(image.bytes.data()),
                 static_cast<unsigned long>(image.bytes.size()));
    jpeg_read_header(&jpeg, TRUE);
  });
  check_head(image);
  return {.stored = {jpeg.image_width, jpeg.image_height},
          .orientation = orientation(),
          .can_shrink = true,
          .has_halved_columns = has_halved_columns(),
          .ambiguity = ambiguity()};
}

void JpegDecoder::State::cut_columns(const EncodedImage& image, const Region& needed) {
  const std::uint64_t begin = needed.x - std::min(needed.x, kMargin);
  const std::uint64_t end =
      std::min(needed.x + needed.width + kMargin, std::uint64_t{jpeg.output_width});
  auto column = static_cast<JDIMENSION>(begin);
  auto width = static_cast<JDIMENSION>(end - begin);
  if (width < jpeg.output_width) {
    run(image, [&] { jpeg_crop_scanline(&jpeg, &column, &width); });  // widens it to whole blocks
  }
  first_column = column;
  line.resize(std::size_t{4} * jpeg.output_width);
}

void JpegDecoder::State::skip_rows(const EncodedImage& image, std::uint64_t count) {
  run(image, [&] { jpeg_skip_scanlines(&jpeg, static_cast<JDIMENSION>(count)); });
}

void JpegDecoder::State::drop_row(const EncodedImage& image) {
  JSAMPROW row = line.data();
  run(image, [&] { jpeg_read_scanlines(&jpeg, &row, 1); });
}

void JpegDecoder::State::read_row(const EncodedImage& image, std::uint8_t* into) {
  const bool is_cmyk = jpeg.out_color_space == JCS_CMYK;
  JSAMPROW row = is_cmyk ? line.data() : into;
  run(image, [&] { jpeg_read_scanlines(&jpeg, &row, 1); });
  if (is_cmyk) {
    convert_cmyk(line, into);
  }
}

void JpegDecoder::State::read_rows(const EncodedImage& image, const Region& needed, RowSink& sink) {
  cut_columns(image, needed);
  const std::uint64_t skipped = needed.y - std::min(needed.y, kMargin);
  if (skipped > 0) {
    skip_rows(image, skipped);
  }
  while (jpeg.output_scanline < needed.y) {
    drop_row(image);
  }
  for (std::uint64_t i = 0; i < needed.height; ++i) {
    read_row(image, sink.next_row() + first_column * kChannels);
  }
  // Damage below must not depend on what is needed. Of several scans all was read at the start.
  const std::uint64_t left = jpeg.output_height - jpeg.output_scanline;
  if (left > 0 && !jpeg_has_multiple_scans(&jpeg)) {
    skip_rows(image, left - 1);  // of all that is left libjpeg would read nothing
    drop_row(image);
  }
}

bool has_jpeg_signature(std::span<const std::byte> bytes) noexcept {
  constexpr std::array kSignature{std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}};
  return bytes.size() >= kSignature.size() &&
         std::ranges::equal(bytes.first(kSignature.size()), kSignature);
}

/// libjpeg's object while one image is read. Each has its own: one that is used again keeps the
/// tables of the image before, by which an image that lacks its own would be decoded.
class JpegDecoder::OneImage {
 public:
  explicit OneImage(State& state) : state_(state) { state_.begin(); }
  OneImage(const OneImage&) = delete;
  OneImage& operator=(const OneImage&) = delete;
  ~OneImage() { state_.end(); }

 private:
  State& state_;
};

JpegDecoder::JpegDecoder() : state_(std::make_unique<State>()) {}

JpegDecoder::~JpegDecoder() = default;

ImageHead JpegDecoder::read_head(const EncodedImage& image) {
  const OneImage one(*state_);
  return state_->read_head(image);
}

void JpegDecoder::decode(const EncodedImage& image, RowSink& sink) {
  const OneImage one(*state_);
  State& state = *state_;
  jpeg_decompress_struct& jpeg = state.jpeg;
  const ImageHead head = state.read_head(image);
  state.check_fits(image);
  const Request needed = sink.begin(head);
  const bool has_four = jpeg.num_components == 4;
  jpeg.out_color_space = has_four ? JCS_CMYK : JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;
  jpeg.do_fancy_upsampling = TRUE;
  jpeg.scale_num = 1;
  jpeg.scale_denom = static_cast<unsigned>(needed.shrink);
  state.run(image, [&] { jpeg_start_decompress(&jpeg); });
  state.read_rows(image, needed.part, sink);
  sink.end();
}

}  // namespace headrace::sources
