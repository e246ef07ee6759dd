"""Passwords: what is good enough for one, and Argon2id, which takes 64 MiB and a third of a second on purpose.

Called from threads that answer requests, outside of any transaction.
"""

from __future__ import annotations

import secrets
from functools import cached_property
from typing import TYPE_CHECKING

from lepton_fed.portal.composing import composed
from lepton_fed.portal.errors import Unacceptable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST, MOST = 12, 1024
"""Characters."""

FEWEST_DIFFERENT = 5


class Passwords:
    """Hashes and checks. `hasher`: Argon2id as RFC 9106 recommends it; tests take a cheaper one."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        from argon2 import PasswordHasher

        self._hasher = hasher or PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """The password of those that there are not, made when somebody first signs in."""
        return self._hasher.hash(secrets.token_hex(16))

    def hashed(self, password: str, name: str) -> str:
        """What is kept of a new password; Unacceptable where `name`'s owner should choose a better one."""
        return self._hasher.hash(_good(password, name))

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one that was kept; takes as long where there is none."""
        from argon2.exceptions import InvalidHashError, VerificationError

        nobody = self._nobody  # Whoever is first waits for it, whether their name is known or not.
        try:
            return self._hasher.verify(kept or nobody, _normal(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, kept: str) -> bool:
        """Whether it was hashed with less effort than is asked for today."""
        return self._hasher.check_needs_rehash(kept)

    def again(self, password: str) -> str:
        """A known password, hashed with today's effort."""
        return self._hasher.hash(_normal(password))


def _normal(password: str) -> str:
    """Composed and decomposed letters are one; of what could be no password, nothing but that it is too long."""
    try:
        return composed("NFKC", password, MOST)[: MOST + 1]
    except ValueError:
        return "\x00" * (MOST + 1)


def _good(password: str, name: str) -> str:
    normal = _normal(password)
    if not LEAST <= len(normal) <= MOST:
        raise Unacceptable("password_length", least=LEAST, most=MOST)
    if len(set(normal)) < FEWEST_DIFFERENT or name in normal.casefold():
        raise Unacceptable("password_weak", least=FEWEST_DIFFERENT)
    return normal
