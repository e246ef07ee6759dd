"""Where a request comes from: its own address, or what the one proxy that is believed says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from lepton_fed.cli import main
from tests.portal.visitor import served
from tests.portal.world import PASSWORD, World

CLIENT = "203.0.113.7"
FORWARDED = {"X-Forwarded-For": f"198.51.100.1, {CLIENT}", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "seen"),
    [((), "127.0.0.1"), (("--proxy", "192.0.2.1"), "127.0.0.1"), (("--proxy", "127.0.0.1"), CLIENT)],
    ids=["no proxy", "another proxy", "the proxy"],
)
def test_only_the_named_proxy_is_believed(there: World, tmp_path: Path, options: tuple[str, ...], seen: str) -> None:
    there.portal.close()
    asking: dict[str, Any] = {"verify": False, "timeout": 60}
    with served(tmp_path / "门户", *options) as address, httpx.Client(base_url=address, **asking) as client:
        answer = client.post("/sign-in", data={"name": "reader", "password": PASSWORD}, headers=FORWARDED)
        assert answer.status_code == 303
        page = client.get("/account").text
    assert seen in page
    assert ({"127.0.0.1", CLIENT} - {seen}).pop() not in page


def test_a_proxy_is_named_by_its_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["portal", "serve", str(tmp_path / "新"), "--proxy", "proxy.example"])
    assert "--proxy proxy.example is not the address of a machine" in capsys.readouterr().err
    assert not (tmp_path / "新").exists()
