"""HEC events on stdin against the CIM data models of pytest-splunk-addon: required fields and expected values."""
import glob
import json
import sys

models = glob.glob(sys.argv[1] + "/lib/python3*/site-packages/pytest_splunk_addon/data_models")[0]
WANTED = {"relaydrift:finding": ("Alerts", "Alerts"), "relaydrift:refusal": ("Email", "All Email"), "relaydrift:session": ("Certificates", "SSL")}


def datasets(objects):
    for one in objects:
        yield one
        yield from datasets(one.get("child_dataset", []))


count = 0
for line in sys.stdin:
    envelope = json.loads(line)
    event = envelope["event"]
    if envelope["sourcetype"] == "relaydrift:session" and "ssl_hash" not in event:
        continue
    model, name = WANTED[envelope["sourcetype"]]
    tree = json.load(open(f"{models}/{model}.json"))["objects"]
    dataset = next(one for one in datasets(tree) if one["name"] == name)
    for field in dataset["fields"]:
        value = event.get(field["name"])
        if field["type"] == "required":
            assert value not in (None, "", []), f"{name}: {field['name']} is missing"
        if value is not None and field.get("expected_values"):
            assert value in field["expected_values"], f"{name}: {field['name']} is {value}"
    if name == "All Email":
        assert event["recipient_count"] == len(event["recipient"])
    count += 1
print(count)
