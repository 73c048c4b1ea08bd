// Goes through every method of the protocol with server-everything, in one of the revisions with a session, and prints
// the transcript: node everything.mjs sdk-1|sdk-2 REVISION -- SERVER...
import assert from 'node:assert';
import { commandLine, connect } from './clients.mjs';
import { printed, seen } from './transcript.mjs';

const { words: [kind, revision], command } = commandLine();
const withTasks = kind === 'sdk-1' && revision === '2025-11-25';
const answer = { role: 'assistant', model: 'peer-model', stopReason: 'endTurn', content: { type: 'text', text: 'As you say' } };
const asTask = (result) => async (request, extra) => {
  if (!request.params.task) return result;
  const task = await extra.taskStore.createTask({ ttl: 60000, pollInterval: 50 });
  await extra.taskStore.storeTaskResult(task.taskId, 'completed', result);
  return { task };
};
let roots = [{ uri: 'file:///one', name: 'One' }];
const peer = await connect({
  kind,
  revision,
  command,
  capabilities: {
    sampling: {},
    elicitation: { form: {}, url: {} },
    roots: { listChanged: true },
    ...(withTasks && { tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } } }),
  },
  handlers: {
    'sampling/createMessage': asTask(answer),
    'elicitation/create': asTask({ action: 'accept', content: { name: 'Ann', interpretation: 'technical' } }),
    'roots/list': () => ({ roots }),
  },
});
const { client, transcript } = peer;
const came = (is) => seen(transcript, 'down', is);
const call = (name, args = {}, options) => peer.callTool({ name, arguments: args }, options);
const done = async (name, args, options) => {
  const result = await call(name, args, options);
  assert(!result.isError, JSON.stringify(result));
  return result;
};
const fails = async (promise) => {
  const result = await promise.catch(() => ({ isError: true }));
  assert(result.isError, JSON.stringify(result));
};

// The server asks for the roots when it likes to.
await came((one) => /^Roots updated/.test(one.params?.data));
await client.ping();

// Tools, with all kinds of content.
const { tools } = await client.listTools();
assert(tools.length > 15, `only ${tools.length} tools`);
await done('echo', { message: 'Grüße, 世界 \u{1F600} \u2028 "\\/" \u0001 \u007f' });
await done('echo', { message: 'x'.repeat(200000) });
await done('get-annotated-message', { messageType: 'error', includeImage: true });
await done('get-env');
await done('get-resource-links', { count: 10 });
await done('get-resource-reference', { resourceType: 'Blob', resourceId: 7 });
await done('get-structured-content', { location: 'New York' });
await done('get-sum', { a: 0.1, b: 1e21 });
await done('get-tiny-image');
await done('gzip-file-as-resource', { name: 'a.gz', data: 'data:text/plain,hello', outputType: 'resource' });
await done('get-roots-list');
await done('trigger-sampling-request', { prompt: 'Say', maxTokens: 10 });
await done('trigger-elicitation-request');
await done('trigger-url-elicitation', { url: 'https://example.com/', message: 'Look', elicitationId: 'e1' });

// Progress, several calls at once, a cancellation.
await done('trigger-long-running-operation', { duration: 0.3, steps: 3 }, { onprogress() {} });
await came((one) => one.method === 'notifications/progress' && one.params.progress === 3);
await Promise.all([1, 2, 3, 4].map((n) => done('get-sum', { a: n, b: n })));
const stop = new AbortController();
const stopped = call('trigger-long-running-operation', { duration: 0.2, steps: 2 }, { signal: stop.signal, onprogress: () => stop.abort('enough') });
await fails(stopped);
await came((one) => one.params?.total === 2 && one.params.progress === 2); // this server does not stop

// Resources.
const { resources } = await client.listResources();
assert(resources.length > 3);
await client.listResourceTemplates();
await client.readResource({ uri: resources[0].uri });
await client.readResource({ uri: 'demo://resource/dynamic/text/1' });
await client.readResource({ uri: 'demo://resource/dynamic/blob/2' });
await client.subscribeResource({ uri: 'demo://resource/dynamic/text/1' });
await done('toggle-subscriber-updates');
await came((one) => one.method === 'notifications/resources/updated');
await done('toggle-subscriber-updates');
await client.unsubscribeResource({ uri: 'demo://resource/dynamic/text/1' });
await done('gzip-file-as-resource', { name: 'b.gz', data: 'data:text/plain,hello', outputType: 'resourceLink' });
await came((one) => one.method === 'notifications/resources/list_changed');

// Prompts and completion.
await client.listPrompts();
await client.getPrompt({ name: 'simple-prompt' });
await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Zürich', state: '' } });
await client.getPrompt({ name: 'resource-prompt', arguments: { resourceType: 'Blob', resourceId: '3' } });
await client.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'E' } });
await client.complete({
  ref: { type: 'ref/prompt', name: 'completable-prompt' },
  argument: { name: 'name', value: '' },
  context: { arguments: { department: 'Sales' } },
});
await client.complete({ ref: { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' }, argument: { name: 'resourceId', value: '1' } });

// Logging; a change of roots.
await client.setLoggingLevel('debug');
await done('toggle-simulated-logging');
await came((one) => /level[ -]message/.test(one.params?.data));
await done('toggle-simulated-logging');
roots = [...roots, { uri: 'file:///two' }];
await client.sendRootsListChanged();
await came((one) => /^Roots updated: 2/.test(one.params?.data));
await done('get-roots-list');

// Tasks of the revision 2025-11-25, in both directions.
if (withTasks) {
  await done('trigger-sampling-request-async', { prompt: 'Say', maxTokens: 10 });
  await done('trigger-elicitation-request-async');
  let last;
  const stream = client.experimental.tasks.callToolStream({ name: 'simulate-research-query', arguments: { topic: 'Ice', ambiguous: true } });
  for await (const message of stream) last = message;
  assert.equal(last.type, 'result');
  const { taskId } = (await peer.request('tools/call', { name: 'simulate-research-query', arguments: { topic: 'Ice' }, task: { ttl: 60000 } })).task;
  await client.experimental.tasks.cancelTask(taskId);
  await client.experimental.tasks.listTasks();
}

// Errors.
await fails(call('no-such-tool'));
await fails(call('get-sum', { a: 'one' }));
await fails(call('simulate-research-query', { topic: 'Ice' }));
await fails(client.readResource({ uri: 'demo://resource/none' }));
await fails(client.getPrompt({ name: 'no-such-prompt' }));
await fails(client.getPrompt({ name: 'args-prompt', arguments: {} }));
await fails(peer.request('no/such/method', { deep: { er: [1, null, true] } }));
await client.notification({ method: 'notifications/no-such', params: { a: 1 } }).catch(() => {});
await client.ping();
process.stdout.write(printed(transcript));
await peer.close();
