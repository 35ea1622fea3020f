"""An ARM template on stdin: its loops and expressions evaluated by bicep-cost, each resource that comes of it held
against the models of Microsoft's own clients: attributes they know and let be written, plain types, enumerations."""
import json
import re
import sys
from enum import Enum

import azure.mgmt.applicationinsights.v2022_04_01.models as insights
import azure.mgmt.loganalytics.models as analytics
import azure.mgmt.monitor.models as monitor
import azure.mgmt.securityinsight.models as security
from bicep_cost.armexpr import Unknown
from bicep_cost.engine import DeploymentSettings, Engine

MODELS = {
    "Microsoft.OperationalInsights/workspaces/tables": (analytics, "Table"),
    "Microsoft.OperationalInsights/workspaces/savedSearches": (analytics, "SavedSearch"),
    "Microsoft.Insights/dataCollectionRules": (monitor, "DataCollectionRuleResource"),
    "Microsoft.SecurityInsights/alertRules": (security, "ScheduledAlertRule"),
    "Microsoft.Insights/workbooks": (insights, "Workbook"),
}
PLAIN = {"str": str, "bool": bool, "int": int}
# What template and engine say of a resource beside its body.
DEPLOYMENT = {"type", "apiVersion", "name", "scope", "dependsOn", "id"}


def fields(model):
    """Path in JSON -> type as text, of what may be written."""
    if hasattr(model, "_attribute_map"):
        rules = getattr(model, "_validation", {})
        return {one["key"]: one["type"] for name, one in model._attribute_map.items()
                if not rules.get(name, {}).get("readonly")}
    model.__new__(model)  # which fills in the fields
    hints = {name: hint for base in reversed(model.__mro__) for name, hint in getattr(base, "__annotations__", {}).items()}
    said = {name: hint.__name__ if isinstance(hint, type) else str(hint) for name, hint in hints.items()}
    return {field._rest_name: said[name] for name, field in model._attr_to_rest_field.items()
            if field._visibility != ["read"]}


def check(value, known, models, path):
    for name, member in value.items():
        here = f"{path}.{name}"
        if name in known:
            typed(member, known[name], models, here)
            continue
        # A client that flattens says `properties.query`.
        inner = {key[len(name) + 1:]: kind for key, kind in known.items() if key.startswith(f"{name}.")}
        assert inner, f"{here}: unknown or not to be written"
        check(member, inner, models, here)


def typed(value, kind, models, path):
    assert not isinstance(value, Unknown), f"{path}: {value}"
    many = re.match(r"(Optional\[)?\[|.*\b[Ll]ist\[", kind)
    named = re.match(r"(Optional\[)?\{|.*\b[Dd]ict\[", kind)
    assert isinstance(value, list) == bool(many), f"{path}: {value!r} is no {kind}"
    members = value if many else list(value.values()) if named else [value]
    words = [getattr(models, word) for word in re.findall(r"\w+", kind) if hasattr(models, word)]
    for member in members:
        for model in words:
            if isinstance(model, type) and issubclass(model, Enum):
                # Those that begin with Known are open. Azure asks for no case: tables say dateTime, rules datetime.
                values = [one.value.lower() for one in model]
                assert model.__name__.startswith("Known") or member.lower() in values, f"{path}: {member}"
            elif isinstance(model, type):
                assert isinstance(member, dict), f"{path}: {member!r} is no {kind}"
                check(member, fields(model), models, path)
        plain = PLAIN.get(re.sub(r"typing\.|Optional|[\[\]{}]|[Ll]ist|[Dd]ict|str, ", "", kind))
        assert words or plain is None or type(member) is plain, f"{path}: {member!r} is no {kind}"


engine = Engine(DeploymentSettings())
engine.expand(json.load(sys.stdin), {"workspaceName": "soc"})
assert not engine.diagnostics, engine.diagnostics
for resource in engine.resources:
    models, name = MODELS[resource.type]
    body = {name: member for name, member in resource.body.items() if name not in DEPLOYMENT}
    check(body, fields(getattr(models, name)), models, resource.type)
    print(resource.type, resource.name)
