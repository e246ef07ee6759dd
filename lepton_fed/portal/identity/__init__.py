"""Signing in at an identity provider (OpenID Connect): the file that names one, what it says, whom it says that of.

identity.toml ──► Provider ──► Connection: begin ──(browser, provider)──► finish ──► Claims ──► Person
"""
