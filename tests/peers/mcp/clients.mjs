// One way to both official clients: version 1 (@modelcontextprotocol/sdk) and version 2 (@modelcontextprotocol/client).
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/index.js';
import * as types from '@modelcontextprotocol/sdk/types.js';
import { Client as Client2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio';
import { z } from 'zod';
import { recorded } from './transcript.mjs';

const schemas = {
  'sampling/createMessage': types.CreateMessageRequestSchema,
  'elicitation/create': types.ElicitRequestSchema,
  'roots/list': types.ListRootsRequestSchema,
};

// How version 2 finds out which revision the server speaks.
const modes = { 'sdk-2': 'legacy', 'sdk-2-auto': 'auto', 'sdk-2-modern': { pin: '2026-07-28' } };

// kind: sdk-1 or one of those; command: the server's. What it gives has `client`, `transcript`, callTool(), request()
// and close().
export async function connect({ kind, revision, command, capabilities = {}, handlers = {} }) {
  const [file, ...args] = command;
  const info = { name: 'peer', version: '1' };
  const first = kind === 'sdk-1';
  const transport = new (first ? Stdio1 : Stdio2)({ command: file, args, env: process.env });
  const transcript = recorded(transport, revision);
  const store = new InMemoryTaskStore();
  const client = first
    ? new Client1(info, { capabilities, ...(capabilities.tasks && { taskStore: store }) })
    : new Client2(info, { capabilities, versionNegotiation: { mode: modes[kind] } });
  const peer = {
    client,
    transcript,
    callTool: (params, options) => (first ? client.callTool(params, undefined, options) : client.callTool(params, options)),
    request: (method, params, options) => client.request({ method, params }, z.looseObject({}), options),
    async close() {
      await client.close();
      store.cleanup();
    },
  };
  for (const [method, handler] of Object.entries(handlers)) client.setRequestHandler(first ? schemas[method] : method, handler);
  await client.connect(transport);
  return peer;
}

// The words after `--` are the server's command line, those before it ours.
export function commandLine() {
  const end = process.argv.indexOf('--');
  return { words: process.argv.slice(2, end), command: process.argv.slice(end + 1) };
}
