"""The contract as tests: what every backend, judge and task promises, held over yours.

    from corekit.testing import BackendContract

    class TestBackend(BackendContract):
        backend = "blobs"

is a test file; pytest finds a test for every rule and every card. `gpk plugins check` runs the same without pytest.
"""

from corekit.testing.contracts import BackendContract
from corekit.testing.offered import Trial, trials
from corekit.testing.rule import ContractError, NotPromisedError, Rule, Verdict, verdicts
from corekit.testing.rules import BACKEND_RULES
from corekit.testing.specimen import Specimen

__all__ = [
    "BACKEND_RULES",
    "BackendContract",
    "ContractError",
    "NotPromisedError",
    "Rule",
    "Specimen",
    "Trial",
    "Verdict",
    "trials",
    "verdicts",
]
