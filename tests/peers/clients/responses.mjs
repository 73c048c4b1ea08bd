// The official client of OpenAI against the Responses API in OPENAI_BASE_URL: what it makes of the answers, as JSON.
import OpenAI from 'openai';
import { ask, failure, parameters } from './common.mjs';

const client = new OpenAI({ maxRetries: 1 });
const model = 'sandbox-model';
const tools = [{ type: 'function', name: 'buy', description: 'Buy shares', parameters, strict: true }];
const callsOf = (response) => response.output.filter((one) => one.type === 'function_call').map((one) => [one.name, one.arguments]);
const out = {};

const hello = await client.responses.create({ model, input: 'Hello', store: false });
out.hello = { object: hello.object, status: hello.status, text: hello.output_text, usage: hello.usage.total_tokens > 0 };

const called = await client.responses.create({ model, input: ask, tools, store: false });
out.called = { status: called.status, calls: callsOf(called) };

const stream = client.responses.stream({ model, input: ask, tools, store: false });
const events = [];
for await (const event of stream) events.push(event);
const streamed = await stream.finalResponse();
out.streamed = { status: streamed.status, calls: callsOf(streamed) };
out.pieces = events.filter((one) => one.type === 'response.function_call_arguments.delta').length;
out.numbered = events.every((one, place) => one.sequence_number === place);

const text = client.responses.stream({ model, input: 'Hello', store: false });
const deltas = [];
text.on('response.output_text.delta', (event) => deltas.push(event.delta));
out.text = (await text.finalResponse()).output_text === hello.output_text && deltas.join('') === hello.output_text && deltas.length > 1;

const results = called.output.filter((one) => one.type === 'function_call')
  .map((one) => ({ type: 'function_call_output', call_id: one.call_id, output: 'OK' }));
const told = await client.responses.create({ model, input: [{ role: 'user', content: ask }, ...called.output, ...results], tools, store: false });
out.told = told.output_text;

out.wrongKey = await failure(new OpenAI({ apiKey: 'wrong', maxRetries: 0 }).responses.create({ model, input: 'Hello' }));
out.unanswered = await failure(client.responses.create({ model, input: [{ role: 'user', content: ask }, ...called.output, { role: 'user', content: 'and?' }] }));
console.log(JSON.stringify(out));
