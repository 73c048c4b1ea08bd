// The official client of Anthropic against ANTHROPIC_BASE_URL: what it makes of the answers, as JSON.
import Anthropic from '@anthropic-ai/sdk';
import { ask, failure, parameters } from './common.mjs';

const client = new Anthropic({ maxRetries: 1 });
const common = { model: 'sandbox-model', max_tokens: 500 };
const tools = [{ name: 'buy', description: 'Buy shares', input_schema: parameters }];
const say = (content) => [{ role: 'user', content }];
const callsOf = (message) => message.content.filter((one) => one.type === 'tool_use').map((one) => [one.name, one.input]);
const out = {};

const hello = await client.messages.create({ ...common, messages: say('Hello') });
out.hello = { type: hello.type, role: hello.role, stop: hello.stop_reason, text: hello.content[0].text, usage: hello.usage.output_tokens > 0 };

const called = await client.messages.create({ ...common, messages: say(ask), tools });
out.called = { stop: called.stop_reason, calls: callsOf(called) };

const stream = client.messages.stream({ ...common, messages: say(ask), tools });
let pieces = 0;
stream.on('inputJson', () => { pieces += 1; });
const streamed = await stream.finalMessage();
out.streamed = { stop: streamed.stop_reason, calls: callsOf(streamed) };
out.pieces = pieces;

let text = '';
const spoken = client.messages.stream({ ...common, messages: say('Hello') }).on('text', (piece) => { text += piece; });
out.text = (await spoken.finalText()) === hello.content[0].text && text === hello.content[0].text;

const results = called.content.filter((one) => one.type === 'tool_use')
  .map((one) => ({ type: 'tool_result', tool_use_id: one.id, content: 'OK' }));
const told = await client.messages.create({
  ...common, messages: [...say(ask), { role: 'assistant', content: called.content }, { role: 'user', content: results }], tools,
});
out.told = told.content[0].text;

const runner = await client.beta.messages.toolRunner({
  ...common, messages: say('Buy 3 stocks of Google'), tools: [{ ...tools[0], parse: (input) => input, run: () => 'OK' }], thread: false,
});
out.runner = runner.content[0].text;

out.wrongKey = await failure(new Anthropic({ apiKey: 'wrong', maxRetries: 0 }).messages.create({ ...common, messages: say('Hello') }));
out.unanswered = await failure(client.messages.create({
  ...common, messages: [...say(ask), { role: 'assistant', content: called.content }, ...say('and?')],
}));
console.log(JSON.stringify(out));
