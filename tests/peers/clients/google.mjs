// The official client of Google against GOOGLE_GEMINI_BASE_URL: what it makes of the answers, as JSON.
import { GoogleGenAI } from '@google/genai';
import { ask, failure, parameters } from './common.mjs';

const model = 'sandbox-model';
const client = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: process.env.GOOGLE_GEMINI_BASE_URL } });
const { models, chats } = client(process.env.GEMINI_API_KEY);
const config = { tools: [{ functionDeclarations: [{ name: 'buy', description: 'Buy shares', parametersJsonSchema: parameters }] }] };
const callsOf = (response) => response.functionCalls.map((one) => [one.name, one.args]);
const out = {};

const hello = await models.generateContent({ model, contents: 'Hello' });
out.hello = { finish: hello.candidates[0].finishReason, text: hello.text, usage: hello.usageMetadata.totalTokenCount > 0 };

const called = await models.generateContent({ model, contents: ask, config });
out.called = { finish: called.candidates[0].finishReason, calls: callsOf(called) };

let last;
for await (const chunk of await models.generateContentStream({ model, contents: ask, config })) last = chunk;
out.streamed = { finish: last.candidates[0].finishReason, calls: callsOf(last) };

let text = '';
let chunks = 0;
for await (const chunk of await models.generateContentStream({ model, contents: 'Hello' })) {
  text += chunk.text ?? '';
  chunks += 1;
}
out.text = text === hello.text && chunks > 1;

const chat = chats.create({ model, config });
const first = await chat.sendMessage({ message: 'Buy 3 stocks of Google' });
out.told = (await chat.sendMessage({
  message: first.functionCalls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: 'OK' } } })),
})).text;

out.wrongKey = await failure(client('wrong').models.generateContent({ model, contents: 'Hello' }));
out.unanswered = await failure(models.generateContent({
  model, contents: [{ role: 'user', parts: [{ text: ask }] }, called.candidates[0].content, { role: 'user', parts: [{ text: 'and?' }] }], config,
}));
console.log(JSON.stringify(out));
