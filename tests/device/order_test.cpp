// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <random>

// A tensor knows its last writer and its users: every operation is ordered after them, whatever
// streams they ran on.

namespace headrace::test {
namespace {

constexpr std::int64_t kCount = 4096;
constexpr std::int32_t kOld = 1;
constexpr std::int32_t kNew = 2;
constexpr std::int32_t kLater = 3;

std::vector<std::int32_t> all(std::int32_t value) {
  return std::vector<std::int32_t>(kCount, value);
}

/// What an operation may use: pools for its stream, and tensors whose elements are all kNew or
/// kLater.
struct Workshop {
  Workshop(const MemoryManager& manager, const Stream& its_stream)
      : stream(its_stream), commands(its_stream, 2), staging(manager, 2, 1000) {}

  Stream stream;
  CommandBufferPool commands;
  StagingBufferPool staging;
};

void execute(Workshop& shop, const std::function<void(CommandBuffer&)>& record) {
  CommandBuffer commands = shop.commands.get_buffer();
  record(commands);
  shop.commands.execute_async(std::move(commands));
}

/// Writes `value` everywhere in `target` on the workshop's stream.
struct Writer {
  const char* name;
  std::function<void(Workshop&, Tensor& target, const Tensor& source, std::int32_t value)> write;
};

std::vector<Writer> writers() {
  return {
      {"copy_from tensor",
       [](Workshop& shop, Tensor& target, const Tensor& source, std::int32_t) {
         target.copy_from(source, shop.stream);
       }},
      {"copy_from host",
       [](Workshop&, Tensor& target, const Tensor&, std::int32_t value) {
         target.copy_from(all(value));
       }},
      {"command fill",
       [](Workshop& shop, Tensor& target, const Tensor&, std::int32_t value) {
         execute(shop, [&](CommandBuffer& c) { c.fill(target, value); });
       }},
      {"command copy",
       [](Workshop& shop, Tensor& target, const Tensor& source, std::int32_t) {
         execute(shop, [&](CommandBuffer& c) { c.copy(source, target); });
       }},
      {"command convert",
       [](Workshop& shop, Tensor& target, const Tensor& source, std::int32_t) {
         const Tensor wide = source.convert_to(DataType::int64, shop.stream);
         execute(shop, [&](CommandBuffer& c) { c.convert(wide, target); });
       }},
      {"staging",
       [](Workshop& shop, Tensor& target, const Tensor&, std::int32_t value) {
         shop.staging.transfer_to_gpu(all(value), target);
       }},
      {"slices",
       [](Workshop& shop, Tensor& target, const Tensor& source, std::int32_t value) {
         target.slice(0, 1000).copy_from(source.slice(0, 1000), shop.stream);
         execute(shop, [&](CommandBuffer& c) { c.fill(target.slice(1000, kCount), value); });
       }},
  };
}

/// Starts to read `source` on the workshop's stream; the result is a tensor to look at.
struct Reader {
  const char* name;
  std::function<Tensor(Workshop&, const Tensor& source)> read;
};

std::vector<Reader> readers() {
  return {
      {"convert_to",
       [](Workshop& shop, const Tensor& source) {
         return source.convert_to(DataType::int64, shop.stream);
       }},
      {"deep_copy",
       [](Workshop& shop, const Tensor& source) { return source.deep_copy(shop.stream); }},
      {"copy to tensor",
       [](Workshop& shop, const Tensor& source) {
         Tensor target = source.deep_copy(shop.stream);
         target.copy_from(source, shop.stream);
         return target;
       }},
      {"command copy",
       [](Workshop& shop, const Tensor& source) {
         const Tensor target = source.deep_copy(shop.stream);
         execute(shop, [&](CommandBuffer& c) {
           c.fill(target, 99);
           c.copy(source, target);
         });
         return target;
       }},
      {"command convert",
       [](Workshop& shop, const Tensor& source) {
         const Tensor target = source.convert_to(DataType::float64, shop.stream);
         execute(shop, [&](CommandBuffer& c) {
           c.fill(target, 99);
           c.convert(source, target);
         });
         return target;
       }},
  };
}

std::vector<std::int32_t> values_of(const Tensor& tensor) {
  return tensor.convert_to(DataType::int32).to_vector<std::int32_t>();
}

class OrderTest : public DeviceTest {
 protected:
  /// A tensor of kOld, written and settled.
  Tensor settled(std::int32_t value) {
    Tensor tensor = tensor_of(all(value));
    device_.synchronize();
    return tensor;
  }
};
HEADRACE_ON_EVERY_DEVICE(OrderTest);

TEST_P(OrderTest, EveryReadOnAnotherStreamSeesEveryWrite) {
  for (const Writer& writer : writers()) {
    for (const Reader& reader : readers()) {
      SCOPED_TRACE(std::string(reader.name) + " after " + writer.name);
      for_each_order([&] {
        Workshop a(manager_, device_.make_stream());
        Workshop b(manager_, device_.make_stream());
        Tensor tensor = settled(kOld);
        const Tensor source = settled(kNew);
        Gate gate(can_hold());
        gate.hold(a.stream);
        const std::jthread opener = gate.open_later();
        writer.write(a, tensor, source, kNew);
        const Tensor seen = reader.read(b, tensor);
        EXPECT_EQ(values_of(seen), all(kNew));
      });
    }
  }
}

TEST_P(OrderTest, TheHostSeesEveryWrite) {
  for (const Writer& writer : writers()) {
    SCOPED_TRACE(writer.name);
    for_each_order([&] {
      Workshop a(manager_, device_.make_stream());
      Tensor tensor = settled(kOld);
      const Tensor source = settled(kNew);
      Gate gate(can_hold());
      gate.hold(a.stream);
      const std::jthread opener = gate.open_later();
      writer.write(a, tensor, source, kNew);
      EXPECT_EQ(tensor.to_vector<std::int32_t>(), all(kNew));
    });
  }
}

TEST_P(OrderTest, EveryWriteOnAnotherStreamComesAfterEveryWrite) {
  for (const Writer& first : writers()) {
    for (const Writer& second : writers()) {
      SCOPED_TRACE(std::string(second.name) + " after " + first.name);
      for_each_order([&] {
        Workshop a(manager_, device_.make_stream());
        Workshop b(manager_, device_.make_stream());
        Tensor tensor = settled(kOld);
        const Tensor one = settled(kNew);
        const Tensor two = settled(kLater);
        Gate gate(can_hold());
        gate.hold(a.stream);
        const std::jthread opener = gate.open_later();
        first.write(a, tensor, one, kNew);
        second.write(b, tensor, two, kLater);
        EXPECT_EQ(tensor.to_vector<std::int32_t>(), all(kLater));
      });
    }
  }
}

TEST_P(OrderTest, EveryWriteOnAnotherStreamComesAfterEveryRead) {
  for (const Reader& reader : readers()) {
    for (const Writer& writer : writers()) {
      SCOPED_TRACE(std::string(writer.name) + " after " + reader.name);
      for_each_order([&] {
        Workshop a(manager_, device_.make_stream());
        Workshop b(manager_, device_.make_stream());
        Tensor tensor = settled(kOld);
        const Tensor source = settled(kNew);
        Gate gate(can_hold());
        gate.hold(a.stream);
        const std::jthread opener = gate.open_later();
        const Tensor seen = reader.read(a, tensor);
        writer.write(b, tensor, source, kNew);
        EXPECT_EQ(values_of(seen), all(kOld));
        EXPECT_EQ(tensor.to_vector<std::int32_t>(), all(kNew));
      });
    }
  }
}

TEST_P(OrderTest, AWriteComesAfterTheReadsOfTwoStreams) {
  for_each_order([&] {
    const Stream a = device_.make_stream();
    const Stream b = device_.make_stream();
    const Stream c = device_.make_stream();
    Tensor tensor = settled(kOld);
    const Tensor source = settled(kNew);
    Gate first(can_hold());
    Gate second(can_hold());
    first.hold(a);
    second.hold(b);
    const Tensor one = tensor.deep_copy(a);
    const Tensor two = tensor.deep_copy(b);
    tensor.copy_from(source, c);
    first.open();
    second.open();
    EXPECT_EQ(one.to_vector<std::int32_t>(), all(kOld));
    EXPECT_EQ(two.to_vector<std::int32_t>(), all(kOld));
    EXPECT_EQ(tensor.to_vector<std::int32_t>(), all(kNew));
  });
}

TEST_P(OrderTest, AChainOverManyStreamsGivesEachItsPredecessorsElements) {
  for_each_order([&] {
    const Stream first = device_.make_stream();
    Gate gate(can_hold());
    const Tensor source = settled(kOld);
    gate.hold(first);
    Tensor tensor = source.deep_copy(first);
    for (int i = 0; i < 6; ++i) {
      tensor = tensor.convert_to(i % 2 == 0 ? DataType::int64 : DataType::int32,
                                 device_.make_stream());  // and the stream is dropped
    }
    gate.open();
    EXPECT_EQ(tensor.to_vector<std::int32_t>(), all(kOld));
  });
}

// Memory given back while work still uses it: whoever takes it next must not disturb that work.
TEST_P(OrderTest, MemoryOfAReleasedTensorIsNotWrittenByItsNextOwnerTooEarly) {
  for_each_order([&] {
    const Stream a = device_.make_stream();
    const Stream b = device_.make_stream();
    Tensor tensor = settled(kOld);
    Gate gate(can_hold());
    gate.hold(a);
    const Tensor copy = tensor.deep_copy(a);
    tensor.release();
    const Tensor source = tensor_of(all(kNew));
    std::vector<Tensor> next;
    for (int i = 0; i < 4; ++i) {
      next.emplace_back(manager_, Shape{kCount}, DataType::int32, DeviceType::gpu, b);
      next.back().copy_from(source, b);
    }
    gate.open();
    EXPECT_EQ(copy.to_vector<std::int32_t>(), all(kOld));
    for (const Tensor& one : next) {
      EXPECT_EQ(one.to_vector<std::int32_t>(), all(kNew));
    }
  });
}

TEST_P(OrderTest, MemoryUnderALimitIsReusedWithoutDisturbingItsLastUser) {
  for_each_order([&] {
    const MemoryManager manager =
        make_manager({.byte_limit = kCount * sizeof(std::int32_t), .pressure_callback = {}});
    const Stream a = device_.make_stream();
    const Stream b = device_.make_stream();
    const Tensor old_values = settled(kOld);
    const Tensor new_values = settled(kNew);
    Tensor tensor(manager, {kCount}, DataType::int32, DeviceType::gpu, a);
    tensor.copy_from(old_values, a);
    Tensor copy(manager_, {kCount}, DataType::int32, DeviceType::gpu, a);
    Gate gate(can_hold());
    gate.hold(a);
    copy.copy_from(tensor, a);
    tensor.release();
    Tensor next(manager, {kCount}, DataType::int32, DeviceType::gpu, b);  // the same memory
    next.copy_from(new_values, b);
    Tensor seen(manager_, {kCount}, DataType::int32);
    seen.copy_from(next);
    gate.open();
    EXPECT_EQ(copy.to_vector<std::int32_t>(), all(kOld));
    EXPECT_EQ(seen.to_vector<std::int32_t>(), all(kNew));
  });
}

// Every thread works on streams of its own with memory that went through all of them.
TEST_P(OrderTest, ReusedMemoryIsNeverMixedUpStress) {
  const MemoryManager manager =
      make_manager({.byte_limit = 40 * kCount * sizeof(std::int32_t), .pressure_callback = {}});
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      const std::vector<Stream> streams{device_.make_stream(), device_.make_stream()};
      for (int i = 0; i < 60; ++i) {
        const std::int32_t value = t * 1000 + i;
        const Stream& one = streams[random() % 2];
        const Stream& two = streams[random() % 2];
        const std::int64_t count = 1 + static_cast<std::int64_t>(random() % kCount);
        CommandBufferPool pool(one, 1);
        Tensor tensor(manager, {count}, DataType::int32, DeviceType::gpu, one);
        CommandBuffer commands = pool.get_buffer();
        commands.fill(tensor, value);
        pool.execute_async(std::move(commands));
        Tensor copy = tensor.deep_copy(two);
        tensor.release();
        const Tensor wide = copy.convert_to(DataType::int64, one);
        copy.release();
        for (const std::int64_t element : wide.to_vector<std::int64_t>()) {
          wrong += element != value;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// Rows of one tensor are tensors of their own, which nobody has to order.
TEST_P(OrderTest, RowsWrittenByTwoThreadsOnTwoStreamsAreAllThereStress) {
  constexpr int kRounds = 200;
  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    Tensor tensor(manager_, {2, kCount}, DataType::int32);
    const std::array streams{device_.make_stream(), device_.make_stream()};
    const std::array sources{tensor_of(all(kNew)), tensor_of(all(kLater))};
    std::atomic<int> ready{0};
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
          Tensor row = tensor.slice(t, t + 1).reshape({kCount});
          ++ready;
          while (ready < 2) {
          }
          row.copy_from(sources[t], streams[t]);
        });
      }
    }
    std::vector<std::int32_t> expected = all(kNew);
    expected.insert(expected.end(), kCount, kLater);
    wrong += tensor.to_vector<std::int32_t>() != expected;
  }
  EXPECT_EQ(wrong, 0);
}

