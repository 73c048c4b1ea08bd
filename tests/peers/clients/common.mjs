// What the clients ask for, and how an error looks.
export const ask = 'Buy 3 stocks of Google and 2 of Apple';
export const parameters = {
  type: 'object',
  properties: { ticker: { type: 'string' }, qty: { type: 'integer' } },
  required: ['ticker', 'qty'],
  additionalProperties: false,
};
export const failure = async (call) => call.then(() => 'none', (error) => [error.constructor.name, error.status]);
