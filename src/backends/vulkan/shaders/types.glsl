// SPDX-License-Identifier: Apache-2.0
// The data types, numbered as headrace::DataType is, and which two a pipeline is made for.
//
// All that depends on kFrom and kTo is a choice that the driver makes when it makes the pipeline:
// of the code of all pairs, that of one pair is left.

#define FLOAT32 0u
#define INT32 1u
#define FLOAT16 2u
#define INT8 3u
#define BFLOAT16 4u
#define FLOAT64 5u
#define INT64 6u
#define INT16 7u
#define UINT8 8u
#define UINT16 9u
#define UINT32 10u
#define UINT64 11u
#define BOOLEAN 12u
#define FLOAT8_E4M3 13u
#define FLOAT8_E5M2 14u

layout(constant_id = 0) const uint kFrom = FLOAT32;
layout(constant_id = 1) const uint kTo = FLOAT32;

#define IS_8_BYTES(type) ((type) == FLOAT64 || (type) == INT64 || (type) == UINT64)
#define IS_4_BYTES(type) ((type) == FLOAT32 || (type) == INT32 || (type) == UINT32)
#define IS_2_BYTES(type) \
  ((type) == FLOAT16 || (type) == BFLOAT16 || (type) == INT16 || (type) == UINT16)
#define SIZE_OF(type) \
  (IS_8_BYTES(type) ? 8u : (IS_4_BYTES(type) ? 4u : (IS_2_BYTES(type) ? 2u : 1u)))

const uint kFromSize = SIZE_OF(kFrom);
const uint kToSize = SIZE_OF(kTo);

#define IS_FLOAT8(type) ((type) == FLOAT8_E4M3 || (type) == FLOAT8_E5M2)
#define IS_SMALL_FLOAT(type) ((type) == FLOAT16 || (type) == BFLOAT16 || IS_FLOAT8(type))
