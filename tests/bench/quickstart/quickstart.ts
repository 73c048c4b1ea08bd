// The quickstart that this project comes from, on its own packages: Vercel's AI SDK runs the model's loop, Auth0's
// has the tool wait for the user. It fails if nothing was bought, unlike the original.
import 'dotenv/config';
import { createOpenAI } from '@ai-sdk/openai';
import { Auth0AI, getAsyncAuthorizationCredentials, setAIContext } from '@auth0/ai-vercel';
import { AccessDeniedInterrupt } from '@auth0/ai/interrupts';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';

const { AUDIENCE, CIBA_USER, OPENAI_BASE_URL, STOCK_API_URL } = process.env;
const confirmed = new Auth0AI().withAsyncAuthorization({
  userID: CIBA_USER,
  bindingMessage: async ({ ticker, qty }) => `Do you want to buy ${qty} shares of ${ticker}`,
  scopes: ['openid', 'stock:trade'],
  audience: AUDIENCE,
  onAuthorizationRequest: 'block',
  onUnauthorized: async (error) => (error instanceof AccessDeniedInterrupt ? 'The user said no' : error.message),
});
const buy = confirmed(tool({
  description: 'Buy shares of a company',
  inputSchema: z.object({ ticker: z.string(), qty: z.number() }),
  execute: async (order) => (await fetch(STOCK_API_URL, {
    method: 'POST',
    headers: { Authorization: `Bearer ${getAsyncAuthorizationCredentials().accessToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(order),
  })).statusText,
}));

async function main() {
  setAIContext({ threadID: crypto.randomUUID() });
  const { text } = await generateText({
    model: createOpenAI({ baseURL: OPENAI_BASE_URL }).chat('sandbox-model'),
    messages: [{ role: 'user', content: process.argv[2] }],
    tools: { buy },
    stopWhen: stepCountIs(2),
  });
  console.log(text);
  process.exitCode = text.startsWith('I bought') ? 0 : 1;
}
main();
