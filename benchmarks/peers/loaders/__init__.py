# SPDX-License-Identifier: Apache-2.0
"""The peers, one a file.

A file has
- NAME, `version()` and LEAST_WORKERS, 0 where it can also load in the consumer's own thread;
- LOADERS, from the name of a workload to its ways of loading: {label: function(work, workers, shuffle)}, which
  returns a `Loader`;
- ABSENT, from the name of a workload to why the peer has no part in it.

It is imported in a process of its own, so that a peer that is not there, or ends the process, hurts nobody.
"""

MODULES = ["pytorch", "web_dataset", "spdl_pipeline", "mlx_data", "dali"]


class Loader:
    """One peer, ready to load."""

    def epoch(self):
        """Yields the inputs of every batch of one pass, [rows, ...]; may be closed before its end."""
        raise NotImplementedError

    def stop(self):
        """Ends what works in the background."""
