"""Every page of the console, whoever made it: it answers, in time, and is well made."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from console_client import Console
from console_pages import addresses, fill
from flask import Flask

from app.blueprints.services import Services
from app.console.permissions import Role

# Of a page on a small database, on a machine that does other things too.
LIMIT_SECONDS = 1.5
_FIELDS = {"input", "select", "textarea"}
_NEED_NO_LABEL = {"hidden", "submit"}
_POINTERS = {"aria-describedby", "aria-labelledby", "popovertarget", "for"}
Attributes = dict[str, str]


class Page(HTMLParser):
    """What a page has, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self.title = ""
        self.inline: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        """See ``HTMLParser``."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """See ``HTMLParser``."""
        if self._inside == "title":
            self.title += data
        elif self._inside in {"script", "style"} and data.strip():
            self.inline.append(data)

    def all(self, tag: str) -> list[Attributes]:
        """The attributes of each element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def faults(page: Page) -> list[str]:
    """What is wrong with a page, in words."""
    return [*_frame_faults(page), *_content_faults(page), *_reference_faults(page)]


def _frame_faults(page: Page) -> list[str]:
    found = []
    if len(page.all("h1")) != 1:
        found.append(f"{len(page.all('h1'))} headings of the first level")
    if not page.title.partition("·")[0].strip():
        found.append("no title of its own")
    if not page.all("html")[0].get("lang"):
        found.append("no language")
    if page.inline or any("src" not in each for each in page.all("script")):
        found.append("a script or style in the page itself")
    return found


def _content_faults(page: Page) -> list[str]:
    found = []
    for tag, attributes in page.elements:
        if "style" in attributes or any(name.startswith("on") for name in attributes):
            found.append(f"<{tag}> with a style or a handler of its own")
        if tag == "img" and "alt" not in attributes:
            found.append("a picture without a text")
        if tag == "form" and attributes.get("method", "get").lower() == "post":
            found += [] if _has_csrf(page) else ["a form without its token"]
        for address in ("href", "src", "action"):
            if attributes.get(address, "").startswith(("http:", "https:", "//")):
                found.append(f"<{tag}> leads elsewhere: {attributes[address]}")
    if page.all("table") and not page.all("th"):
        found.append("a table without headers")
    return found


def _reference_faults(page: Page) -> list[str]:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    found = [f"the id {each} twice" for each in set(ids) if ids.count(each) > 1]
    labelled = {attributes.get("for") for attributes in page.all("label")}
    for tag, attributes in page.elements:
        kind = attributes.get("type", "text")
        is_labelled = attributes.get("id") in labelled or "aria-label" in attributes
        if tag in _FIELDS and kind not in _NEED_NO_LABEL and "hidden" not in attributes:
            found += [] if is_labelled else [f"<{tag} name={attributes.get('name')}> unlabelled"]
        for pointer in _POINTERS & attributes.keys():
            lost = set(attributes[pointer].split()) - set(ids)
            found += [f"{pointer} to {each}, which is not there" for each in lost]
    return found


def _has_csrf(page: Page) -> bool:
    return any(each.get("name") == "csrf_token" for each in page.all("input"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<h1>b</h1>", "2 headings of the first level"),
        ("<p style='x'>", "<p> with a style or a handler of its own"),
        ("<input name=a>", "<input name=a> unlabelled"),
        ("<label for=b>", "for to b, which is not there"),
        ("<a id=a><b id=a>", "the id a twice"),
        ("<script>x</script>", "a script or style in the page itself"),
        ("<img alt=x src=//else.where/a>", "<img> leads elsewhere: //else.where/a"),
        ("<table>", "a table without headers"),
        ("<form method=post>", "a form without its token"),
    ],
)
def test_what_is_wrong_is_found(text: str, fault: str) -> None:
    """A page that breaks one rule is told apart from one that breaks none."""
    good = '<html lang="en"><title>A · B</title><h1>a</h1>'
    assert faults(Page(good)) == []
    assert faults(Page(good + text)) == [fault]


def test_every_page_is_well_made_and_comes_in_time(
    app: Flask, services: Services, console: Callable[..., Console]
) -> None:
    """Status, one heading, title, language, labels, headers, tokens, nothing inline, no waiting."""
    with app.app_context():
        facts = fill(services)
    owner = console(Role.OWNER)
    found: dict[str, list[str]] = {}
    for address in addresses(app, *facts):
        begun = time.perf_counter()
        answer = owner.client.get(address.path)
        text = answer.text
        seconds = time.perf_counter() - begun
        wrong = [] if answer.status_code == 200 else [f"status {answer.status_code}"]
        wrong += [] if seconds < LIMIT_SECONDS else [f"{seconds:.1f} seconds"]
        if not wrong and answer.mimetype == "text/html":
            wrong = faults(Page(text))
        if wrong:
            found[address.path] = wrong
    assert found == {}
