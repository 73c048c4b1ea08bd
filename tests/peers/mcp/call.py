"""One call by the Python SDK's client, and what came of it: call.py legacy|auto|2026-07-28 TOOL ARGUMENTS -- SERVER..."""
import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters

end = sys.argv.index("--")
mode, tool, arguments = sys.argv[1:end]
command = sys.argv[end + 1:]


async def main():
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with Client(parameters, mode=mode) as client:
        result = await client.call_tool(tool, json.loads(arguments))
        print(result.model_dump_json(exclude_none=True))


asyncio.run(main())
