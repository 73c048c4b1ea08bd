"""A server made with the Python SDK (MCPServer, once FastMCP), for clients of all revisions."""
import os

from mcp.server.mcpserver import Context, Image, MCPServer
from pydantic import BaseModel

server = MCPServer("python", instructions="Call them all.")
DOT = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


class Who(BaseModel):
    name: str


class Weather(BaseModel):
    place: str
    degrees: float


@server.tool()
def echo(message: str) -> str:
    """Says it"""
    return message


@server.tool()
def write(path: str, content: str) -> str:
    """Writes a file that is not there"""
    with open(path, "x", encoding="utf-8") as file:
        file.write(content)
    return f"wrote {os.path.basename(path)}"


@server.tool()
def weather(place: str) -> Weather:
    """Structured"""
    return Weather(place=place, degrees=-1.5)


@server.tool()
def dot() -> Image:
    """An image"""
    return Image(data=DOT, format="png")


@server.tool()
async def slow(steps: int, ctx: Context) -> str:
    """With progress"""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step}")
    return "done"


@server.tool()
async def ask(topic: str, ctx: Context) -> str:
    """Asks the client, which only a client with a session is asked so"""
    answer = await ctx.elicit(f"Who asks about {topic}?", Who)
    return f"{answer.action}: {answer.data.name if answer.action == 'accept' else None}"


@server.tool()
def fail() -> str:
    """Fails"""
    raise ValueError("as it should")


@server.resource("note://1")
def note() -> str:
    """A note"""
    return "one"


@server.resource("note://all/{number}")
def notes(number: str) -> str:
    """Notes"""
    return f"note {number}"


@server.prompt()
def greet(name: str) -> str:
    """Greets"""
    return f"Hello {name}"


server.run()
