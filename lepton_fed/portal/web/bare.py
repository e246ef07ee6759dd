"""What is refused where no route has a part in it: the server's own refusals, as pages and calls say them."""

from __future__ import annotations

from lepton_fed.portal.errors import PortalError


class NoPage(PortalError):
    """An address that takes forms was opened, or is asked for in another way that it does not know."""

    status = 405

    def __init__(self) -> None:
        super().__init__("no_page")


class Unreadable(PortalError):
    """What was sent is no request that can be read; `status`: as it was refused."""

    def __init__(self, status: int) -> None:
        super().__init__("request")
        self.status = status


class Stranger(PortalError):
    """A form was sent from a page that is not the portal's."""

    status = 403

    def __init__(self) -> None:
        super().__init__("stranger")


class Unavailable(PortalError):
    """The database cannot be used; why is for the log and not for a browser."""

    status = 503

    def __init__(self) -> None:
        super().__init__("database")
