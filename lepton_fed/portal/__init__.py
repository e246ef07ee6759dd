"""The portal: a web application where departments share what they know, each entry reviewed by somebody else.

    people     accounts, roles per department, sessions, tokens; who may see a shelf (Cedar)
    entries    texts in revisions, their way to publication, comments, folders of Markdown
    finding    one tokenizer, two databases, the same answers
    reward     points by a published rule, and who uses whose knowledge
    web        pages and REST: thin, they call the others

A function of the first four is given a connection, and with it a transaction; `portal.Portal` has the database, the
clock and the policies. Importing this does no work; FastAPI is loaded where the portal is served.
"""

from __future__ import annotations
