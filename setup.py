"""Lists the packages of the wheel; everything else is in pyproject.toml.

The library is found by walking lepton_fed/. The folders beside it are added under the names that
[tool.setuptools.package-dir] gives them: clients becomes lepton_fed.clients, and so on. Namespace discovery
is on purpose: it takes along folders of templates and migrations that have no __init__.py.
"""

from setuptools import find_namespace_packages, setup


def walk(folder: str) -> list[str]:
    """`folder` and the packages below it, under their names in the wheel."""
    name = folder if folder == "lepton_fed" else f"lepton_fed.{folder}"
    return [name, *(f"{name}.{sub}" for sub in find_namespace_packages(folder, exclude=["*__pycache__*"]))]


# Below configs/ there is only data, found by the pattern **/*.toml whatever its folders are called.
setup(packages=[*walk("lepton_fed"), *walk("clients"), *walk("server"), "lepton_fed.configs"])
