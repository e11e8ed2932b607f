# SPDX-License-Identifier: Apache-2.0
"""Lines of text under one another."""


def count_text(number):
    """Three digits that count: 3.62 M, 140 k, 812."""
    for unit, sign in ((1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{number / unit:.3g}{sign}" if number < 1000 * unit else f"{number / unit:.0f}{sign}"
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def show(head, rows):
    """Prints `rows` of cells below `head`; the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip())
    print(flush=True)
