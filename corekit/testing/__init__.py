"""The contract as tests: what every backend, judge and task promises, held over yours.

    from corekit.testing import BackendContract

    class TestBackend(BackendContract):
        backend = "blobs"

is a test file; pytest finds a test for every rule and every card. `gpk plugins check` runs the same without pytest.
"""

from corekit.testing.contracts import BackendContract, JudgeContract, TaskContract
from corekit.testing.judges import JUDGE_RULES, JudgeSpecimen
from corekit.testing.offered import Trial, trials
from corekit.testing.rule import ContractError, NotPromisedError, Rule, Verdict, verdicts
from corekit.testing.rules import BACKEND_RULES
from corekit.testing.specimen import Specimen
from corekit.testing.tasks import TASK_RULES, TaskSpecimen

__all__ = [
    "BACKEND_RULES",
    "JUDGE_RULES",
    "TASK_RULES",
    "BackendContract",
    "ContractError",
    "JudgeContract",
    "JudgeSpecimen",
    "NotPromisedError",
    "Rule",
    "Specimen",
    "TaskContract",
    "TaskSpecimen",
    "Trial",
    "Verdict",
    "trials",
    "verdicts",
]
