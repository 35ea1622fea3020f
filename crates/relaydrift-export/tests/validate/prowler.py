"""Detection Findings on stdin against py-ocsf-models."""
import json
import sys

from py_ocsf_models.events.findings.detection_finding import DetectionFinding

count = 0
for line in sys.stdin:
    event = json.loads(line)
    if event["class_uid"] == 2004:
        DetectionFinding.model_validate(event)
        count += 1
print(count)
