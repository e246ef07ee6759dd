"""Pages as HTML: templates that escape whatever they are given, in the reader's language."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse

from lepton_fed.portal.attachments.kinds import KINDS as FILES
from lepton_fed.portal.attachments.kinds import LARGEST as LARGEST_FILE
from lepton_fed.portal.errors import PortalError
from lepton_fed.portal.people.sessions import Visit
from lepton_fed.portal.web.agents import in_short
from lepton_fed.portal.web.asking import asking_of
from lepton_fed.portal.web.visiting import digest_of
from lepton_fed.portal.web.watching import watches
from lepton_fed.portal.wording import DEFAULT, LANGUAGES, Wording, preferred, wording
from lepton_fed.report.described import Drawing
from lepton_fed.report.words import number
from lepton_fed.storage.portal_entry_tables import AUDIENCES, KINDS
from lepton_fed.storage.portal_people_tables import ROLES
from lepton_fed.translation import speaks, translated

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context
    from markupsafe import Markup

LANGUAGE_COOKIE = "__Host-lepton-language"


def page(request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page from its template. Templates have `t`, the sentences; `visit`; and `form`, to bring back with forms."""
    visit = getattr(request.state, "visit", None)
    language = language_of(request, visit)
    shown = (
        _environment()
        .get_template(template)
        .render(
            t=wording(language),
            language=language,
            visit=visit,
            form=visit.form if visit is not None else "",
            federation=watches(request, visit.person if visit is not None else None),
            knowledge=asking_of(request, visit.person if visit is not None else None) is not None,
            path=request.url.path,
            here=_here(request),
            provider=request.app.state.identity,
            **values,
        )
    )
    return HTMLResponse(shown, status)


def said(request: Request) -> Wording:
    """The sentences in the reader's language."""
    return wording(language_of(request, getattr(request.state, "visit", None)))


def refused(request: Request, error: PortalError) -> HTMLResponse:
    """A refusal as a page."""
    return page(request, "refused.html.j2", error.status, sentence=error.said(said(request).language))


def to(path: str, **asked: object) -> RedirectResponse:
    """Go on to another page, which is then asked for anew."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return RedirectResponse(f"{path}?{query}" if query else path, 303)


def own_path(path: str) -> str:
    """A path of this portal, to go on to; its first page for whatever else somebody put into a link."""
    safe = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if safe else "/"


def language_of(request: Request, visit: Visit | None) -> str:
    """What the person chose, this browser chose, or the browser asks for."""
    chosen = (visit.person.language if visit is not None else "") or request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


def _here(request: Request) -> str:
    """The page to come back to in another language; where a form was answered by one, the page that had the form."""
    try:
        where = urlsplit(str(request.url) if request.method == "GET" else request.headers.get("referer", "/"))
    except ValueError:  # A browser writes no such thing.
        return "/"
    return own_path(f"{where.path}?{where.query}" if where.query else where.path)


def load() -> None:
    """Have all templates and sentences ready."""
    made = _environment()
    for name in made.list_templates():
        made.get_template(name)
    for language in LANGUAGES:
        wording(language)


def _bytes(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{max(1, size // 1024)} KiB"


def moment(time: datetime) -> str:
    """A time as pages say it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context

    made = Environment(
        loader=PackageLoader("lepton_fed.portal.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # They are part of the program: none changes while it runs.
        auto_reload=False,
    )
    made.globals.update(
        languages=LANGUAGES,
        kinds=KINDS,
        audiences=AUDIENCES,
        roles=ROLES,
        style=_version("portal.css"),
        script=_version("htmx.min.js"),
        own_script=_version("portal.js"),
        federation_style=_version("federation.css"),
        cytoscape=_version("cytoscape.min.js"),
        uplot=_version("uplot.min.js"),
        uplot_style=_version("uplot.min.css"),
        drawing_script=_version("drawing.js"),
        drawing_style=_version("drawing.css"),
        accepted=",".join(FILES),
        largest_file=LARGEST_FILE,
    )
    made.filters["moment"] = moment
    made.filters["number"] = number
    made.filters["bytes"] = _bytes
    made.filters["agent"] = in_short
    made.filters["drawing"] = pass_context(_drawing)
    made.filters["said"] = pass_context(_said)
    return made


def _said(context: Context, text: str) -> Markup:
    """A sentence of the federation in the language of the page; marked as English where it has no words there."""
    from markupsafe import Markup, escape

    language = context["language"]
    words = escape(translated(text, language))
    if not text or language == DEFAULT or speaks(text, language):
        return words
    return Markup('<span lang="en">{}</span>').format(words)


def _drawing(context: Context, svg: str) -> Markup:
    """What `federation.drawings` made, which holds shapes and text alone; described in the language of the page."""
    from markupsafe import Markup

    shown = svg.told(translated(svg.description, context["language"])) if isinstance(svg, Drawing) else svg
    return Markup(shown)  # noqa: S704


def _version(name: str) -> str:
    """A static file's path with its digest, so that a browser may keep it until it changes."""
    content = files("lepton_fed.portal.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?{digest_of(content)}"
