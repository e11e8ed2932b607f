// SPDX-License-Identifier: Apache-2.0
#include "headrace/source.h"

#include "sources/fingerprint.h"

namespace headrace {

DataSource::~DataSource() = default;

SampleSource::~SampleSource() = default;

std::string SampleSource::name() const {
  return "a sample source without a name";
}

std::uint64_t SampleSource::fingerprint() const {
  sources::Fingerprint fingerprint("samples");
  fingerprint.add(spec());
  fingerprint.add(std::uint64_t{size()});
  return fingerprint.value();
}

}  // namespace headrace
