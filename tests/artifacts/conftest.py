import pytest


@pytest.fixture(scope="module", autouse=True)
def _pictures_drawn_once() -> None:
    """Here pictures are what is tested: each is drawn."""
