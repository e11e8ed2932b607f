// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"

// The driver of the tests itself: what CUDA's documentation says of streams, events, captures and
// graphs, and that it notes what a real driver may crash on.

namespace headrace::test {
namespace {

class FakeDriverTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    current_ = std::make_unique<Current>();
    host_ = block(64, DeviceType::cpu);
    gpu_ = block(64);
    std::memset(host_->host<void>(), 0, 64);
  }
  void TearDown() override {
    driver_->set_manual(false);
    for (CUstream stream : streams_) {
      EXPECT_EQ(api().cuStreamDestroy(stream), CUDA_SUCCESS);
    }
    for (CUevent event : events_) {
      EXPECT_EQ(api().cuEventDestroy(event), CUDA_SUCCESS);
    }
    host_.reset();
    gpu_.reset();
    current_.reset();
    CudaTest::TearDown();
  }

  CUstream stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
    EXPECT_EQ(api().cuStreamCreate(&streams_.emplace_back(), flags), CUDA_SUCCESS);
    return streams_.back();
  }
  CUevent event() {
    EXPECT_EQ(api().cuEventCreate(&events_.emplace_back(), CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
    return events_.back();
  }
  /// Sets the first byte of the host's memory.
  CUresult set(unsigned char value, CUstream in) const {
    return api().cuMemsetD8Async(reinterpret_cast<CUdeviceptr>(host_->host<void>()), value, 1, in);
  }
  [[nodiscard]] int value() const { return host_->host<unsigned char>()[0]; }
  /// Ends a capture. \returns What the driver says; a graph goes.
  static CUresult end(CUstream captured) {
    CUgraph graph = nullptr;
    const CUresult result = api().cuStreamEndCapture(captured, &graph);
    if (graph != nullptr) {
      EXPECT_EQ(api().cuGraphDestroy(graph), CUDA_SUCCESS);
    }
    return result;
  }

  std::unique_ptr<Current> current_;
  std::unique_ptr<Block> host_;
  std::unique_ptr<Block> gpu_;
  std::vector<CUstream> streams_;
  std::vector<CUevent> events_;
};

TEST_F(FakeDriverTest, MemoryThatIsNotThereIsNoted) {
  CUstream in = stream();
  EXPECT_EQ(api().cuMemsetD8Async(gpu_->at().handle, 1, 65, in), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api().cuMemcpyAsync(
                gpu_->at().handle + 60, reinterpret_cast<CUdeviceptr>(host_->host<void>()), 8, in),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver_->take_violations().size(), 2U);
  CUdeviceptr freed = 0;
  ASSERT_EQ(api().cuMemAlloc(&freed, 64), CUDA_SUCCESS);
  ASSERT_EQ(api().cuMemFree(freed), CUDA_SUCCESS);
  EXPECT_EQ(api().cuMemsetD8Async(freed, 1, 1, in), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api().cuMemFree(freed), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver_->take_violations().size(), 2U);
}

TEST_F(FakeDriverTest, AKernelThatLeavesItsMemoryBreaksTheContext) {
  const std::shared_ptr<BackendDevice> other = backend_->open(1);
  {
    Queue queue(other->make_stream());
    const Block memory(other, DeviceType::gpu, 64);
    queue.submit({convert(memory.at(), DataType::uint8, memory.at(32), DataType::float32, 9)});
    EXPECT_EQ(code_of([&] { queue.finish(); }), ErrorCode::device_lost);
  }
  const std::vector<std::string> violations = driver_->take_violations();
  ASSERT_FALSE(violations.empty());
  EXPECT_THAT(violations.front(), testing::HasSubstr("convert_uint8.to_float32: argument 1"));
}

TEST_F(FakeDriverTest, FreeingWaitsForTheDevice) {
  CUstream in = stream();
  CUdeviceptr memory = 0;
  ASSERT_EQ(api().cuMemAlloc(&memory, 64), CUDA_SUCCESS);
  driver_->set_manual(true);
  ASSERT_EQ(set(1, in), CUDA_SUCCESS);
  std::atomic<bool> is_free{false};
  std::thread freeing([&] {
    const Current current;
    EXPECT_EQ(api().cuMemFree(memory), CUDA_SUCCESS);
    is_free = true;
  });
  EXPECT_TRUE(eventually([&] { return driver_->calls("cuMemFree") == 1; }));
  EXPECT_FALSE(is_free);
  driver_->run(1);
  freeing.join();
}

TEST_F(FakeDriverTest, AWaitMeansWhatTheEventWasWhenItWasIssued) {
  CUstream producer = stream();
  CUstream consumer = stream();
  CUevent point = event();
  EXPECT_EQ(api().cuEventQuery(point), CUDA_SUCCESS) << "never recorded";
  driver_->set_manual(true);
  ASSERT_EQ(api().cuEventRecord(point, producer), CUDA_SUCCESS);
  EXPECT_EQ(api().cuEventQuery(point), CUDA_ERROR_NOT_READY);
  ASSERT_EQ(api().cuStreamWaitEvent(consumer, point, 0), CUDA_SUCCESS);
  EXPECT_EQ(driver_->run(1), 1);
  EXPECT_EQ(api().cuEventQuery(point), CUDA_SUCCESS);
  CUevent after = event();
  Event open;
  ASSERT_EQ(api().cuEventRecord(after, consumer), CUDA_SUCCESS);
  launch_host_function(
      {HandleKind::stream, reinterpret_cast<std::uint64_t>(producer), 0},
      [](void* data) { static_cast<Event*>(data)->wait(); },
      &open);
  ASSERT_EQ(api().cuEventRecord(point, producer), CUDA_SUCCESS);  // behind what does not end
  EXPECT_EQ(driver_->run(100), 2) << "the wait and what is behind it";
  EXPECT_EQ(api().cuEventQuery(after), CUDA_SUCCESS);
  EXPECT_EQ(api().cuEventQuery(point), CUDA_ERROR_NOT_READY);
  open.set();
  driver_->set_manual(false);
  EXPECT_EQ(api().cuStreamSynchronize(producer), CUDA_SUCCESS);
}

TEST_F(FakeDriverTest, TheLegacyStreamIsOrderedWithBlockingStreamsAlone) {
  CUstream blocking = stream(CU_STREAM_DEFAULT);
  CUstream free = stream();
  Event open;
  launch_host_function(
      {HandleKind::stream, reinterpret_cast<std::uint64_t>(CU_STREAM_LEGACY), 0},
      [](void* data) { static_cast<Event*>(data)->wait(); },
      &open);
  ASSERT_EQ(set(1, free), CUDA_SUCCESS);
  ASSERT_EQ(api().cuStreamSynchronize(free), CUDA_SUCCESS);  // would never return
  EXPECT_EQ(value(), 1);
  CUevent point = event();
  ASSERT_EQ(set(2, blocking), CUDA_SUCCESS);
  ASSERT_EQ(api().cuEventRecord(point, blocking), CUDA_SUCCESS);
  EXPECT_EQ(api().cuEventQuery(point), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(value(), 1) << "it ran before the legacy stream's work";
  open.set();
  ASSERT_EQ(set(3, CU_STREAM_LEGACY), CUDA_SUCCESS);
  ASSERT_EQ(api().cuStreamSynchronize(CU_STREAM_LEGACY), CUDA_SUCCESS);
  EXPECT_EQ(value(), 3);
}

TEST_F(FakeDriverTest, AnUnsafeCallBreaksAGlobalCapture) {
  CUstream captured = stream();
  CUdeviceptr memory = 0;
  ASSERT_EQ(api().cuStreamBeginCapture(captured, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  std::thread([&] {
    const Current current;
    EXPECT_EQ(api().cuMemAlloc(&memory, 64), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  }).join();
  EXPECT_EQ(set(1, captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  ASSERT_EQ(api().cuStreamBeginCapture(captured, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
            CUDA_SUCCESS);
  std::thread([&] {
    const Current current;
    EXPECT_EQ(api().cuMemAlloc(&memory, 64), CUDA_SUCCESS) << "another thread's own affair";
    EXPECT_EQ(api().cuMemFree(memory), CUDA_SUCCESS);
  }).join();
  EXPECT_EQ(api().cuMemAlloc(&memory, 64), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(FakeDriverTest, ABlockingStreamUnderCaptureForbidsTheLegacyStream) {
  CUstream captured = stream(CU_STREAM_DEFAULT);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  ASSERT_EQ(api().cuStreamBeginCapture(captured, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  EXPECT_EQ(api().cuStreamIsCapturing(CU_STREAM_LEGACY, &status),
            CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  EXPECT_EQ(set(1, captured), CUDA_SUCCESS) << "a look breaks nothing";
  EXPECT_EQ(set(1, nullptr), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  EXPECT_EQ(end(captured), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(api().cuStreamBeginCapture(CU_STREAM_LEGACY, CU_STREAM_CAPTURE_MODE_RELAXED),
            CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_F(FakeDriverTest, StreamsJoinACaptureByItsEventsAndMustComeBack) {
  CUstream first = stream();
  CUstream second = stream();
  CUevent fork = event();
  CUevent join = event();
  const auto begin = [&] {
    ASSERT_EQ(api().cuStreamBeginCapture(first, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    ASSERT_EQ(set(1, first), CUDA_SUCCESS);
    ASSERT_EQ(api().cuEventRecord(fork, first), CUDA_SUCCESS);
    EXPECT_EQ(api().cuStreamWaitEvent(second, fork, 0), CUDA_SUCCESS);
    EXPECT_EQ(set(2, second), CUDA_SUCCESS);
  };
  begin();
  EXPECT_EQ(end(first), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  begin();
  ASSERT_EQ(api().cuEventRecord(join, second), CUDA_SUCCESS);
  EXPECT_EQ(api().cuStreamWaitEvent(first, join, 0), CUDA_SUCCESS);
  EXPECT_EQ(end(first), CUDA_SUCCESS);
  EXPECT_EQ(value(), 0) << "captured work ran";
  EXPECT_EQ(api().cuEventQuery(join), CUDA_ERROR_CAPTURED_EVENT);
}

TEST_F(FakeDriverTest, ACaptureMayNotDependOnWorkOutsideNorOnAnother) {
  CUstream first = stream();
  CUstream second = stream();
  CUevent outside = event();
  ASSERT_EQ(api().cuEventRecord(outside, second), CUDA_SUCCESS);
  ASSERT_EQ(api().cuStreamBeginCapture(first, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  EXPECT_EQ(api().cuStreamWaitEvent(first, outside, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  EXPECT_EQ(end(first), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  ASSERT_EQ(api().cuStreamBeginCapture(first, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  ASSERT_EQ(api().cuStreamBeginCapture(second, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  ASSERT_EQ(api().cuEventRecord(outside, second), CUDA_SUCCESS);
  EXPECT_EQ(api().cuStreamWaitEvent(first, outside, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
  EXPECT_EQ(end(first), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(end(second), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(FakeDriverTest, AnUpdateChangesNeitherTheGraphNorTheKindOfItsMemory) {
  CUstream in = stream();
  const auto captured = [&](CUdeviceptr to, int copies) {
    CUgraph graph = nullptr;
    EXPECT_EQ(api().cuStreamBeginCapture(in, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    for (int i = 0; i < copies; ++i) {
      EXPECT_EQ(api().cuMemcpyAsync(to + 32, gpu_->at().handle, 8, in), CUDA_SUCCESS);
    }
    EXPECT_EQ(api().cuStreamEndCapture(in, &graph), CUDA_SUCCESS);
    return graph;
  };
  const auto on_host = reinterpret_cast<CUdeviceptr>(host_->host<void>());
  CUgraph graph = captured(gpu_->at().handle, 1);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(api().cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
  const auto update = [&](CUgraph to) {
    CUgraphExecUpdateResultInfo why{};
    const CUresult result = api().cuGraphExecUpdate(exec, to, &why);
    EXPECT_EQ(result == CUDA_SUCCESS, why.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    EXPECT_EQ(api().cuGraphDestroy(to), CUDA_SUCCESS);
    return why.result;
  };
  EXPECT_EQ(update(captured(gpu_->at(8).handle, 1)), CU_GRAPH_EXEC_UPDATE_SUCCESS);
  EXPECT_EQ(update(captured(gpu_->at().handle, 2)), CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
  EXPECT_EQ(update(captured(on_host, 1)), CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED);
  EXPECT_EQ(api().cuGraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(api().cuGraphExecDestroy(exec), CUDA_SUCCESS);
}

}  // namespace
}  // namespace headrace::test
