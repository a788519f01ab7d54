"""The page: complete, offline, escaped, with units; and in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from hand import CONFIG, hand_result, symbols
from tiny_models import model

from sim.config import RunConfig
from sim.images import Photo
from sim.network import load_network
from sim.page import render
from sim.report import write_report
from sim.run import run
from sim.summary import summarize

FIGURES = ("codecs", "energy_parts", "layers", "zeros", "break_even")


class Page(HTMLParser):
    """Tags with attributes, and the text of every cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in ("td", "th", "small") and bool(self.rows)
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_report(hand_result(), folder, "thinwire report net.onnx")
    return (folder / "index.html").read_text()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_nothing_is_fetched(page, html):
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(links) == 5
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "url(" not in html
    assert "@import" not in html
    assert "import(" not in html
    assert "fetch(" not in html


def test_every_figure_has_a_name_and_a_caption(page):
    images = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert images == [name.replace("_", " ") for name in FIGURES]
    assert sum(tag == "figcaption" for tag, _ in page.tags) == 5


def test_every_codec_has_a_row_with_its_totals(page):
    rows = {row[0]: row for row in page.rows if row and row[0] in CONFIG.codecs}
    assert list(rows)[: len(CONFIG.codecs)] == list(CONFIG.codecs)
    zvc = next(row for row in page.rows if row[:1] == ["zvc"])
    # coded, payload, index, bus in kB; ratio, spread, saving; traffic in kB, saving, energy in nJ
    told = ["0.5", "0.5", "0.1", "0.6", "1.371", "0.200", "27.08 %", "1.9", "19.59 %"]
    assert zvc[1:10] == told


def test_every_layer_has_a_row_and_the_last_adds_them_up(page):
    names = [row[1] for row in page.rows if len(row) == 23]
    assert names == ["name", "p", "q", "r", "y", "all layers"]
    head, *rows, foot = [row for row in page.rows if len(row) == 23]
    for column, title in enumerate(head):
        if foot[column] and column > 1:
            assert float(foot[column]) == pytest.approx(sum(float(row[column]) for row in rows), abs=0.3), title
    assert all(re.search(r"(M|kB|bytes|%|bits/value|raw / bus|std|µJ|µs|C × H × W)$", title) for title in head[4:])


def test_what_was_run_is_told(page):
    for fact in ("thinwire report net.onnx", "8 × 8 × 4", "32 bytes", "6 tensors encoded with zvc", "image0, image1"):
        assert fact in page.text


def rendered(result, command="thinwire report"):
    """The page alone, its figures left out."""
    return render(summarize(result), dict.fromkeys(FIGURES, "<svg/>"), command)


def test_names_are_escaped():
    made = model("p = Conv(x, w) a = Relu(p) y = Conv(a, v)", w=(4, 3, 1, 1), v=(2, 4, 1, 1))
    made.graph.name = "<script>alert(1)</script>"
    made.graph.node[0].name = '"><img src=x onerror=alert(2)>'
    photo = Photo("<b>cat</b>", np.full((8, 8, 3), 90, np.uint8))
    text = rendered(run(RunConfig(), load_network(made), (photo,)), "thinwire <i>")
    for mark in ("<script>alert", "<img src=x", "<b>cat", "thinwire <i>"):
        assert mark not in text
    assert "&lt;script&gt;alert(1)" in text
    assert [tag for tag, _ in Page(text).tags].count("img") == 5


def test_many_images_are_named_once():
    text = rendered(hand_result(CONFIG, *[symbols()] * 20))
    assert "image0, image1, image2, image3, image4, image5 and 14 more" in text
    assert text.count("image19") == 1


@pytest.mark.parametrize("codec", CONFIG.codecs)
def test_every_codec_can_be_the_chosen_one(codec):
    result = hand_result(RunConfig(codec, tile=(8, 8, 4)))
    text = rendered(result)
    assert f'<tr class="chosen"><td class="text">{codec}</td>' in text
    assert f"{summarize(result).codec(codec).ratio:.3f}×" in text


def test_a_network_without_activations_has_a_page():
    network = load_network(model("y = Conv(x, w)", w=(4, 3, 1, 1)))
    text = rendered(run(RunConfig(), network, (Photo("grey", np.full((8, 8, 3), 90, np.uint8)),)))
    assert "the 0 activations" in text


def test_constant_activations_are_told_to_have_no_limit():
    constant = symbols() | {name: np.full((4, 8, 8), 7, np.uint8) for name in "abc"}
    assert "Every activation is constant" in rendered(hand_result(CONFIG, constant))


# In a browser

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *(
        "--disable-background-networking",
        "--disable-sync",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ),
    *("--enable-logging=stderr", "--virtual-time-budget=3000"),
)

# Stands first in the page: notes every fault, then looks around, sorts and writes what it saw.
PROBE = """<script>
const faults = [];
addEventListener("error", event => faults.push(String(event.message || event.target.src)), true);
addEventListener("securitypolicyviolation", event => faults.push(event.blockedURI));
console.error = (...words) => faults.push(words.join(" "));
addEventListener("load", () => {
  const names = () => [...document.querySelectorAll("#layers tbody td.name")].map(cell => cell.textContent);
  const head = title => [...document.querySelectorAll("#layers thead tr:last-child th")]
    .find(cell => cell.firstChild.textContent.trim() === title);
  const seen = { before: names(), images: [...document.images].map(image => [image.complete, image.naturalWidth]) };
  head("MACs").click(); seen.down = names(); seen.arrow = head("MACs").getAttribute("aria-sort");
  head("MACs").click(); seen.up = names();
  head("name").click(); seen.letters = names();
  head("#").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" })); seen.back = names();
  const fetched = performance.getEntriesByType("resource").map(entry => entry.name);
  seen.requests = fetched.filter(name => !name.startsWith("data:"));
  seen.width = innerWidth;
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.faults = faults;
  const verdict = document.createElement("pre");
  verdict.id = "verdict"; verdict.textContent = JSON.stringify(seen);
  document.body.append(verdict);
});
</script>"""


def browse(path, width, profile):
    """Open a page as a file; its DOM after a while, and what the browser logged from it."""
    command = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--window-size={width},900",
        "--dump-dom",
        path.as_uri(),
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (make test-browser)")
@pytest.mark.parametrize("width", [1240, 800, 500])
def test_page_in_a_browser(html, tmp_path, width):
    path = tmp_path / "index.html"
    path.write_text(html.replace("<head>", "<head>" + PROBE, 1))
    dom, console = browse(path, width, tmp_path / "profile")
    verdict = re.search(r'<pre id="verdict">(.*?)</pre>', dom, re.DOTALL)
    assert verdict, "the page's scripts did not end"
    seen = json.loads(verdict[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert (seen["faults"], console, seen["requests"]) == ([], [], [])
    assert len(seen["images"]) == 5
    assert all(complete and width_px > 300 for complete, width_px in seen["images"])
    assert (seen["width"], seen["overflow"]) == (width, 0)
    # MACs of the layers in order: 768, 9216, 1024, 512
    assert seen["before"] == seen["back"] == seen["letters"] == ["p", "q", "r", "y"]
    assert seen["down"] == ["q", "r", "p", "y"]
    assert seen["up"] == ["y", "p", "r", "q"]
    assert seen["arrow"] == "descending"
