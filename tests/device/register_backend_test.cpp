// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <map>
#include <mutex>

// A backend from outside the tree. "outside" runs all the other tests of this folder too.

namespace headrace::test {
namespace {

using testing::HasSubstr;

/// A backend whose driver is missing, or which has no name.
class EmptyBackend final : public Backend {
 public:
  explicit EmptyBackend(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  std::vector<DeviceInfo> devices() override { return {}; }
  std::shared_ptr<BackendDevice> open(int) override { return nullptr; }

 private:
  std::string name_;
};

/// A backend that lists what a test sets, and opens nothing.
class ListedBackend final : public Backend {
 public:
  using Devices = std::vector<DeviceInfo>;

  ListedBackend(std::string name, std::shared_ptr<const Devices> devices)
      : name_(std::move(name)), devices_(std::move(devices)) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  Devices devices() override { return *devices_; }
  std::shared_ptr<BackendDevice> open(int) override {
    throw Error(ErrorCode::unsupported, name_ + " opens nothing.");
  }

  /// What backend `name`, which is registered when it is not yet, lists until the test is over.
  static std::shared_ptr<Devices> of(const std::string& name) {
    static auto* const kAll = new std::map<std::string, std::shared_ptr<Devices>>;
    std::shared_ptr<Devices>& devices = (*kAll)[name];
    if (!devices) {
      devices = std::make_shared<Devices>();
      register_backend(std::make_unique<ListedBackend>(name, devices));
    }
    return {devices.get(), [devices](Devices* list) { list->clear(); }};
  }

 private:
  std::string name_;
  std::shared_ptr<const Devices> devices_;
};

/// A backend without devices that counts how often it is asked for them, as a driver that is slow
/// to start would notice.
class AskedBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "asked"; }
  std::vector<DeviceInfo> devices() override {
    ++times_asked;
    return {};
  }
  std::shared_ptr<BackendDevice> open(int) override { return nullptr; }

  static void register_once() {
    static std::once_flag registered;
    std::call_once(registered, [] { register_backend(std::make_unique<AskedBackend>()); });
  }

  static inline int times_asked = 0;
};

DeviceInfo large_gpu(std::string spec, std::uint64_t bytes, std::string uuid) {
  DeviceInfo info;
  info.spec = std::move(spec);
  info.total_bytes = (std::uint64_t{1} << 60) + bytes;
  info.is_gpu = true;
  info.uuid = std::move(uuid);
  return info;
}

class RegisterBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    outside::register_once();
    outside::take_violations();
  }
  void TearDown() override { EXPECT_THAT(outside::take_violations(), testing::IsEmpty()); }
};

TEST_F(RegisterBackendTest, ItsDevicesAreListedAndOpened) {
  const std::vector<DeviceInfo> all = list_devices();
  EXPECT_EQ(std::ranges::count(all, "outside", &DeviceInfo::spec), 1);
  const Device device = open_device("outside");
  EXPECT_EQ(device.info().backend, "outside");
  EXPECT_EQ(device, open_device("outside:0"));
}

