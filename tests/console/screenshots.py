"""Makes the pictures of docs/flash-run.md anew: ``python -m tests.console.screenshots``."""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.environment import ROOT, clean_environment
from tests.support.runs.flash_run import FlashRun

_APP = """\
import time

from fastapi import FastAPI
from pytest_flash import CpuInstanceType, CpuLiveServerless, GpuGroup, LiveServerless, remote

app = FastAPI(title="Photos")
gpu = LiveServerless(name="captions", gpus=[GpuGroup.ADA_24], workersMax=1, idleTimeout=60)
cpu = CpuLiveServerless(
    name="thumbnails", instanceIds=[CpuInstanceType.CPU3C_2_4], workersMax=2, idleTimeout=60
)
video = LiveServerless(name="video", gpus=[GpuGroup.HOPPER_141], gpuCount=2)


@remote(cpu)
def thumbnail(photo: str, width: int = 320) -> str:
    time.sleep(0.12)
    return f"{photo.removesuffix('.jpg')}-{width}.jpg"


@remote(gpu)
def caption(photo: str, language: str) -> str:
    print("loading the model")
    time.sleep(2.5 if photo == "sunset.jpg" else 0.45)
    captions = {"en": "a dog on a beach", "fr": "un chien sur une plage"}
    print("asked for", language)
    return captions[language]


@remote(video)
def render(frames: int) -> str:
    return "film.mp4"


@app.get("/photo")
async def photo(name: str, language: str = "en") -> list[str]:
    return [await thumbnail(name), await caption(name, language=language)]

"""


def main() -> None:
    """Run an app, look at its console, and write what is seen."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        (folder / "main.py").write_text(_APP)
        run = FlashRun(cwd=folder, env=clean_environment(), log=folder.parent / "log")
        try:
            _look(run)
        finally:
            run.end()


def _look(run: FlashRun) -> None:
    run.wait_for("console http://")
    entrance = "http://" + run.output.partition("console http://")[2].split()[0]
    with httpx.Client(base_url=run.url, timeout=60, trust_env=False) as client:

        def ask(name: str, language: str = "en") -> None:
            client.get("/photo", params={"name": name, "language": language})

        ask("beach.jpg")
        time.sleep(1)
        with ThreadPoolExecutor() as pool:
            list(pool.map(ask, ("harbour.jpg", "market.jpg")))
        ask("beach.jpg", "it")
        chromium = shutil.which("chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            dark, light = _open(browser, entrance, dark=True), _open(browser, entrance, dark=False)
            job = dark.locator("[data-status='FAILED']").first
            job.locator("button.row").click()
            job.locator("pre.error").wait_for()
            _shoot(dark, "dark")
            with ThreadPoolExecutor() as pool:
                asked = pool.submit(ask, "sunset.jpg", "fr")
                light.locator("[data-status='RUNNING']").filter(has_text="caption").wait_for()
                light.locator(".worker[data-status='RUNNING']").wait_for()
                _shoot(light, "light")
                asked.result()
            browser.close()


def _open(browser: Browser, entrance: str, *, dark: bool) -> Page:
    context = browser.new_context(
        color_scheme="dark" if dark else "light", viewport={"width": 1120, "height": 930}
    )
    page = context.new_page()
    page.goto(entrance)
    page.locator(".worker[data-status]").first.wait_for()
    return page


def _shoot(page: Page, name: str) -> None:
    page.screenshot(path=ROOT / "docs" / f"console-{name}.png")


if __name__ == "__main__":
    main()
