"""The built documentation in a browser: ``make screenshots``, after ``make docs``.

It needs a Chromium or Chrome of the system, such as that of ``apt-get install chromium``; none is
downloaded. With ``--screenshots FOLDER`` pictures of some pages are kept.
"""

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HTML = Path(__file__).parents[2] / "docs/_build/html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECTIONS = ["User guide", "Examples", "Reference", "Benchmarks", "Development"]
WIDE, NARROW = 1300, 400
PAGES = [
    "index",
    "user_guide/index",
    "user_guide/stopping",
    "user_guide/inputs",
    "user_guide/coming_from",
    "reference/index",
    "reference/generated/sklstm.LSTMSequenceClassifier",
    "reference/generated/sklstm.datasets.make_trends",
    "reference/generated/sklstm.nn.AttentionPooling",
    "gallery/index",
    "gallery/first_steps/plot_japanese_vowels",
    "benchmarks/index",
    "benchmarks/accuracy",
    "development/adr/0033-convolutions",
]
# The innermost of what reaches beyond the article or the window: the page would scroll sideways.
OVERFLOWING = """() => {
    const article = document.querySelector(".bd-article-container");
    const parts = [document.documentElement, article].filter(Boolean);
    if (parts.every(part => part.scrollWidth <= part.clientWidth)) return null;
    const edge = (article || document.documentElement).getBoundingClientRect().right;
    const wide = [...document.querySelectorAll("body *")].filter(
        node => !node.children.length && node.getBoundingClientRect().right > edge + 1
            && !node.closest("pre, .pst-scrollable-table-container, .bd-sidebar-secondary"));
    return `too wide: ${wide.length ? wide[0].outerHTML.slice(0, 120) : "something"}`;
}"""


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    if not (HTML / "index.html").exists():
        pytest.skip("the documentation is not built: make docs")
    with api.sync_playwright() as playwright:
        # Root has no sandbox to run in, and containers have little /dev/shm.
        arguments = ["--disable-dev-shm-usage"] + ["--no-sandbox"] * (os.geteuid() == 0)
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


class Visit:
    """A tab, and what went wrong in it."""

    def __init__(self, browser, width, scheme="light"):
        self.page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.errors = []
        self.page.on("console", self._log)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def _log(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.errors.append(f"request to {request.url}")

    def go(self, name):
        """Open a page and return what is wrong with it."""
        self.errors.clear()
        self.page.goto((HTML / f"{name}.html").as_uri(), wait_until="load")
        found = [*self.errors, self.page.evaluate(OVERFLOWING)]
        return [f"{name}: {problem}" for problem in found if problem]


@pytest.fixture
def visit(browser):
    visits = []

    def start(*args):
        visits.append(Visit(browser, *args))
        return visits[-1]

    yield start
    for each in visits:
        each.page.close()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_page_has_errors_or_requests_or_is_too_wide(visit, width):
    tab = visit(width)
    names = sorted(
        str(path.relative_to(HTML).with_suffix(""))
        for path in HTML.rglob("*.html")
        if "_static" not in path.parts
    )
    assert len(names) > 100
    problems = [problem for name in names for problem in tab.go(name)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pages_to_look_at(visit, width, scheme, pytestconfig):
    folder = pytestconfig.getoption("screenshots")
    tab = visit(width, scheme)
    for name in PAGES:
        assert tab.go(name) == []
        assert tab.page.locator("html").get_attribute("data-theme") == scheme
        if folder:
            file = Path(folder) / f"{name.replace('/', '_')}_{width}_{scheme}.png"
            tab.page.screenshot(path=file, full_page=True)


def test_sections_lie_in_one_row(visit):
    tab = visit(WIDE)
    tab.go("index")
    links = tab.page.locator(".bd-header .navbar-header-items__center .nav-item")
    assert [text.strip() for text in links.all_inner_texts()] == SECTIONS
    tops = {link.bounding_box()["y"] for link in links.all()}
    others = tab.page.locator(".bd-header :is(.search-button-field, .theme-switch-button):visible")
    assert len(tops) == 1
    assert others.count() == 2
    assert tab.page.locator(".bd-header").bounding_box()["height"] < 90


def test_the_menu_of_a_narrow_page_leads_to_sections_and_guide_pages(visit):
    tab = visit(NARROW)
    tab.go("user_guide/stopping")
    link = tab.page.locator("dialog a:visible", has_text="Benchmarks")
    assert link.count() == 0
    tab.page.locator(".primary-toggle").click()
    assert tab.page.locator("dialog a:visible", has_text="Input formats").count() == 1
    link.first.click()
    assert tab.page.url.endswith("benchmarks/index.html")


@pytest.mark.parametrize("folder", ["user_guide", "benchmarks", "development"])
def test_pages_stand_in_the_sidebar_of_each_other(visit, folder):
    tab = visit(WIDE)
    names = {str(p.relative_to(HTML).with_suffix("")) for p in (HTML / folder).glob("*.html")}
    assert len(names) > 1
    for name in names:
        tab.go(name)
        links = tab.page.locator(".bd-sidebar-primary .bd-links a").evaluate_all(
            "links => links.map(link => link.href)"
        )
        listed = {Path(link.split("#")[0]).name for link in links if "/adr/" not in link}
        expected = {f"{Path(other).name}.html" for other in names} - {"index.html"}
        # The page itself is a link to its top.
        assert expected <= listed | {f"{Path(name).name}.html"}


@pytest.mark.parametrize("name", ["user_guide/stopping", "reference/index"])
def test_names_in_the_sidebar_take_one_line(visit, name):
    tab = visit(WIDE)
    tab.go(name)
    links = tab.page.locator(".bd-sidebar-primary .bd-links a")
    heights = links.evaluate_all("links => links.map(link => [link.innerText, link.offsetHeight])")
    least = min(height for _, height in heights)
    assert [text for text, height in heights if height > 1.5 * least] == []


def test_eighty_characters_of_code_fit(visit):
    tab = visit(WIDE)
    tab.go("user_guide/stopping")
    code = tab.page.locator("div.highlight-python pre").first
    sizes = "code => { code.innerText = 'm'.repeat(N); return [code.scrollWidth, code.clientWidth]}"
    content, room = code.evaluate(sizes.replace("N", "80"))
    assert content <= room
    content, room = code.evaluate(sizes.replace("N", "120"))
    assert content > room
