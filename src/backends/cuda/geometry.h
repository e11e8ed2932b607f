// SPDX-License-Identifier: Apache-2.0
/// \file
/// How work is dealt out to blocks and threads: what the host's side and the kernels agree on.
#pragma once

namespace headrace::cuda {

/// Threads of a block, of most kernels.
inline constexpr int kThreads = 128;
/// What a thread reads or writes at a time, of the wider type, in bytes, and how many of these it
/// takes.
inline constexpr int kPieceBytes = 16;
inline constexpr int kPiecesAThread = 2;

/// Of expand_bytes.cu: pieces of a thread where coefficients change from element to element, and
/// how many channels they may have.
inline constexpr int kInterleavedPiecesAThread = 4;
inline constexpr int kMostFastChannels = 32;
/// And where planes lie anyhow: threads of a block, and the bytes of a sample that it takes.
inline constexpr int kTileThreads = 256;
inline constexpr int kTileBytes = 6144;

}  // namespace headrace::cuda
