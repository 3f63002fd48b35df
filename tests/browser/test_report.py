"""The report in a real browser: it renders, changes language and makes no request."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from report_examples import HOSTILE, result, verdict

from conformance.report.html import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def report(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    rows = [
        result("OBJ-01", "pass"),
        result("OBJ-03", "fail", observed=HOSTILE, title={"es": "Lo escrito se lee", "en": "What is written is read"}),
        result("PGS-01", "fail", observed="FATAL: password authentication failed"),
        result("MED-01", "blocked", blocked_by=["PGS-01"], requires=["PGS-01"]),
        result("GRF-01", "unobservable", observed="grafana-server is not on the PATH"),
    ]
    file = tmp_path / "report.html"
    file.write_text(render(verdict(*rows), "es"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1100, "height": 1400})
    requests: list[str] = []
    dialogs: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert requests == [file.as_uri()]
    assert dialogs == []


def test_it_opens_in_spanish_and_turns_english(report: Page) -> None:
    title = report.locator("#OBJ-03-").get_by_text("Lo escrito se lee")
    expect(title).to_be_visible()
    expect(report.locator("#OBJ-03-").get_by_text("What is written is read")).to_be_hidden()
    report.get_by_text("English", exact=True).click()
    expect(title).to_be_hidden()
    expect(report.locator("#OBJ-03-").get_by_text("What is written is read")).to_be_visible()


def test_failures_are_open_and_the_rest_opens_on_a_click(report: Page) -> None:
    expect(report.locator("#PGS-01- pre")).to_be_visible()
    reason = report.locator("#GRF-01 pre")
    expect(reason).to_be_hidden()
    report.locator("#GRF-01 summary").click()
    expect(reason).to_have_text("grafana-server is not on the PATH")


def test_hostile_text_is_text(report: Page) -> None:
    expect(report.locator("#OBJ-03- pre")).to_have_text(HOSTILE)
    assert report.locator("script, img").count() == 0


@pytest.mark.parametrize("width", [360, 1100])
def test_it_never_scrolls_sideways(report: Page, width: int) -> None:
    report.set_viewport_size({"width": width, "height": 900})
    assert report.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
