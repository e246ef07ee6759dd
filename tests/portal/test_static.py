"""What comes from elsewhere is what its record says, and every static file is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import lepton_fed.portal.web

STATIC = Path(lepton_fed.portal.web.__file__).parent / "static"


def test_scripts_of_others_are_those_that_were_published() -> None:
    for one in json.loads((STATIC / "vendored.json").read_text("utf-8")):
        assert hashlib.sha256((STATIC / one["file"]).read_bytes()).hexdigest() == one["sha256"]
        assert one["name"]
        # A style says no version; it comes with its script.
        assert one["file"].endswith(".css") or one["version"] in (STATIC / one["file"]).read_text("utf-8")
        assert one["licence_text"].strip()


def test_nothing_on_a_page_comes_from_elsewhere_or_is_a_script_inline() -> None:
    for template in (STATIC.parent / "templates").glob("*.j2"):
        text = template.read_text("utf-8")
        assert "http://" not in text
        assert "https://" not in text
        for inline in ("onclick", "onsubmit", "style=", "<style", "hx-on", "javascript:"):
            assert inline not in text, (template.name, inline)
