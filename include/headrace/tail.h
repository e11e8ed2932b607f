// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headrace {

/// What becomes of the places of an epoch that do not fill a last step of
/// `world_size` x `batch_size`.
///
/// Except with `drop`, they are divided evenly among the ranks, which differ by one at most; a rank
/// left with none gets a batch without samples, so every rank has the same number of batches.
enum class Tail {
  short_batch,  ///< The tensors of the last batch have as many rows as it has samples.
  drop,         ///< There is no such batch; up to `world_size` x `batch_size` - 1 samples are left.
  pad_repeat,   ///< Full tensors; the batch's samples are repeated, or the step's if it has none.
  pad_zero,     ///< Full tensors; rows without a sample are zero.
  short_ = short_batch,  ///< The same.
};

}  // namespace headrace