TEST_F(RegisterBackendTest, NoBackendNoNameAndANameThatIsThereAreRefused) {
  const std::size_t before = list_devices().size();
  EXPECT_EQ(code_of([] { register_backend(nullptr); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { register_backend(std::make_unique<EmptyBackend>("")); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { register_backend(std::make_unique<EmptyBackend>("host")); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { register_backend(make_outside_backend()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(list_devices().size(), before);
}

TEST_F(RegisterBackendTest, OneWithoutDevicesHurtsNobody) {
  try {
    register_backend(std::make_unique<EmptyBackend>("no driver"));
  } catch (const Error&) {
    // Another run of this test did it.
  }
  EXPECT_TRUE(open_device("host"));
  EXPECT_THAT(text_of([] { open_device("no driver"); }),
              testing::AllOf(HasSubstr("'no driver'"), HasSubstr("host"), HasSubstr("outside")));
  EXPECT_THAT(text_of([] { open_device("no driver at all"); }),
              testing::ContainsRegex("; backends without a device here: .*no driver[.,]"));
}

TEST_F(RegisterBackendTest, UnknownDevicesAreRefused) {
  for (const char* spec : {"", "host:1", "outside:7", "hos", "host ", "cuda:99"}) {
    EXPECT_EQ(code_of([spec] { open_device(spec); }), ErrorCode::invalid_argument) << spec;
  }
}

TEST_F(RegisterBackendTest, ADeviceThatIsNamedIsOpenedWithoutAskingOtherBackends) {
  AskedBackend::register_once();
  AskedBackend::times_asked = 0;
  for (const char* spec : {"host", "host:0", "outside", "outside:0"}) {
    open_device(spec);
    EXPECT_EQ(AskedBackend::times_asked, 0) << spec;
  }
}

TEST_F(RegisterBackendTest, AllBackendsAreAskedForAutoAndForDevicesThatAreNotFound) {
  AskedBackend::register_once();
  for (const char* spec : {"auto", "host:9", "nobody:0", ""}) {
    AskedBackend::times_asked = 0;
    code_of([spec] { open_device(spec); });
    EXPECT_EQ(AskedBackend::times_asked, 1) << spec;
  }
}

TEST_F(RegisterBackendTest, HostIsAlwaysThereAndAutoIsTheFirst) {
  const std::vector<DeviceInfo> all = list_devices();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(std::ranges::count(all, "host", &DeviceInfo::spec), 1);
  EXPECT_EQ(open_device().info().spec, all.front().spec);
  EXPECT_TRUE(std::ranges::is_partitioned(all, &DeviceInfo::is_gpu));
}

// Neither the alphabet nor a few bytes more make the second backend's entry the first.
TEST_F(RegisterBackendTest, OfOneCardTheFirstBackendsEntryIsAuto) {
  const auto vendors = ListedBackend::of("vendors_own");
  const auto general = ListedBackend::of("general");
  const std::string uuid(32, 'c');
  vendors->push_back(large_gpu("vendors_own:0", 0, uuid));
  general->push_back(large_gpu("general:0", 1, uuid));
  const std::vector<DeviceInfo> all = list_devices();
  ASSERT_GE(all.size(), 2U);
  EXPECT_EQ(all[0].spec, "vendors_own:0");
  EXPECT_EQ(all[0].uuid, uuid);
  EXPECT_EQ(all[1].spec, "general:0");
  EXPECT_THAT(text_of([] { open_device("auto"); }), HasSubstr("vendors_own"));
}

TEST_F(RegisterBackendTest, OpeningAgainGivesTheSameDeviceWhileItIsUsed) {
  const Device host = open_device("host");
  EXPECT_EQ(host, open_device("host"));
  EXPECT_EQ(host, open_device("host:0"));
  EXPECT_EQ(host.default_stream(), open_device("host").default_stream());
}

TEST_F(RegisterBackendTest, OpaqueHandlesServeAsPointers) {
  MemoryManager manager(open_device("outside"));
  void* first = manager.allocate_buffer(100);
  void* second = manager.allocate_buffer(100);
  EXPECT_NE(first, second);
  manager.release_buffer(first);
  EXPECT_EQ(code_of([&] { manager.release_buffer(first); }), ErrorCode::invalid_argument);
  manager.release_buffer(second);
}

TEST_F(RegisterBackendTest, TensorsOnItHaveABufferAndAnOffset) {
  const MemoryManager manager(open_device("outside"));
  const Tensor tensor(manager, {10, 4}, DataType::float32);
  const NativeHandle row = tensor.slice(3, 4).native_handle();
  EXPECT_EQ(row.kind, HandleKind::buffer);
  EXPECT_EQ(row.value, tensor.native_handle().value);
  EXPECT_EQ(row.offset, 48U);
}

TEST_F(RegisterBackendTest, ACopyThatFailsIsTheTransfersError) {
  const MemoryManager manager(open_device("outside"));
  StagingBufferPool pool(manager, 2, 100);
  const Tensor target(manager, {100}, DataType::uint8);
  outside::fail_next_copy();
  const Completion transfer = pool.transfer_to_gpu(std::vector<std::uint8_t>(100, 1), target);
  EXPECT_EQ(code_of([&] { transfer.wait(); }), ErrorCode::internal);
  EXPECT_EQ(code_of([&] { transfer.wait(); }), ErrorCode::internal);
  pool.transfer_to_gpu_sync(std::vector<std::uint8_t>(100, 2), target);
  EXPECT_EQ(target.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(100, 2));
}

TEST_F(RegisterBackendTest, APieceOfACopyThatFailsIsTheTransfersError) {
  const MemoryManager manager(open_device("outside"));
  StagingBufferPool pool(manager, 2, 100);
  const Tensor target(manager, {1000}, DataType::uint8);
  outside::fail_next_copy();  // the first of ten
  EXPECT_EQ(code_of([&] { pool.transfer_to_gpu_sync(std::vector<std::uint8_t>(1000, 1), target); }),
            ErrorCode::internal);
}

TEST_F(RegisterBackendTest, AReadBackThatFailsThrows) {
  const MemoryManager manager(open_device("outside"));
  Tensor tensor(manager, {100}, DataType::uint8);
  tensor.copy_from(std::vector<std::uint8_t>(100, 1));
  manager.device().synchronize();
  outside::fail_next_copy();
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::uint8_t>()); }),
            ErrorCode::internal);
  EXPECT_EQ(tensor.to_vector<std::uint8_t>(), std::vector<std::uint8_t>(100, 1));
}

TEST_F(RegisterBackendTest, AChunkOfALargeCopyThatFailsIsWhatReadsThrow) {
  const MemoryManager manager(open_device("outside"));
  constexpr std::size_t kBytes = std::size_t{18} << 20;
  Tensor tensor(manager, {static_cast<std::int64_t>(kBytes)}, DataType::uint8);
  outside::fail_next_copy();  // the first of five
  tensor.copy_from(std::vector<std::uint8_t>(kBytes, 1));
  manager.device().synchronize();
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::uint8_t>()); }),
            ErrorCode::internal);
  tensor.copy_from(std::vector<std::uint8_t>(kBytes, 2));
  manager.device().synchronize();
  outside::fail_next_copy();
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::uint8_t>()); }),
            ErrorCode::internal);
  EXPECT_TRUE(tensor.to_vector<std::uint8_t>() == std::vector<std::uint8_t>(kBytes, 2));
}

TEST_F(RegisterBackendTest, ACopyInACommandBufferThatFailsIsItsError) {
  const Device device = open_device("outside");
  const MemoryManager manager(device);
  CommandBufferPool pool(device.make_stream(), 1);
  const Tensor from(manager, {100}, DataType::uint8);
  const Tensor to(manager, {100}, DataType::uint8);
  CommandBuffer commands = pool.get_buffer();
  commands.copy(from, to);
  outside::fail_next_copy();
  const Completion completion = pool.execute_async(std::move(commands));
  EXPECT_EQ(code_of([&] { completion.wait(); }), ErrorCode::internal);
}

}  // namespace
}  // namespace headrace::test
