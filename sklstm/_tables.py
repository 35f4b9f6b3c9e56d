"""Tables of texts and numbers, as plain text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def aligned(rows: Sequence[Sequence[str]], n_texts: int) -> list[str]:
    """A line for each row: the first columns, of texts, to the left, and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        texts = [cell.ljust(n) for cell, n in zip(row[:n_texts], widths[:n_texts], strict=True)]
        numbers = [cell.rjust(n) for cell, n in zip(row[n_texts:], widths[n_texts:], strict=True)]
        lines.append("  ".join([*texts, *numbers]).rstrip())
    return lines


def html_table(rows: Sequence[Sequence[str]], n_texts: int, caption: str = "") -> str:
    """The same as HTML, the first row being the head."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(f"<tr>{_html_cells(row, n_texts)}</tr>" for row in rows[1:])
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cells(row: Sequence[str], n_texts: int) -> str:
    sides = ("left" if i < n_texts else "right" for i in range(len(row)))
    return "".join(
        f'<td style="text-align: {side}">{escape(cell)}</td>'
        for side, cell in zip(sides, row, strict=True)
    )
