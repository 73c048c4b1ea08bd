// Goes through every method of the revision 2026-07-28 with modern-server.mjs, and prints the transcript:
// node modern.mjs -- SERVER...
import assert from 'node:assert';
import { commandLine, connect } from './clients.mjs';
import { printed, seen } from './transcript.mjs';

const peer = await connect({
  kind: 'sdk-2-modern',
  command: commandLine().command,
  capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
  handlers: {
    'sampling/createMessage': () => ({ role: 'assistant', model: 'peer-model', content: { type: 'text', text: 'As you say' } }),
    'elicitation/create': () => ({ action: 'accept', content: { name: 'Ann' } }),
    'roots/list': () => ({ roots: [{ uri: 'file:///one' }] }),
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
assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');

const fresh = { cacheMode: 'bypass' };
assert.equal((await client.listTools({}, fresh)).tools.length, 9);
await done('echo', { message: 'Grüße, 世界 \u{1F600} \u2028 "\\/" \u0001 \u007f' });
await done('echo', { message: 'x'.repeat(200000) });
await done('kinds');
await done('weather', { place: 'Oslo' });
assert.equal((await done('ask', { topic: 'ice' })).content[0].text, 'for Ann, 1 roots: As you say');

// Progress, a log for one call, several calls at once, a cancellation.
await done('slow', { steps: 3 }, { onprogress() {} });
await came((one) => one.params?.progress === 3);
await peer.request('tools/call', { name: 'slow', arguments: { steps: 1 }, _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } });
await Promise.all([1, 2, 3, 4].map((n) => done('echo', { message: `${n}` })));
const stop = new AbortController();
await fails(call('stuck', {}, { signal: stop.signal, onprogress: () => stop.abort('enough') }));

await client.listResources({}, fresh);
await client.listResourceTemplates({}, fresh);
await client.readResource({ uri: 'note://1' });
await client.readResource({ uri: 'note://22' });
await client.listPrompts({}, fresh);
await client.getPrompt({ name: 'greet', arguments: { name: 'Zoë' } });
await client.complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'name', value: 'A' } });
await client.complete({ ref: { type: 'ref/resource', uri: 'note://{number}' }, argument: { name: 'number', value: '4' } });

// Subscriptions.
const subscription = await client.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: ['note://1'] });
await done('change');
for (const what of ['tools/list_changed', 'prompts/list_changed', 'resources/list_changed', 'resources/updated']) {
  await came((one) => one.method === `notifications/${what}`);
}
assert.equal((await client.listTools({}, fresh)).tools.length, 10);
await done('later');
await subscription.close();

await fails(call('no-such-tool'));
await fails(call('echo', { message: 1 }));
await fails(call('fail'));
await fails(client.readResource({ uri: 'none://' }));
await fails(client.getPrompt({ name: 'no-such-prompt' }));
await fails(peer.request('no/such/method', { deep: { er: [1, null, true] } }));
await client.listTools({}, fresh);
process.stdout.write(printed(transcript));
await peer.close();
