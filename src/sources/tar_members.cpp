// SPDX-License-Identifier: Apache-2.0
#include "sources/tar_members.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace headrace::sources {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksumOffset = 148;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kMagicOffset = 257;

/// The number in the checksum's field: octal digits between spaces, ended by a space or a zero.
unsigned stated_checksum(std::string_view field) {
  field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
  unsigned value = 0;
  for (const char digit : field.substr(0, field.find_first_of(std::string_view(" \0", 2)))) {
    if (digit < '0' || digit > '7') {
      return 0;
    }
    value = value * 8 + static_cast<unsigned>(digit - '0');
  }
  return value;
}

/// Checks that the archive which ends at `end` does so with a block of zeros, and that no other
/// bytes follow.
void check_end(const MappedFile& file, std::size_t end) {
  const std::span<const std::byte> bytes = file.bytes();
  if (end > bytes.size() || bytes.size() - end < kBlock) {
    file.refuse(ErrorCode::corrupt_data,
                std::min(end, bytes.size()),
                "the archive lacks the blocks of zeros at its end, so it may be cut short");
  }
  const std::span<const std::byte> rest = bytes.subspan(end);
  const auto other =
      std::ranges::find_if(rest, [](std::byte byte) { return byte != std::byte{0}; });
  if (other != rest.end()) {
    file.refuse(ErrorCode::corrupt_data,
                end + static_cast<std::size_t>(other - rest.begin()),
                fmt::format("the archive ended at offset {}, and something else follows (archives "
                            "put behind one another cannot be read)",
                            end));
  }
}

/// Goes through an archive in memory.
class TarReader {
 public:
  explicit TarReader(const MappedFile& file)
      : file_(file), archive_(archive_read_new(), archive_read_free) {
    if (archive_ == nullptr) {
      throw std::bad_alloc();
    }
    archive_read_support_filter_none(archive_.get());
    archive_read_support_format_tar(archive_.get());
    check(archive_read_open_memory(archive_.get(), file.bytes().data(), file.bytes().size()));
  }

  std::vector<TarMember> list() {
    std::vector<TarMember> members;
    archive_entry* entry = nullptr;
    while (check(archive_read_next_header(archive_.get(), &entry))) {
      if (archive_entry_filetype(entry) != AE_IFDIR || archive_entry_hardlink(entry) != nullptr) {
        members.push_back(read_member(entry));
      }
    }
    check_end(file_, position());
    return members;
  }

 private:
  /// Where the header that was read last begins.
  [[nodiscard]] std::size_t position() const {
    return static_cast<std::size_t>(archive_read_header_position(archive_.get()));
  }

  /// \returns Whether there was something; false at the end.
  bool check(int result) const {
    // A warning tells of what does not matter here, as a name that the locale cannot write.
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN && result != ARCHIVE_EOF) {
      const char* const text = archive_error_string(archive_.get());
      file_.refuse(ErrorCode::corrupt_data,
                   position(),
                   fmt::format("the archive cannot be read: {}",
                               printable(text == nullptr ? "no reason given" : text)));
    }
    return result != ARCHIVE_EOF;
  }

  [[noreturn]] void refuse(const TarMember& member, std::string_view reason) const {
    file_.refuse(ErrorCode::unsupported,
                 position(),
                 fmt::format("member {} {}", printable(member.name), reason));
  }

  [[nodiscard]] std::string name_of(archive_entry* entry) const {
    const char* name = archive_entry_pathname(entry);
    name = name == nullptr ? archive_entry_pathname_utf8(entry) : name;
    if (name == nullptr) {
      file_.refuse(ErrorCode::corrupt_data, position(), "the name of a member cannot be read");
    }
    return name;
  }

  TarMember read_member(archive_entry* entry) const {
    TarMember member{.name = name_of(entry), .begin = position(), .size = 0};
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      refuse(member, "is a link or a device, and only files can be read");
    }
    if (archive_entry_sparse_count(entry) != 0) {
      refuse(member, "is sparse, so that its bytes are not all there");
    }
    // libarchive gives addresses within the memory it was given.
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (check(archive_read_data_block(archive_.get(), &data, &size, &offset))) {
      add_block(member, static_cast<const std::byte*>(data), size);
    }
    if (!std::cmp_equal(member.size, archive_entry_size(entry))) {
      refuse(member, fmt::format("has {} bytes of {}", member.size, archive_entry_size(entry)));
    }
    return member;
  }

  void add_block(TarMember& member, const std::byte* data, std::size_t size) const {
    const std::span<const std::byte> bytes = file_.bytes();
    if (size == 0) {
      return;
    }
    if (data < bytes.data() || data + size > bytes.data() + bytes.size()) {
      throw Error(ErrorCode::internal, "libarchive copied the content of a tar member.");
    }
    const auto begin = static_cast<std::size_t>(data - bytes.data());
    if (member.size == 0) {
      member.begin = begin;
    } else if (begin != member.begin + member.size) {
      refuse(member, "lies in several pieces");
    }
    member.size += size;
  }

  const MappedFile& file_;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace

bool has_tar_signature(std::span<const std::byte> bytes) {
  if (bytes.size() < kBlock) {
    return false;
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), kBlock);
  if (text.substr(kMagicOffset).starts_with("ustar")) {
    return true;
  }
  // The oldest dialect has no magic; its checksum counts its own field as spaces.
  unsigned sum = 0;
  for (std::size_t at = 0; at < kBlock; ++at) {
    const bool is_checksum = at - kChecksumOffset < kChecksumBytes;
    sum += is_checksum ? unsigned{' '} : std::to_integer<unsigned>(bytes[at]);
  }
  return text.front() != '\0' &&
         sum == stated_checksum(text.substr(kChecksumOffset, kChecksumBytes));
}

std::vector<TarMember> list_tar_members(const MappedFile& file) {
  if (file.bytes().empty()) {
    file.refuse(ErrorCode::corrupt_data, 0, "the file is empty");
  }
  return TarReader(file).list();
}

}  // namespace headrace::sources
