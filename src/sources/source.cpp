// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

namespace headrace {

DataSource::~DataSource() = default;

SampleSource::~SampleSource() = default;

std::string SampleSource::name() const {
  return "a sample source without a name";
}

}  // namespace headrace
