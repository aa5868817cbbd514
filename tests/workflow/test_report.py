"""The report, opened in a real browser."""

import os
import shutil

import pytest
from conftest import snakemake

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM and DRIVER):
        message = (
            "no chromium and chromedriver: on Debian, apt-get install chromium chromium-driver"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(finished, browser):
    path = finished / "results/report.html"
    run = snakemake(finished, "--report", "results/report.html")
    assert run.returncode == 0, run.stdout
    browser.get(path.as_uri())
    return browser


def wait(report, script):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(report, 20).until(lambda driver: driver.execute_script(script))


def click(report, text, number=0):
    from selenium.webdriver.common.by import By

    wait(report, "return document.querySelectorAll('a').length > 5")
    links = [link for link in report.find_elements(By.TAG_NAME, "a") if link.text.strip() == text]
    assert links, text
    report.execute_script("arguments[0].scrollIntoView({block: 'center'})", links[number])
    links[number].click()


def home(report):
    report.get(report.current_url.split("#")[0])


def test_verdicts_are_on_the_first_page(report):
    home(report)
    text = wait(
        report,
        "return document.querySelector('.prose') && document.querySelector('.prose').innerText",
    )
    for part in (
        "A small simulated study",
        "A small study of real data",
        "✓ pass",
        "⊘ expected",
        "ppc is expected to fail, and does",
    ):
        assert part in text
    top = report.execute_script(
        "return document.querySelector('.prose h1').getBoundingClientRect().top"
    )
    assert 0 <= top < 200, "the first page starts above the window"


@pytest.mark.long
def test_figures_are_reached_by_links_of_the_first_page(report):
    home(report)
    for title in (
        "data and fitted model",
        "posterior, in pairs",
        "trace and ranks",
        "posterior predictive check",
        "graph of the model",
    ):
        click(report, title)
        wait(
            report,
            "const i = document.querySelector('.p-3 > img'); return i && i.complete && i.naturalWidth > 100",
        )
        caption = wait(
            report,
            "return document.querySelector('.prose-invert') && document.querySelector('.prose-invert').innerText",
        )
        assert len(caption) > 100
        assert "{{" not in caption
        home(report)


def test_figures_are_reached_by_categories(report):
    home(report)
    click(report, "small")
    wait(report, "return document.body.innerText.includes('line_angle')")
    click(report, "line_angle")
    assert wait(report, "return document.body.innerText.includes('trace and ranks')")


def test_tables_are_reached(report):
    from selenium.webdriver.common.by import By

    home(report)
    click(report, "all checks")
    wait(report, "return document.querySelector('iframe')")
    report.switch_to.frame(report.find_element(By.TAG_NAME, "iframe"))
    try:
        assert "E-BFMI" in wait(
            report,
            "return document.body && document.body.innerText.includes('rhat') && document.body.innerText",
        )
    finally:
        report.switch_to.default_content()


def test_the_browser_reports_no_error_and_fetches_nothing(report):
    errors = [entry for entry in report.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
    fetched = report.execute_script(
        "return performance.getEntriesByType('resource').map(r => r.name)"
    )
    assert not [name for name in fetched if name.startswith("http")]
