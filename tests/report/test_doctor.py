"""What the doctor finds is plain data, and what is missing stands beside its mend."""

import io
import json
import sys

from rich.console import Console

from guerdon.cli import doctor


def shown(found):
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(doctor.render(found))
    return console.file.getvalue()


def test_findings_are_plain_and_the_rate_is_measured():
    found = json.loads(json.dumps(doctor.diagnose(matrix=64)))
    assert found["gflops"]["cpu"]["float32"] > 0
    assert found["cores"] >= 1
    assert found["memory_gib"] is None or found["memory_gib"] > 0.1
    assert found["packages"]["torch"]
    assert found["engines"]["transformers"] is True
    assert found["memory_limit"] is (sys.platform == "linux")
    assert ("memory limited" in shown(found)) is found["memory_limit"]
    assert found["packages"]["torch"] in shown(found)


def test_a_type_that_the_device_lacks_has_no_rate():
    assert doctor._rate("meta-no-such-device", doctor.torch.float32, 8) is None
