"""The steps by which a database comes to the schema of `lepton_fed.storage.models`; run by `schema.upgrade`.

To add one, with `[tool.alembic]` of pyproject.toml naming this folder:

    alembic -x url=sqlite:////tmp/lepton-fed.sqlite upgrade head
    alembic -x url=sqlite:////tmp/lepton-fed.sqlite revision --autogenerate -m "what changes" --rev-id 0004

and raise HEAD in schema.py.
"""
