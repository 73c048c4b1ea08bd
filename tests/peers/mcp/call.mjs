// A client that does what its standard input says, a line each, and prints what came of it as JSON:
//   call NAME TOOL ARGUMENTS   calls, without waiting for other calls; `progress` instead of `call` asks for progress
//   abort NAME                 the client has no more interest in that call
//   list                       the tools
// At its end it waits for the calls, and leaves: node call.mjs KIND REVISION -- SERVER...
import { createInterface } from 'node:readline';
import { commandLine, connect } from './clients.mjs';

const { words: [kind, revision], command } = commandLine();
const peer = await connect({ kind, revision, command });
const say = (one) => process.stdout.write(`${JSON.stringify(one)}\n`);
const aborts = new Map();
const calls = [];

async function call(name, tool, args, options) {
  const stop = new AbortController();
  aborts.set(name, stop);
  try {
    const { isError = false, content } = await peer.callTool({ name: tool, arguments: JSON.parse(args) }, { signal: stop.signal, ...options });
    say({ name, isError, text: content.map((one) => one.text).join('\n') });
  } catch (error) {
    say({ name, error: String(error.message ?? error) });
  }
}

say({ connected: peer.client.getServerVersion().name });
for await (const line of createInterface({ input: process.stdin })) {
  const [, verb, name, tool, args] = line.match(/^(\S+) ?(\S*) ?(\S*) ?(.*)$/);
  if (verb === 'call') calls.push(call(name, tool, args));
  if (verb === 'progress') calls.push(call(name, tool, args, { onprogress: (progress) => say({ name, progress }), resetTimeoutOnProgress: true }));
  if (verb === 'abort') aborts.get(name).abort('no more interest');
  if (verb === 'list') say({ tools: (await peer.client.listTools()).tools.map(({ name: tool_name, description }) => ({ name: tool_name, description })) });
}
await Promise.all(calls);
await peer.close();
