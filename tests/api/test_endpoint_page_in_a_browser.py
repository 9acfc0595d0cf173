"""The page of an endpoint in a real browser: read it, fill in its form, see what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.api.browsers import CHROMEDRIVER, CHROMIUM, opened_browser
from tests.api.endpoint_samples import NASTY, Endpoints, deployed_samples
from tests.platforms import Platform, eventually

pytestmark = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromium-driver")


class EndpointPage:
    """What a reader sees and does."""

    def __init__(self, browser: webdriver.Chrome, folder: Path, platform: Platform) -> None:
        self.browser = browser
        self.folder = folder
        self._platform = platform

    def open(self, deployment: Mapping[str, Any], prefix: str = "") -> None:
        path = f"{prefix}/endpoints/{deployment['endpoint_url_path']}/docs"
        self.browser.get(f"{self._platform.url}{path}?token={deployment['endpoint_token']}")

    def field(self, name: str) -> WebElement:
        """By its label, as everybody finds it."""
        for label in self.browser.find_elements(By.TAG_NAME, "label"):
            if label.text.startswith(name):
                return self.browser.find_element(By.ID, label.get_attribute("for") or "")
        raise AssertionError(f"no field {name}")

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.field(name).send_keys(value)

    def send(self) -> str:
        """The text of the result."""
        self.browser.find_element(By.ID, "send").click()
        result = self.browser.find_element(By.ID, "result")
        WebDriverWait(self.browser, 30).until(lambda _: result.is_displayed())
        return result.text

    def script(self, source: str) -> Any:
        return self.browser.execute_script(f"return {source}")


@pytest.fixture(scope="module")
def endpoints(platform: Platform) -> Iterator[Endpoints]:
    with deployed_samples(platform) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def page(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointPage]:
    folder = tmp_path_factory.mktemp("browser")
    with opened_browser(folder) as browser:
        yield EndpointPage(browser, folder, platform)


def test_values_of_every_type_are_sent_and_the_outputs_shown(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    page.fill(number="7.5", thing='{"a": [1, null]}', items='["x", 2]', text="two\nlines")
    Select(page.field("flag")).select_by_value("true")
    result = page.send()
    assert result.startswith("Succeeded")
    seen = json.loads(result[result.index("{") : result.rindex("}") + 1])
    assert seen == {
        "text": "two\nlines",
        "number": 7.5,
        "flag": True,
        "thing": {"a": [1, None]},
        "items": ["x", 2],
        "sure": None,
    }
    assert re.search(r"\nExecution p-\w+-\w+$", result)
    assert re.fullmatch(r"\d+\.\d\d s", page.browser.find_element(By.ID, "time").text)


def test_what_is_left_empty_is_not_sent(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    page.fill(number="1")
    assert '"items": null' in page.send()
    assert NASTY.split()[0] in page.browser.find_element(By.ID, "result").text  # the default of `text`


def test_a_file_is_sent_and_one_that_comes_back_is_saved(page: EndpointPage, endpoints: Endpoints) -> None:
    note = page.folder / "note.txt"
    note.write_text("a note")
    page.open(endpoints.files)
    page.fill(note=str(note), ending="?")
    assert "7" in page.send()
    page.browser.find_element(By.XPATH, "//button[text()='Save loud']").click()
    saved = page.folder / "downloads" / "loud"
    assert eventually(lambda: saved.is_file() and saved.read_text()) == "A NOTE?"


def test_a_lone_file_is_saved_and_so_is_the_description(page: EndpointPage, endpoints: Endpoints) -> None:
    note = page.folder / "note.txt"
    note.write_text("alone")
    page.open(endpoints.lone_file, prefix="/environments/default")
    page.fill(note=str(note))
    page.send()
    (page.folder / "downloads" / "loud").unlink(missing_ok=True)
    page.browser.find_element(By.XPATH, "//button[text()='Save loud']").click()
    saved = page.folder / "downloads" / "loud"
    assert eventually(lambda: saved.is_file() and saved.read_text()) == "ALONE!"
    page.browser.find_element(By.ID, "openapi").click()
    described = page.folder / "downloads" / "openapi.json"
    assert eventually(lambda: described.is_file() and json.loads(described.read_text()))["openapi"].startswith("3.1")


def test_what_is_no_json_is_said_at_its_field_and_nothing_is_sent(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    page.fill(number="one", thing="{", items="{}")
    page.browser.find_element(By.ID, "send").click()
    problems = [found.text for found in page.browser.find_elements(By.CSS_SELECTOR, ".problem") if found.is_displayed()]
    assert problems[0] == "This is not a number."
    assert "JSON" in problems[1]
    assert problems[2] == "This is JSON, but not an array."
    assert page.field("number").get_attribute("aria-invalid") == "true"
    assert page.browser.switch_to.active_element == page.field("number")
    assert not page.browser.find_element(By.ID, "result").is_displayed()
    page.fill(number=f"{Keys.BACKSPACE * 3}1")
    assert page.field("number").get_attribute("aria-invalid") == "false"


def test_a_failure_says_its_reason_and_a_refusal_what_is_allowed(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    page.fill(number="101")
    failed = page.send()
    assert failed.startswith("Failed (500)\nExecutionFailed\nValueError: the number is too large\nReason\nraised")
    assert "Traceback" in failed
    page.open(endpoints.values)
    token = page.field("Endpoint token")
    token.clear()
    token.send_keys("wrong-token")
    page.fill(number="1")
    refused = page.send()
    assert refused.startswith("Refused (401)\nAuthentication\nthe endpoint token is wrong")
    assert "\nRequest " in refused


def test_what_users_wrote_is_shown_as_text(page: EndpointPage, endpoints: Endpoints) -> None:
    page.browser.get_log("browser")
    page.open(endpoints.values)
    assert page.browser.find_element(By.ID, "description").text == NASTY
    assert page.script("window.hacked") is None
    assert page.script("document.images.length") == 0
    page.fill(number="1", sure=NASTY)
    assert "window.hacked = 1" in page.send()
    assert page.script("window.hacked") is None
    assert page.browser.get_log("browser") == []  # nor did the page's own policy stop anything of it


def test_nothing_is_loaded_from_elsewhere_and_no_link_has_the_token(page: EndpointPage, endpoints: Endpoints) -> None:
    page.browser.get_log("performance")
    page.open(endpoints.values)
    events = [json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert len([url for url in asked if not url.startswith("data:")]) == 1, asked
    token = endpoints.values["endpoint_token"]
    assert token not in page.script("document.documentElement.outerHTML")
    assert page.script("document.referrer") == ""


def test_the_snippets_are_tabs_that_the_keyboard_reaches(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    first, second, third = page.browser.find_elements(By.CSS_SELECTOR, "[role=tab]")
    shown = page.browser.find_elements(By.CSS_SELECTOR, "[role=tabpanel]")
    assert [panel.is_displayed() for panel in shown] == [True, False, False]
    first.send_keys(Keys.ARROW_RIGHT)
    assert page.browser.switch_to.active_element == second
    assert [panel.is_displayed() for panel in shown] == [False, True, False]
    assert "import requests" in shown[1].text
    first.send_keys(Keys.ARROW_LEFT)
    assert page.browser.switch_to.active_element == third
    assert [tab.get_attribute("aria-selected") for tab in (first, second, third)] == ["false", "false", "true"]


def test_every_control_has_a_name(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.files)
    controls = page.browser.find_elements(By.CSS_SELECTOR, "input, textarea, select, button")
    assert len(controls) > 5
    assert all(control.accessible_name for control in controls if control.is_displayed())


def test_the_page_is_dark_where_the_reader_wants_it(page: EndpointPage, endpoints: Endpoints) -> None:
    page.open(endpoints.values)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.script(ground)
    preference = {"name": "prefers-color-scheme", "value": "dark"}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})
    assert page.script(ground) != before
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_texts_stand_out_from_their_ground_in_both_schemes() -> None:
    style = (files("pipeyard.api") / "pages" / "endpoint.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root {(.*?)}", style, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colors = dict(re.findall(r"--([\w-]+): (#\w{6});", scheme))
        for text in ("text", "soft", "good", "bad", "accent"):
            assert all(contrast(colors[text], colors[ground]) >= 4.5 for ground in ("ground", "card")), text
        assert contrast(colors["on-accent"], colors["accent"]) >= 4.5
        assert contrast(colors["text"], colors["code"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
