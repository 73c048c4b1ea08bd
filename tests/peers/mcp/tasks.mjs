// A call as a task (the Tasks extension, by its official client), and what came of it, as JSON:
//   tasks.mjs call TOOL ARGUMENTS -- SERVER...     calls, and waits for the end
//   tasks.mjs begin TOOL ARGUMENTS -- SERVER...    leaves as soon as there is a task, and prints its reference
//   tasks.mjs look|resume|cancel REFERENCE -- SERVER...
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client';
import { commandLine, connect } from './clients.mjs';

const { words: [verb, what, args], command } = commandLine();
const extensions = { 'io.modelcontextprotocol/tasks': {} };
const peer = await connect({ kind: 'sdk-2-modern', command, capabilities: { extensions } });
const { client } = peer;
const { transport } = client;

// The client knows no results that are tasks, so the session sends its requests itself.
const waiting = new Map();
const { onmessage } = transport;
transport.onmessage = (message, extra) => {
  if (!waiting.has(message.id)) return onmessage(message, extra);
  waiting.get(message.id)(message.error ? { kind: 'error', error: message.error } : { kind: 'result', result: message.result });
  return waiting.delete(message.id);
};
let count = 0;
const rawDispatch = ({ method, params }) => new Promise((resolve) => {
  const id = `task-${++count}`;
  waiting.set(id, resolve);
  transport.send({ jsonrpc: '2.0', id, method, params });
});

const session = createTaskSessionFromClient(client, {
  endpointId: 'peer',
  rawDispatch,
  v2RequestFraming: { protocolVersion: '2026-07-28', clientInfo: { name: 'peer', version: '1' }, clientCapabilities: { extensions } },
});
const say = (one) => process.stdout.write(`${JSON.stringify(one)}\n`);
const states = [];
const settle = async (execution) => {
  const { outcome } = await execution.settle({ onEvent: (event) => { if (event.task) states.push(event.task.raw); } });
  say({ status: outcome.status, states, isError: outcome.result?.isError ?? false, text: outcome.result?.content?.[0]?.text });
};

if (verb === 'call' || verb === 'begin') {
  const execution = await session.callTool(what, JSON.parse(args));
  say({ kind: execution.kind });
  if (verb === 'begin') say({ reference: execution.serializeReference() });
  else await settle(execution);
} else {
  const reference = JSON.parse(what);
  if (verb === 'look') say((await session.task(reference.taskId).snapshot()).raw);
  if (verb === 'cancel') await session.task(reference.taskId).cancel();
  if (verb === 'resume') await settle(await session.resumeTask(reference));
}
if (verb !== 'begin') await session.close(); // which would cancel the task
await peer.close();
process.exit();
