"""The Python SDK's client goes through what server.py has, and prints what it makes of the answers:
client.py legacy|auto|2026-07-28 -- SERVER..."""
import asyncio
import json
import os
import sys

from mcp import Client, MCPError, StdioServerParameters
from mcp.types import ElicitResult

end = sys.argv.index("--")
mode, command = sys.argv[1], sys.argv[end + 1:]


async def elicited(_context, _params):
    return ElicitResult(action="accept", content={"name": "Ann"})


def say(what, result):
    print(json.dumps([what, result if isinstance(result, (str, list)) else result.model_dump(mode="json", exclude_none=True)]))


async def main():
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with Client(parameters, mode=mode, elicitation_callback=elicited) as client:
        say("version", client.protocol_version)
        say("tools", await client.list_tools())
        say("echo", await client.call_tool("echo", {"message": 'Grüße, 世界 \U0001F600 \u2028 "\\/"'}))
        say("large", await client.call_tool("echo", {"message": "x" * 200000}))
        say("weather", await client.call_tool("weather", {"place": "Oslo"}))
        say("dot", await client.call_tool("dot", {}))
        steps = []

        async def progress(done, total, message):
            steps.append(f"{done}/{total} {message}")

        say("slow", await client.call_tool("slow", {"steps": 3}, progress_callback=progress))
        say("progress", steps)
        for one in await asyncio.gather(*(client.call_tool("echo", {"message": str(n)}) for n in range(5))):
            say("several", one)
        if mode == "legacy":
            say("ask", await client.call_tool("ask", {"topic": "ice"}))
            say("ping", await client.send_ping())
        for wrong in ("fail", "echo"):
            say("wrong", await client.call_tool(wrong, {}))
        say("resources", await client.list_resources())
        say("templates", await client.list_resource_templates())
        say("read", await client.read_resource("note://1"))
        say("read", await client.read_resource("note://all/7"))
        say("prompts", await client.list_prompts())
        say("prompt", await client.get_prompt("greet", {"name": "Zoë"}))
        for request in (lambda: client.call_tool("none", {}), lambda: client.read_resource("none://"), lambda: client.get_prompt("none")):
            try:
                say("error", await request())
            except MCPError as error:
                say("error", str(error))


asyncio.run(main())
