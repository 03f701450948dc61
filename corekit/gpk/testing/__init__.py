"""The contract as tests: what every backend, judge, detector and task promises, held over yours.

    from gpk.testing import BackendContract

    class TestBackend(BackendContract):
        backend = "blobs"

is a test file; pytest finds a test for every rule and every card. `gpk plugins check` runs the same without pytest.
"""

from gpk.testing.contracts import BackendContract, DetectorContract, JudgeContract, TaskContract
from gpk.testing.detectors import DETECTOR_RULES, DetectorSpecimen
from gpk.testing.judges import JUDGE_RULES, JudgeSpecimen
from gpk.testing.offered import Trial, trials
from gpk.testing.rule import ContractError, NotPromisedError, Rule, Verdict, verdicts
from gpk.testing.rules import BACKEND_RULES
from gpk.testing.specimen import Specimen
from gpk.testing.tasks import TASK_RULES, TaskSpecimen

__all__ = [
    "BACKEND_RULES",
    "DETECTOR_RULES",
    "JUDGE_RULES",
    "TASK_RULES",
    "BackendContract",
    "ContractError",
    "DetectorContract",
    "DetectorSpecimen",
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
