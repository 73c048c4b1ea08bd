"""The tool `buy` over MCP, which is the only way that mods has: what it is called with goes to the file in $RAN."""
import json
import os
import sys

TOOL = {"name": "buy", "description": "Buy shares", "inputSchema": {
    "type": "object", "properties": {"ticker": {"type": "string"}, "qty": {"type": "integer"}}, "required": ["ticker", "qty"]}}


def result_of(request):
    method = request["method"]
    if method == "initialize":
        return {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "buy", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        with open(os.environ["RAN"], "a", encoding="utf-8") as ran:
            ran.write(json.dumps(request["params"].get("arguments")) + "\n")
        return {"content": [{"type": "text", "text": "OK"}]}
    return {}


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result_of(asked)}), flush=True)
