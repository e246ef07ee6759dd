"""`__all__` is exactly what can be imported, and importing does no work."""

from __future__ import annotations

import subprocess
import sys

import lepton_fed


def test_all_is_what_is_importable() -> None:
    public = {name for name in dir(lepton_fed) if not name.startswith("_")} | {"__version__"}
    assert public == set(lepton_fed.__all__)
    for name in lepton_fed.__all__:
        assert getattr(lepton_fed, name) is not None


def test_names_that_do_not_exist_are_attribute_errors() -> None:
    assert not hasattr(lepton_fed, "simulates")


def test_names_are_sorted_as_readers_look_for_them() -> None:
    assert lepton_fed.__all__ == sorted(lepton_fed.__all__)


def test_a_star_import_gives_them_all() -> None:
    names: dict[str, object] = {}
    exec("from lepton_fed import *", names)
    assert set(lepton_fed.__all__) <= set(names)


def test_importing_the_package_and_its_command_line_loads_nothing_heavy() -> None:
    program = (
        "import sys, lepton_fed, lepton_fed.cli\n"
        "heavy = 'torch numpy pandas sklearn matplotlib sqlalchemy alembic networkx jinja2 flwr ray pydantic'\n"
        "print(*sorted(set(heavy.split()) & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == []


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert lepton_fed.__version__ == version("lepton-fed")
