// The official client of OpenAI against the server in OPENAI_BASE_URL: what it makes of the answers, as JSON.
import OpenAI from 'openai';

const client = new OpenAI({ maxRetries: 1 });
const model = 'sandbox-model';
const tools = [{
  type: 'function',
  function: {
    name: 'buy',
    description: 'Buy shares',
    parameters: { type: 'object', properties: { ticker: { type: 'string' }, qty: { type: 'integer' } }, required: ['ticker', 'qty'] },
  },
}];
const ask = (content) => [{ role: 'user', content }];
const out = {};

out.models = (await client.models.list()).data.map((one) => one.id);

const hello = await client.chat.completions.create({ model, messages: ask('Hello') });
out.hello = { object: hello.object, finish: hello.choices[0].finish_reason, text: hello.choices[0].message.content, usage: hello.usage.total_tokens > 0 };

const called = await client.chat.completions.create({ model, messages: ask('Buy 3 stocks of Google and 2 of Apple'), tools });
out.called = { finish: called.choices[0].finish_reason, calls: called.choices[0].message.tool_calls.map((one) => [one.type, one.function.name, one.function.arguments]) };

const stream = client.chat.completions.stream({
  model, messages: ask('Buy 3 stocks of Google and 2 of Apple'), tools, stream_options: { include_usage: true },
});
let chunks = 0;
for await (const chunk of stream) chunks += chunk.object === 'chat.completion.chunk' ? 1 : 0;
const streamed = await stream.finalChatCompletion();
out.streamed = { many: chunks > 5, finish: streamed.choices[0].finish_reason, calls: streamed.choices[0].message.tool_calls.map((one) => [one.type, one.function.name, one.function.arguments]), usage: streamed.usage.total_tokens > 0 };

let text = '';
for await (const chunk of await client.chat.completions.create({ model, messages: ask('Hello'), stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? '';
}
out.text = text === hello.choices[0].message.content;

const runner = client.chat.completions.runTools({
  model,
  messages: ask('Buy 3 stocks of Google'),
  tools: [{ type: 'function', function: { ...tools[0].function, parse: JSON.parse, function: () => 'OK' } }],
});
out.runner = await runner.finalContent();

const failure = async (call) => call.then(() => 'none', (error) => [error.constructor.name, error.status, error.code ?? null]);
out.wrongKey = await failure(new OpenAI({ apiKey: 'wrong' }).models.list());
out.unanswered = await failure(client.chat.completions.create({
  model, messages: [...ask('Buy'), called.choices[0].message, { role: 'user', content: 'and?' }],
}));
console.log(JSON.stringify(out));
