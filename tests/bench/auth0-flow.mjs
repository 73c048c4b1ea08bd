// The quickstart's flow with Auth0's SDK and OpenAI's, as in their documentation, without a framework:
// the model calls `buy`, the user is asked, the token is polled for, the order is placed, the model confirms.
import { AuthenticationClient } from 'auth0';
import OpenAI from 'openai';

const openai = new OpenAI();
const auth0 = new AuthenticationClient({
  domain: new URL(process.env.CIBA_ISSUER).host, clientId: process.env.CIBA_CLIENT_ID, clientSecret: process.env.CIBA_CLIENT_SECRET,
});
const tools = [{
  type: 'function',
  function: {
    name: 'buy', description: 'Buy shares of a company',
    parameters: { type: 'object', properties: { ticker: { type: 'string' }, qty: { type: 'integer' } }, required: ['ticker', 'qty'] },
  },
}];
const messages = [{ role: 'user', content: process.argv[2] }];
const asked = await openai.chat.completions.create({ model: 'sandbox-model', messages, tools });
const [call] = asked.choices[0].message.tool_calls;
const { ticker, qty } = JSON.parse(call.function.arguments);

const { auth_req_id: requestId, interval } = await auth0.backchannel.authorize({
  userId: process.env.CIBA_USER, binding_message: `Do you want to buy ${qty} shares of ${ticker}`,
  scope: 'openid stock:trade', audience: process.env.AUDIENCE, requested_expiry: '300',
});
let token;
while (!token) {
  try {
    token = (await auth0.backchannel.backchannelGrant({ auth_req_id: requestId })).access_token;
  } catch (error) {
    if (error.error !== 'authorization_pending') throw error;
    await new Promise((done) => { setTimeout(done, interval * 1000); });
  }
}
const order = await fetch(process.env.STOCK_API_URL, {
  method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ ticker, qty }),
});
messages.push(asked.choices[0].message, { role: 'tool', tool_call_id: call.id, content: order.statusText });
const told = await openai.chat.completions.create({ model: 'sandbox-model', messages, tools });
if (!told.choices[0].message.content.startsWith('I bought')) throw new Error(told.choices[0].message.content);
console.log(told.choices[0].message.content);
