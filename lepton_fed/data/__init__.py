"""A department's own data: where they are, whether they keep the contract, and the arrays a model is fed.

    department file -> DataSource -> read -> check against the contract -> split -> prepare -> Prepared

Importing this package loads neither pandas nor scikit-learn nor SQLAlchemy; reading data does.
"""

from lepton_fed.data.department_file import DataSource, DepartmentFile, load_department_file
from lepton_fed.data.preparation import Part, Prepared, Scaling, prepare_department, prepare_unlabelled

__all__ = [
    "DataSource",
    "DepartmentFile",
    "Part",
    "Prepared",
    "Scaling",
    "load_department_file",
    "prepare_department",
    "prepare_unlabelled",
]
