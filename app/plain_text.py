"""Texts from outside: the widgets below the page take theirs for Markdown and HTML, a script in it included."""

from __future__ import annotations


def plain(text: str) -> str:
    """A text from outside as it is: nothing in it is taken for HTML or Markdown."""
    return "".join(one if one.isalnum() or one in " .,:;/()'-–…%°+?\n" else f"&#{ord(one)};" for one in text)
