"""Events on stdin, one per line, against pydantic-ocsf's models of a schema version: types, required attributes
and enumerations as the models have them, unknown attributes by walking the models."""
import importlib
import json
import sys

version = sys.argv[1]
events = importlib.import_module(f"ocsf.{version}.events")
objects = importlib.import_module(f"ocsf.{version}.objects")
classes = {2004: events.DetectionFinding, 4001: events.NetworkActivity, 4009: events.EmailActivity}
# The package's models of 1.3 leave the attributes of the base event out.
base = set(events.BaseEvent.model_fields) | {
    "activity_id", "activity_name", "category_uid", "category_name", "class_uid", "class_name", "type_uid", "type_name",
    "time", "duration", "start_time", "end_time", "direction", "direction_id"} | (
    {"type_name", "status_detail"} if version == "v1_3_0" else set())


def model_of(annotation):
    """The model inside `X | None`, `list[X] | None`."""
    text = str(annotation)
    for name in dir(objects):
        if f"models.{name} " in text or f"models.{name}]" in text or text.endswith(f"models.{name}'>"):
            return getattr(objects, name)
    return None


def names(model):
    return {field.alias or name.rstrip("_"): field for name, field in model.model_fields.items()}


def unknown(value, model, path, found, also=frozenset()):
    fields = names(model)
    for name, member in value.items():
        if name in ("unmapped", "data"):
            continue
        if name not in fields:
            if name not in also:
                found.append(f"{path}.{name}")
            continue
        inner = model_of(fields[name].annotation)
        if inner:
            for one in member if isinstance(member, list) else [member]:
                if isinstance(one, dict):
                    unknown(one, inner, f"{path}.{name}", found)


count = 0
for line in sys.stdin:
    event = json.loads(line)
    model = classes[event["class_uid"]]
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"], event["type_uid"]
    for name in ("time", "class_uid", "category_uid", "activity_id", "severity_id"):
        assert isinstance(event[name], int), name
    known = dict(event)
    known["metadata"] = dict(event["metadata"], version=version[1:].replace("_", "."))
    model.model_validate(known)
    found = []
    unknown(event, model, str(event["class_uid"]), found, base)
    assert not found, f"unknown attributes: {found}"
    count += 1
print(count)
