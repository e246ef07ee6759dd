"""Every table: whoever imports `Base` from here knows them all, as migrations, backups and new databases need it.

Every name of a constraint follows from `columns.NAMING`, so that a later migration can refer to it on any database.
"""

from lepton_fed.storage import audit_log_tables as audit_log_tables
from lepton_fed.storage import call_tables as call_tables
from lepton_fed.storage import knowledge_tables as knowledge_tables
from lepton_fed.storage import pipeline_tables as pipeline_tables
from lepton_fed.storage import portal_account_tables as portal_account_tables
from lepton_fed.storage import portal_attachment_tables as portal_attachment_tables
from lepton_fed.storage import portal_course_tables as portal_course_tables
from lepton_fed.storage import portal_entry_tables as portal_entry_tables
from lepton_fed.storage import portal_keyword_tables as portal_keyword_tables
from lepton_fed.storage import portal_people_tables as portal_people_tables
from lepton_fed.storage import portal_trust_tables as portal_trust_tables
from lepton_fed.storage import run_tables as run_tables
from lepton_fed.storage.columns import Base as Base
