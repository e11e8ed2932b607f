// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"

// When submissions go as graphs, and what of a graph is updated.

namespace headrace::test {
namespace {

class CudaGraphTest : public CudaTest {
 protected:
  static constexpr std::size_t kOperations = 64;

  void SetUp() override {
    CudaTest::SetUp();
    host_ = block(4096, DeviceType::cpu);
    gpu_ = block(4096);
    more_ = block(4096);
  }
  void TearDown() override {
    host_.reset();
    gpu_.reset();
    more_.reset();
    CudaTest::TearDown();
  }

  /// 64 operations of all kinds on `memory`; byte 3 of what is read back is `value`.
  [[nodiscard]] std::vector<Command> batch(const Block& memory, unsigned value) const {
    std::vector<Command> commands;
    for (std::size_t i = 0; i < kOperations / 4; ++i) {
      commands.push_back(fill(memory.at(i * 4), i == 0 ? value : 1, 1, 4));
      commands.push_back(copy(memory.at(i * 4), memory.at(100 + i * 4), 4));
      commands.push_back(convert(
          memory.at(100 + i * 4), DataType::uint8, memory.at(1000 + i * 16), DataType::float32, 4));
      commands.push_back(copy(memory.at(i * 4), host_->at(i * 4), 4));
    }
    return commands;
  }

  struct Counts {
    int launches = 0;
    int built = 0;
    int copies = 0;
    int fills = 0;
    int kernels = 0;
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  friend void PrintTo(const Counts& counts, std::ostream* to) {
    *to << counts.launches << " launches, " << counts.built << " built, set " << counts.copies
        << " copies " << counts.fills << " fills " << counts.kernels << " kernels";
  }

  /// What of graphs a submission does.
  Counts counts_of(Queue& queue, std::vector<Command> commands) {
    driver_->reset();
    const auto outcome = queue.submit(std::move(commands));
    queue.finish();
    EXPECT_EQ(outcome->error(), nullptr);
    return {driver_->calls("cuGraphLaunch"),
            driver_->calls("cuGraphInstantiateWithFlags"),
            driver_->calls("cuGraphExecMemcpyNodeSetParams"),
            driver_->calls("cuGraphExecMemsetNodeSetParams"),
            driver_->calls("cuGraphExecKernelNodeSetParams")};
  }
  [[nodiscard]] int result() const { return host_->host<std::uint8_t>()[3]; }

  std::unique_ptr<Block> host_;
  std::unique_ptr<Block> gpu_;
  std::unique_ptr<Block> more_;
};

TEST_F(CudaGraphTest, TheSecondOfAShapeBuildsAndTheNextSetOnlyWhatDiffers) {
  Queue queue = this->queue();
  EXPECT_EQ(counts_of(queue, batch(*gpu_, 1)), Counts());
  EXPECT_EQ(result(), 1);
  EXPECT_EQ(counts_of(queue, batch(*gpu_, 2)), (Counts{1, 1, 0, 0, 0}));
  EXPECT_EQ(result(), 2);
  EXPECT_EQ(counts_of(queue, batch(*gpu_, 2)), (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(result(), 2);
  EXPECT_EQ(counts_of(queue, batch(*gpu_, 3)), (Counts{1, 0, 0, 1, 0}));
  EXPECT_EQ(result(), 3);
  EXPECT_EQ(counts_of(queue, batch(*more_, 4)), (Counts{1, 0, 32, 16, 16}));
  EXPECT_EQ(result(), 4);
  EXPECT_EQ(counts_of(queue, batch(*gpu_, 5)), (Counts{1, 0, 32, 16, 16}));
  EXPECT_EQ(result(), 5);
}

TEST_F(CudaGraphTest, AFewOperationsGoAsCalls) {
  Queue queue = this->queue();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(counts_of(queue, {fill(gpu_->at(), 1, 1, 4), copy(gpu_->at(), host_->at(), 4)}),
              Counts());
    EXPECT_EQ(driver_->calls("cuMemcpyAsync"), 1);
  }
}

TEST_F(CudaGraphTest, MemoryOfAnotherKindIsAnotherShape) {
  Queue queue = this->queue();
  const auto copies = [&](const Block& to) {
    std::vector<Command> commands;
    for (std::size_t i = 0; i < 8; ++i) {
      commands.push_back(copy(gpu_->at(i * 8), to.at(i * 8), 8));
    }
    return commands;
  };
  counts_of(queue, copies(*more_));
  EXPECT_EQ(counts_of(queue, copies(*more_)).built, 1);
  EXPECT_EQ(counts_of(queue, copies(*host_)), Counts()) << "a shape never seen";
  EXPECT_EQ(counts_of(queue, copies(*host_)).built, 1);
  EXPECT_EQ(counts_of(queue, copies(*more_)), (Counts{1, 0, 0, 0, 0})) << "the first is kept";
}

// A launch means what the graph was when it was launched.
TEST_F(CudaGraphTest, AnUpdateDoesNotReachBackToWhatIsPending) {
  Queue queue = this->queue();
  const auto results = block(64, DeviceType::cpu);
  const auto commands = [&](std::uint64_t value) {
    std::vector<Command> all;
    for (std::size_t i = 0; i < 8; ++i) {
      all.push_back(fill(gpu_->at(), value, 1, 1));
      all.push_back(copy(gpu_->at(), results->at(value), 1));
    }
    return all;
  };
  driver_->set_manual(true);
  for (std::uint64_t value = 0; value < 10; ++value) {
    queue.submit(commands(value));
  }
  driver_->set_manual(false);
  queue.finish();
  for (std::size_t value = 0; value < 10; ++value) {
    EXPECT_EQ(results->host<std::uint8_t>()[value], value);
  }
}

TEST_F(CudaGraphTest, ShapesThatManyAreSubmittedOfAreAllRight) {
  Queue queue = this->queue();
  for (int turn = 0; turn < 3; ++turn) {
    for (std::size_t size = 4; size < 44; ++size) {
      std::vector<Command> commands;
      for (std::size_t i = 0; i < size; ++i) {
        commands.push_back(fill(host_->at(i), size + static_cast<unsigned>(turn), 1, 1));
      }
      queue.submit(std::move(commands));
      queue.finish();
      ASSERT_EQ(host_->host<std::uint8_t>()[size - 1], size + static_cast<unsigned>(turn));
    }
  }
}

TEST_F(CudaGraphTest, ARecordingIsKeptAndUpdatedAsAWhole) {
  Queue queue = this->queue();
  const auto commands = [&](const Block& memory, std::uint64_t value) {
    return std::vector<Command>{fill(memory.at(), value, 1, 4),
                                launch([](NativeHandle) {}),
                                copy(memory.at(), host_->at(), 4)};
  };
  EXPECT_EQ(counts_of(queue, commands(*gpu_, 1)), (Counts{1, 1, 0, 0, 0}));
  EXPECT_EQ(result(), 1);
  EXPECT_EQ(counts_of(queue, commands(*gpu_, 2)), (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(result(), 2);
  EXPECT_EQ(counts_of(queue, commands(*more_, 3)), (Counts{1, 0, 0, 0, 0}));
  EXPECT_EQ(result(), 3);
  EXPECT_EQ(counts_of(queue, commands(*host_, 4)), (Counts{1, 1, 0, 0, 0}));
  EXPECT_EQ(result(), 4);
}

}  // namespace
}  // namespace headrace::test
