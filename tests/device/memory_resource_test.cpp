// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headrace::test {
namespace {

class HostMemoryResourceTest : public DeviceTest {
 protected:
  // Everything is back, and nothing was returned in vain.
  void expect_all_back() const {
    const MemoryStats stats = manager_.stats();
    EXPECT_EQ(stats.current_buffers, 0U);
    EXPECT_EQ(stats.current_bytes, 0U);
    EXPECT_EQ(stats.requested_bytes, 0U);
    EXPECT_EQ(stats.release_errors, 0U);
  }
};
HEADRACE_ON_EVERY_DEVICE(HostMemoryResourceTest);

struct Piece {
  std::byte* place;
  std::size_t bytes;
  std::size_t alignment;
  std::byte content;
};

bool holds_its_content(const Piece& piece) {
  return std::all_of(
      piece.place, piece.place + piece.bytes, [&](std::byte b) { return b == piece.content; });
}

TEST_P(HostMemoryResourceTest, EveryAlignmentIsKeptAndNoPieceOverlapsAnother) {
  HostMemoryResource resource(manager_);
  std::vector<Piece> pieces;
  for (std::size_t alignment = 1; alignment <= std::size_t{1} << 20; alignment *= 2) {
    for (const std::size_t bytes : {1, 16, 240, 255, 256, 257, 4096}) {
      auto* const place = static_cast<std::byte*>(resource.allocate(bytes, alignment));
      ASSERT_NE(place, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % alignment, 0U) << alignment;
      pieces.push_back({place, bytes, alignment, static_cast<std::byte>(pieces.size() + 1)});
      std::memset(place, std::to_integer<int>(pieces.back().content), bytes);
    }
  }
  EXPECT_EQ(manager_.stats().current_buffers, pieces.size());
  for (const Piece& piece : pieces) {
    EXPECT_TRUE(holds_its_content(piece)) << piece.bytes << " aligned to " << piece.alignment;
    resource.deallocate(piece.place, piece.bytes, piece.alignment);
  }
  expect_all_back();
}

TEST_P(HostMemoryResourceTest, NoBytesHaveAnAddressOfTheirOwn) {
  HostMemoryResource resource(manager_);
  std::set<void*> places;
  for (int i = 0; i < 20; ++i) {
    places.insert(resource.allocate(0, std::size_t{1} << (i % 13)));
  }
  EXPECT_EQ(places.size(), 20U);
  EXPECT_FALSE(places.contains(nullptr));
  for (void* place : places) {
    resource.deallocate(place, 0);
  }
  expect_all_back();
}

TEST_P(HostMemoryResourceTest, ServesContainersAndTheirPools) {
  HostMemoryResource resource(manager_);
  {
    std::pmr::vector<std::uint64_t> numbers(&resource);
    std::pmr::unordered_map<int, std::pmr::string> names(&resource);
    std::pmr::unsynchronized_pool_resource pool(&resource);
    std::pmr::unordered_map<int, std::pmr::string> pooled(&pool);
    for (int i = 0; i < 1000; ++i) {
      numbers.push_back(static_cast<std::uint64_t>(i) * 3);
      names[i % 100] = std::string(static_cast<std::size_t>(i % 50), 'a');
      pooled[i] = std::string(40, static_cast<char>('a' + i % 26));
    }
    EXPECT_EQ(numbers[999], 2997U);
    EXPECT_EQ(std::string(names[99]), std::string(49, 'a'));
    EXPECT_EQ(std::string(pooled[25]), std::string(40, 'z'));
    EXPECT_EQ(names[0].get_allocator().resource(), &resource);
    // By allocator of any type, and one that moves its memory from container to container.
    std::pmr::polymorphic_allocator<> any(&resource);
    auto* const pair = any.new_object<std::pair<int, double>>(1, 2.0);
    EXPECT_EQ(pair->second, 2.0);
    any.delete_object(pair);
    const void* const before = numbers.data();
    const std::pmr::vector<std::uint64_t> moved = std::move(numbers);
    EXPECT_EQ(moved.data(), before);
    EXPECT_GT(manager_.stats().current_buffers, 100U);
  }
  expect_all_back();
}

TEST_P(HostMemoryResourceTest, MemoryIsOfTheCpuKindAndReusedWhenItIsBack) {
  HostMemoryResource resource(manager_);
  void* const first = resource.allocate(1000);
  resource.deallocate(first, 1000);
  device_.synchronize();  // As for the manager's own buffers, what its stream did must be over.
  void* const second = resource.allocate(1000);
  EXPECT_EQ(second, first);
  resource.deallocate(second, 1000);
  for (const auto& [key, stats] : manager_.pool_stats()) {
    EXPECT_EQ(key.device, DeviceType::cpu);
  }
  EXPECT_EQ(manager_.stats().hits, 1U);
}

TEST_P(HostMemoryResourceTest, EqualResourcesGiveBackForEachOtherAndOthersAreNotEqual) {
  HostMemoryResource resource(manager_);
  HostMemoryResource another(manager_, device_.make_stream());
  HostMemoryResource copy(resource);
  HostMemoryResource moved(std::move(copy));
  const HostMemoryResource elsewhere{make_manager()};
  EXPECT_EQ(resource, another);
  EXPECT_EQ(resource, moved);
  EXPECT_EQ(resource, copy) << "moving copies";
  EXPECT_NE(resource, elsewhere);
  EXPECT_NE(resource, *std::pmr::new_delete_resource());
  void* const place = resource.allocate(100);
  void* const from_moved = moved.allocate(100);
  another.deallocate(place, 100);
  copy.deallocate(from_moved, 100);
  expect_all_back();
}

TEST_P(HostMemoryResourceTest, MemoryOutlivesTheResourceAndItsUsersHandleOfTheManager) {
  auto first = std::make_unique<HostMemoryResource>(make_manager());
  HostMemoryResource second(*first);
  void* const place = first->allocate(100);
  first = nullptr;
  std::memset(place, 7, 100);
  EXPECT_EQ(second.manager().stats().current_buffers, 1U);
  second.deallocate(place, 100);
  EXPECT_EQ(second.manager().stats().current_buffers, 0U);
}

TEST_P(HostMemoryResourceTest, StressThreadsGiveBackWhatOthersTook) {
  HostMemoryResource resource(manager_);
  std::vector<std::pmr::vector<int>> taken;
  for (int i = 0; i < 64; ++i) {
    taken.emplace_back(std::size_t{100} + static_cast<std::size_t>(i), i, &resource);
  }
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < taken.size(); i += 4) {
        wrong += taken[i].back() != static_cast<int>(i);
        taken[i] = std::pmr::vector<int>(&resource);
        for (int round = 0; round < 50; ++round) {
          std::pmr::vector<std::size_t> own(50, i, &resource);
          wrong += own.back() != i;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
  taken.clear();
  expect_all_back();
}

}  // namespace
}  // namespace headrace::test
