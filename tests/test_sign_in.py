"""Who may look and who may act, by a sign-in with a password or with a provider: in a real browser, on a page of its own server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline import ops
from pipeline.tables import Lake
from tests.browsing import barriers, open_tab, served, settled, watched
from tests.sign_in_provider import provider

RIGHTS = {"CONTRAIL_OPERATORS": "olga", "CONTRAIL_AUTOSTART": "no", "PANEL_COOKIE_SECRET": "for-this-test-alone"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("passwords")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server that asks for a password, and starts no pipeline."""
    users = users_file(folder, {"vera": "look", "olga": "act"})
    with served(folder, RIGHTS, "--basic-auth", str(users)) as found:
        yield found


def test_a_viewer_may_look_but_acts_neither_by_the_page_nor_by_its_socket(browser, address, folder):
    signed_in(browser, address, {"username": "vera", "password": "look"}, lambda page: expect_refusal(page, folder))
    signed_in(browser, address, {"username": "olga", "password": "act"}, expect_allowed)


def test_the_pages_of_signing_in_and_out_are_contrails_own_say_what_is_wrong_and_ask_no_other_host(browser, address):
    name = "vera"
    with watched(browser, 390) as page:
        page.goto(address)
        expect(page).to_have_title("Contrail: sign in")
        assert not barriers(page)
        for password in ("wrong", "look"):
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in").click()
            if password == "wrong":
                expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
                assert not barriers(page)
                assert page.evaluate("document.documentElement.scrollWidth") <= 390
        settled(page)
        expect(page.get_by_role("tab", name="Live")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("link", name=f"Sign out {name}").click()
        expect(page.get_by_role("heading")).to_have_text("You are signed out")
        page.get_by_role("link", name="Sign in again").click()
        page.goto(f"{address.replace('/app', '/login')}?error=<b>Call 555</b>")
        expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")


def test_a_name_is_shown_as_it_is_and_one_signs_out_where_the_server_was_told_to(browser, tmp_path):
    name = "vera <b>look</b>"
    options = ("--basic-auth", str(users_file(tmp_path, {name: "look"})), "--logout-endpoint", "/bye/now")

    def look_and_leave(page: Page) -> None:
        expect(page.get_by_text(f"{name} may look; operators act.")).to_be_visible()
        page.get_by_role("link", name=f"Sign out {name}").click()
        expect(page.get_by_role("heading")).to_have_text("You are signed out")
        assert page.url.endswith("/bye/now")

    with served(tmp_path, RIGHTS, *options) as address:
        signed_in(browser, address, {"username": name, "password": "look"}, look_and_leave)


def test_who_signs_in_with_a_provider_has_the_rights_of_that_name(browser, tmp_path):
    client = {"PANEL_OAUTH_KEY": "contrail", "PANEL_OAUTH_SECRET": "for-this-test-alone"}
    with (
        provider(tmp_path) as addresses,
        served(tmp_path, RIGHTS | client | addresses, "--oauth-provider", "generic") as address,
    ):
        signed_in(browser, address, {"sub": "vera"}, lambda page: expect_refusal(page, tmp_path))
        signed_in(browser, address, {"sub": "olga"}, expect_allowed)


def users_file(folder: Path, passwords: dict[str, str]) -> Path:
    """Names and passwords for `--basic-auth`, readable by their owner alone."""
    users = folder / "users.json"
    users.write_text(json.dumps(passwords))
    users.chmod(0o600)
    return users


def signed_in(browser: Browser, address: str, answers: dict[str, str], do: Callable[[Page], None]) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}?tab=control")
    for name, value in answers.items():
        page.locator(f"input[name={name}]").fill(value)
    page.locator(f"input[name={list(answers)[-1]}]").press("Enter")
    settled(page)
    open_tab(page, "Control")
    do(page)
    context.close()


def expect_refusal(page: Page, folder: Path) -> None:
    start = page.get_by_role("button", name="Start all", exact=True)
    expect(start).to_be_disabled()
    expect(page.get_by_text("vera may look; operators act.")).to_be_visible()
    # What a page forbids, a browser can allow itself: the server is what refuses.
    page.evaluate(
        "for (const model of Bokeh.documents[0].all_models) if (model.disabled === true) model.disabled = false"
    )
    expect(start).to_be_enabled()
    start.click()
    expect(page.locator(".told")).to_contain_text("vera may look but not act")
    assert ops.actions(Lake(str(folder / "lake")), 1)[0]["outcome"].startswith("refused")
    expect(page.locator(".doing")).to_contain_text("stopped")


def expect_allowed(page: Page) -> None:
    expect(page.get_by_role("button", name="Start all", exact=True)).to_be_enabled()
