"""Closed pages: nothing keeps them, and what they have asked for disturbs nobody."""

from __future__ import annotations

import asyncio
import sys
import weakref
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import panel_material_ui as pmui
import pytest
from bokeh.document import Document
from bokeh.io.doc import curdoc, set_curdoc
from bokeh.server.contexts import BokehSessionContext
from panel.io.document import _destroy_document
from panel.io.state import set_curdoc as within

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
from alert_inquiry import Inquiry
from sessions import is_closed, let_texts_go_one_way, tidy


def page_of_a_session() -> tuple[Document, BokehSessionContext]:
    """An open page, with its context, which has to be kept: the page does not."""
    document = Document()
    context = BokehSessionContext("a-session", None, document)
    context._request = SimpleNamespace(arguments={}, cookies={}, headers={})
    document._session_context = weakref.ref(context)
    document.destroy = partial(_destroy_document, document)  # as Panel ends its pages
    return document, context


async def asked(document: Document, *, close: bool) -> list[Any]:
    """What an inquiry that was under way when its page was closed, or was not, has asked to be done in a turn."""
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with within(document):
        inquiry = Inquiry(SimpleNamespace(), lambda _: None)
        inquiry.fetch(lambda: answer)
    await asyncio.sleep(0)
    if close:
        document.destroy(None)
    answer.set_result("an answer")
    while inquiry.busy:
        await asyncio.sleep(0)
    inquiry._task.result()
    return [] if close else list(document.session_callbacks)


def test_an_answer_is_handed_over_in_a_turn_of_the_page_that_asked():
    document, _context = page_of_a_session()
    assert not is_closed(document)
    assert len(asyncio.run(asked(document, close=False))) == 1


def test_an_answer_for_a_closed_page_is_dropped_and_the_pages_that_follow_are_not_built_on_it():
    document, _context = page_of_a_session()
    before = curdoc()
    asyncio.run(asked(document, close=True))
    assert is_closed(document)
    assert curdoc() is before


def test_a_closed_page_that_was_left_as_the_default_document_is_let_go():
    document = Document()
    left = weakref.ref(document)
    set_curdoc(document)
    del document
    tidy()
    assert left() is None


@pytest.mark.parametrize("one_way", [False, True])
def test_a_text_is_the_servers_even_where_panel_takes_a_change_of_it_for_the_browsers(one_way, monkeypatch):
    monkeypatch.setattr(pmui.Typography, "_linked_properties", pmui.Typography._linked_properties)
    if one_way:
        let_texts_go_one_way()
    text = pmui.Typography("120 rows")
    model = text.get_root(Document())
    model.data.object = model.data.object.replace("120", "130")
    assert text.object == ("120 rows" if one_way else "&lt;p&gt;130 rows&lt;/p&gt;\n")
