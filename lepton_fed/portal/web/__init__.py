"""The portal's pages and its REST interface: they read requests, call the services, and show what came of it."""

from __future__ import annotations
