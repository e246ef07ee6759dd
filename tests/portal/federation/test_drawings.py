"""What a drawing may hold on a page: shapes, text, and references to itself."""

from __future__ import annotations

from lepton_fed.portal.federation.drawings import drawn, fit
from lepton_fed.report.described import Drawing, drawing_of


def test_a_style_becomes_attributes_since_pages_forbid_styles() -> None:
    made = fit('<svg><path style="fill: none; stroke: var(--ink, #123456); max-width: 3px" d="M 0 0"/></svg>')
    assert made == '<svg><path fill="none" stroke="var(--ink, #123456)" d="M 0 0" /></svg>'


def test_nothing_that_acts_or_leads_elsewhere_is_left() -> None:
    made = fit(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="x()">'
        "<script>x()</script><style>@import 'x'</style><foreignObject><p>x</p></foreignObject><image href='//evil'/>"
        '<a href="//evil"><text>t</text></a><use xlink:href="//evil"/><use xlink:href="#own"/>'
        '<g style="fill: url(//evil)" clip-path="url(#own)" filter="url(#f)"/><rect fill="u\\72l(//evil)"/></svg>'
    )
    assert made == '<svg><use /><use href="#own" /><g clip-path="url(#own)" /><rect /></svg>'


def test_text_stays_text() -> None:
    assert fit("<svg><text>&lt;script&gt; 研发</text></svg>") == "<svg><text>&lt;script&gt; 研发</text></svg>"
    assert drawn(lambda: "") == ""


def test_a_drawing_is_described_anew_and_names_in_it_stay_text() -> None:
    made = drawn(lambda: drawing_of('<svg><title id="a">old</title><text>研发</text></svg>', "old"))
    assert isinstance(made, Drawing)
    assert made == '<svg><title id="a">old</title><text>研发</text></svg>'
    new = made.told("甲 </title><script>x()</script> \\1 & 乙\x00")
    assert new.count("<script>") == 0
    assert "甲 &lt;/title&gt;&lt;script&gt;x()&lt;/script&gt; \\1 &amp; 乙�" in new
    assert new.endswith("</title><text>研发</text></svg>")