class HeldOrderTest : public DeviceTest {};
HEADRACE_ON_HOLDING_DEVICES(HeldOrderTest);

TEST_P(HeldOrderTest, WorkOfTheCallersOwnIsKnownAfterRecordUse) {
  const Stream a = device_.make_stream();
  const Stream b = device_.make_stream();
  const Tensor tensor = tensor_of(all(kOld));
  const Tensor target = tensor_of(all(kNew));
  Gate gate(can_hold());
  gate.hold(a);  // stands for work that uses the tensor
  tensor.record_use(a);
  CommandBufferPool pool(b, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.copy(tensor, target);
  const Completion done = pool.execute_async(std::move(commands));
  EXPECT_FALSE(done.is_done());
  gate.open();
  done.wait();
  EXPECT_EQ(target.to_vector<std::int32_t>(), all(kOld));
}

TEST_P(HeldOrderTest, WaitOnMakesAStreamWaitForTheTensorsWork) {
  const Stream a = device_.make_stream();
  const Stream b = device_.make_stream();
  const Tensor source = tensor_of(all(kNew));
  Tensor tensor = tensor_of(all(kOld));
  Gate gate(can_hold());
  gate.hold(a);
  tensor.copy_from(source, a);
  tensor.wait_on(b);
  CommandBufferPool pool(b, 1);
  CommandBuffer commands = pool.get_buffer();
  commands.launch([](const Stream&) {});
  const Completion done = pool.execute_async(std::move(commands));
  EXPECT_FALSE(done.is_done());
  gate.open();
  done.wait();
}

TEST_P(HeldOrderTest, AReadDoesNotWaitForAnotherRead) {
  const Stream a = device_.make_stream();
  const Stream b = device_.make_stream();
  const Tensor tensor = tensor_of(all(kOld));
  device_.synchronize();
  Gate gate(can_hold());
  gate.hold(a);
  const Tensor slow = tensor.deep_copy(a);
  const Tensor fast = tensor.deep_copy(b);
  EXPECT_EQ(fast.to_vector<std::int32_t>(), all(kOld));  // would never return
}

}  // namespace
}  // namespace headrace::test
