"""Sections of a report as Markdown and as one self-contained HTML page.

What belongs here: markup. What does not: figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with a table, every row with the same keys, or with a picture."""

    title: str
    rows: Sequence[Mapping[str, str]] = ()
    svg: str = ""

    def markdown(self) -> str:
        """Return heading and table."""
        if not self.rows:
            return f"## {self.title}\n\nNone."
        names = list(self.rows[0])
        lines = [_row(names), _row(["---"] * len(names)), *(_row(list(row.values())) for row in self.rows)]
        return f"## {self.title}\n\n" + "\n".join(lines)

    def html(self) -> str:
        """Return heading and table, or heading and picture."""
        heading = f"<h2>{escape(self.title)}</h2>"
        if self.svg:
            return f"{heading}<figure>{self.svg}</figure>"
        if not self.rows:
            return f"{heading}<p>None.</p>"
        head = "".join(f"<th>{escape(name)}</th>" for name in self.rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row.values()) + "</tr>" for row in self.rows
        )
        return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def page(title: str, sections: Sequence[Section]) -> str:
    """Return one HTML document that needs nothing from anywhere."""
    return _PAGE.substitute(title=escape(title), body="\n".join(section.html() for section in sections))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #8885; text-align: left; font-variant-numeric: tabular-nums; }
figure { margin: 0; background: #fff; }
figure svg { width: 100%; height: auto; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
