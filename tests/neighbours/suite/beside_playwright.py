"""pytest-playwright's request context, which needs no browser."""


def test_a_request(playwright, flash_server):
    context = playwright.request.new_context(base_url=flash_server.url)
    try:
        assert context.get("/double/2").json() == {"value": 4}
    finally:
        context.dispose()
