// SPDX-License-Identifier: Apache-2.0
#include "cuda/round.h"

// Streams of other code's, the default stream, and captures that go on elsewhere.

namespace headrace::test {
namespace {

class CudaStreamTest : public CudaTest {
 protected:
  CUstream make_user_stream(unsigned flags) {
    const Current current;
    CUstream stream = nullptr;
    EXPECT_EQ(api().cuStreamCreate(&stream, flags), CUDA_SUCCESS);
    return stream;
  }
  static NativeHandle handle_of(CUstream stream) {
    return {HandleKind::stream, reinterpret_cast<std::uint64_t>(stream), 0};
  }
};

TEST_F(CudaStreamTest, AnAdoptedStreamRunsTheOwnersWorkAndOursInOrder) {
  CUstream user = make_user_stream(CU_STREAM_NON_BLOCKING);
  const auto host = block(100, DeviceType::cpu);
  {
    Queue adopted(device_->adopt_stream(handle_of(user)));
    EXPECT_EQ(adopted.stream->native_handle(), handle_of(user));
    EXPECT_FALSE(adopted.stream->is_private());
    driver_->set_manual(true);
    adopted.submit({fill(host->at(), 1, 1, 100)});
    {
      const Current current;
      EXPECT_EQ(
          api().cuMemsetD8Async(reinterpret_cast<CUdeviceptr>(host->host<void>()), 2, 50, user),
          CUDA_SUCCESS);
    }
    const MarkerSerial marker = adopted.signal();
    EXPECT_EQ(adopted.stream->completed(), 0U);
    EXPECT_EQ(driver_->run(2), 2);
    EXPECT_EQ(adopted.stream->completed(), 0U) << "the marker is behind the owner's work";
    driver_->set_manual(false);
    EXPECT_TRUE(adopted.stream->wait(marker, kForever));
    EXPECT_EQ(host->host<std::uint8_t>()[0], 2);
    EXPECT_EQ(host->host<std::uint8_t>()[99], 1);
  }
  EXPECT_EQ(driver_->live("stream"), before_["stream"] + 1) << "it stays its maker's";
  EXPECT_EQ(api().cuStreamDestroy(user), CUDA_SUCCESS);
}

TEST_F(CudaStreamTest, HandlesThatNameNoStreamOfTheDeviceAreRefused) {
  const std::shared_ptr<BackendDevice> other = backend_->open(1);
  CUstream user = make_user_stream(CU_STREAM_NON_BLOCKING);
  EXPECT_EQ(code_of([&] { other->adopt_stream(handle_of(user)); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { device_->adopt_stream(handle_of(CU_STREAM_PER_THREAD)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              device_->adopt_stream({HandleKind::pointer, 1, 0});
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { device_->adopt_stream({}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(api().cuStreamDestroy(user), CUDA_SUCCESS);
}

TEST_F(CudaStreamTest, NullAndLegacyAreTheDefaultStream) {
  const NativeHandle standard = device_->default_stream()->native_handle();
  EXPECT_EQ(standard, handle_of(CU_STREAM_LEGACY));
  EXPECT_FALSE(device_->default_stream()->is_private());
  EXPECT_EQ(device_->adopt_stream(handle_of(nullptr))->native_handle(), standard);
  EXPECT_EQ(device_->adopt_stream(handle_of(CU_STREAM_LEGACY))->native_handle(), standard);
}

TEST_F(CudaStreamTest, OurStreamsDoNotWaitForTheDefaultStream) {
  Queue standard(device_->default_stream());
  Queue own = queue();
  const auto host = block(10, DeviceType::cpu);
  Event open;
  {
    const Current current;
    launch_host_function(
        standard.stream->native_handle(),
        [](void* event) { static_cast<Event*>(event)->wait(); },
        &open);
  }
  own.submit({fill(host->at(), 3, 1, 10)});
  own.finish();  // would never return
  EXPECT_EQ(host->host<std::uint8_t>()[9], 3);
  open.set();
  standard.finish();
}

// Giving back the coefficients of the spec that is gone would wait for all work.
TEST_F(CudaStreamTest, ASubmissionWithNewCoefficientsWaitsForNoOtherStream) {
  Queue held = queue();
  Queue free = queue();
  const auto memory = block(100);
  const auto expand = [&] {
    auto spec = std::make_shared<ExpandSpec>();
    spec->scale = {2.0F};
    spec->bias = {1.0F};
    return std::vector<Command>{{ExpandCommand{memory->at(), memory->at(50), 10, spec}, ""}};
  };
  free.submit(expand());
  free.finish();
  Event open;
  {
    const Current current;
    launch_host_function(
        held.stream->native_handle(),
        [](void* event) { static_cast<Event*>(event)->wait(); },
        &open);
  }
  auto submitted = std::async(std::launch::async, [&] { free.submit(expand()); });
  EXPECT_EQ(submitted.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  open.set();
  submitted.get();
  held.finish();
}

/// Begins a capture of a user's stream, and ends it after `during` unharmed.
class CudaCaptureTest : public CudaStreamTest {
 protected:
  void capture(unsigned flags, CUstreamCaptureMode mode, const std::function<void()>& during) {
    CUstream user = make_user_stream(flags);
    const auto target = block(16);
    {
      const Current current;
      ASSERT_EQ(api().cuStreamBeginCapture(user, mode), CUDA_SUCCESS);
      ASSERT_EQ(api().cuMemsetD8Async(target->at().handle, 1, 16, user), CUDA_SUCCESS);
    }
    during();
    const Current current;
    CUgraph graph = nullptr;
    std::size_t nodes = 0;
    ASSERT_EQ(api().cuStreamEndCapture(user, &graph), CUDA_SUCCESS);
    EXPECT_EQ(api().cuGraphGetNodes(graph, nullptr, &nodes), CUDA_SUCCESS);
    EXPECT_EQ(nodes, 1U);
    EXPECT_EQ(api().cuGraphDestroy(graph), CUDA_SUCCESS);
    EXPECT_EQ(api().cuStreamDestroy(user), CUDA_SUCCESS);
  }

  void round() {
    try {
      Round(device_).run();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
};

TEST_F(CudaCaptureTest, AGlobalCaptureOfThisThreadAndWorkOfOursLeaveEachOtherAlone) {
  capture(CU_STREAM_NON_BLOCKING, CU_STREAM_CAPTURE_MODE_GLOBAL, [&] { round(); });
}

TEST_F(CudaCaptureTest, AGlobalCaptureOfAnotherThreadAndWorkOfOursLeaveEachOtherAlone) {
  capture(CU_STREAM_NON_BLOCKING, CU_STREAM_CAPTURE_MODE_GLOBAL, [&] {
    std::thread([&] { round(); }).join();
  });
}

TEST_F(CudaCaptureTest, OpeningAndClosingADeviceLeavesACaptureAlone) {
  capture(CU_STREAM_NON_BLOCKING, CU_STREAM_CAPTURE_MODE_GLOBAL, [&] {
    const std::unique_ptr<Backend> more = cuda::make_backend();
    Round(more->open(1)).run();
  });
}

TEST_F(CudaCaptureTest, ThisThreadsModeIsAsItWas) {
  for (const CUstreamCaptureMode mode :
       {CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, CU_STREAM_CAPTURE_MODE_GLOBAL}) {
    CUstreamCaptureMode exchanged = mode;
    ASSERT_EQ(api().cuThreadExchangeStreamCaptureMode(&exchanged), CUDA_SUCCESS);
    round();
    exchanged = mode;
    ASSERT_EQ(api().cuThreadExchangeStreamCaptureMode(&exchanged), CUDA_SUCCESS);
    EXPECT_EQ(exchanged, mode);
  }
  CUcontext current = nullptr;
  EXPECT_EQ(api().cuCtxGetCurrent(&current), CUDA_SUCCESS);
  EXPECT_EQ(current, nullptr) << "a context was left current";
}

TEST_F(CudaCaptureTest, ABlockingStreamUnderCaptureForbidsTheDefaultStream) {
  const auto standard = device_->default_stream();
  const auto own = device_->make_stream();
  EXPECT_FALSE(standard->is_capturing());
  capture(CU_STREAM_DEFAULT, CU_STREAM_CAPTURE_MODE_RELAXED, [&] {
    EXPECT_TRUE(standard->is_capturing());
    EXPECT_FALSE(own->is_capturing());
  });
  EXPECT_FALSE(standard->is_capturing());
}

TEST_F(CudaCaptureTest, AnAdoptedStreamIsCapturingWhileItsOwnerCaptures) {
  CUstream user = make_user_stream(CU_STREAM_NON_BLOCKING);
  {
    const auto adopted = device_->adopt_stream(handle_of(user));
    EXPECT_FALSE(adopted->is_capturing());
    const Current current;
    ASSERT_EQ(api().cuStreamBeginCapture(user, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    EXPECT_TRUE(adopted->is_capturing());
    CUgraph graph = nullptr;
    ASSERT_EQ(api().cuStreamEndCapture(user, &graph), CUDA_SUCCESS);
    EXPECT_EQ(api().cuGraphDestroy(graph), CUDA_SUCCESS);
    EXPECT_FALSE(adopted->is_capturing());
  }
  EXPECT_EQ(api().cuStreamDestroy(user), CUDA_SUCCESS);
}

// What a launch does with the stream it is given may break its recording.
TEST_F(CudaCaptureTest, ALaunchThatBreaksItsRecordingIsAnErrorAndTheNextIsNone) {
  Queue queue = this->queue();
  const auto host = block(10, DeviceType::cpu);
  const auto broken = queue.submit({launch([&](NativeHandle stream) {
    EXPECT_NE(api().cuStreamSynchronize(stream.as_pointer<CUstream_st>()), CUDA_SUCCESS);
  })});
  queue.finish();
  EXPECT_EQ(code_of([&] { std::rethrow_exception(broken->error()); }), ErrorCode::invalid_argument);
  const auto after = queue.submit({launch([](NativeHandle) {}), fill(host->at(), 4, 1, 10)});
  queue.finish();
  EXPECT_EQ(after->error(), nullptr);
  EXPECT_EQ(host->host<std::uint8_t>()[0], 4);
}

}  // namespace
}  // namespace headrace::test
