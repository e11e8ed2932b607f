// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

#include <array>
#include <cmath>

// Elements of type bool: std::vector<bool> is no array of them.

namespace headrace::test {
namespace {

using testing::ElementsAre;

class BooleanTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(BooleanTest);

TEST_P(BooleanTest, GoThereAndBack) {
  Tensor tensor(manager_, {3}, DataType::boolean);
  tensor.copy_from(std::array{true, false, true});
  EXPECT_THAT(tensor.to_vector<bool>(), ElementsAre(true, false, true));
  EXPECT_THAT(tensor.slice(1, 3).to_vector<bool>(), ElementsAre(false, true));
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::uint8_t>()); }),
            ErrorCode::invalid_argument);
}

TEST_P(BooleanTest, AreWhatIsNotZero) {
  const Tensor tensor = tensor_of(std::vector<float>{0, -0.0F, 1, 300, -2, 1e-40F, std::nanf("")});
  EXPECT_THAT(tensor.convert_to(DataType::boolean).to_vector<bool>(),
              ElementsAre(false, false, true, true, true, true, true));
}

}  // namespace
}  // namespace headrace::test
