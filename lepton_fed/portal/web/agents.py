"""What a browser says that it is, as its owner would say it: "Firefox · Windows"."""

from __future__ import annotations

LONGEST = 40
"""Characters of what is not known."""

BROWSERS = (
    ("MicroMessenger/", "WeChat"),
    ("QQBrowser/", "QQ Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""By a part of what they say. Those that say more of themselves come first: nearly all say that they are Safari."""

SYSTEMS = (
    ("Windows", "Windows"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def in_short(agent: str) -> str:
    """The browser and its system; what the browser said, cut, where either is not known."""
    found = [next((name for part, name in names if part in agent), "") for names in (BROWSERS, SYSTEMS)]
    if all(found):
        return " · ".join(found)
    return agent if len(agent) <= LONGEST else f"{agent[: LONGEST - 1]}…"
