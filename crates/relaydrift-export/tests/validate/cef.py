"""CEF lines on stdin, read by jc: the keys and connectors that come out, one JSON list per line."""
import json
import sys

import jc

for line in sys.stdin:
    rows = jc.parse("cef", line, quiet=True)
    assert len(rows) == 1, rows
    row = rows[0]
    print(json.dumps([row.get("Key") or row.get("flexString2"), row.get("SendConnector") or row.get("cs1"), row["deviceEventClassId"], row["agentSeverityNum"]]))
