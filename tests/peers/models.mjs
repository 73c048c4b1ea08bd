// aimock, an independent mock of the servers of models: OpenAI's chat completions and Responses, Azure's and
// Anthropic's Messages, all with streams. models.mjs FILE writes its address to FILE once it listens.
import { renameSync, writeFileSync } from 'node:fs';
import { LLMock } from '@copilotkit/aimock';

const mock = new LLMock({ port: 0, host: '127.0.0.1' });
const calls = [{ name: 'buy', arguments: '{"ticker":"GOOGL","qty":3}', id: 'call_google' }];
mock.on({ userMessage: 'Buy 3 stocks of Google', hasToolResult: true }, { content: 'I bought 3 shares of GOOGL. ✓' });
mock.on({ userMessage: 'Buy 3 stocks of Google', hasToolResult: false }, { toolCalls: calls });
mock.on({ userMessage: 'Buy two', hasToolResult: false }, {
  toolCalls: [...calls, { name: 'buy', arguments: '{"ticker":"AAPL","qty":1}', id: 'call_apple' }],
});
mock.on({ userMessage: 'Think', hasToolResult: true }, { content: 'Done.' });
mock.on({ userMessage: 'Think', hasToolResult: false }, { reasoning: 'The user wants shares.', toolCalls: calls });
mock.on({ userMessage: 'JSON' }, { content: '{"total":3}' });
mock.on({ userMessage: 'Hello' }, { content: 'Grüße, I am a mock: 漢字 and 🙂.' });
mock.on({ userMessage: 'What is in' }, { content: 'A picture.' });
await mock.start();
writeFileSync(`${process.argv[2]}.new`, mock.url);
renameSync(`${process.argv[2]}.new`, process.argv[2]);
