// The CIBA part of the flow alone, with openid-client, as in its documentation.
import * as client from 'openid-client';

const config = await client.discovery(new URL(process.env.CIBA_ISSUER), process.env.CIBA_CLIENT_ID, process.env.CIBA_CLIENT_SECRET);
const response = await client.initiateBackchannelAuthentication(config, {
  scope: 'openid stock:trade',
  audience: process.env.AUDIENCE,
  binding_message: process.argv[2],
  login_hint: JSON.stringify({ format: 'iss_sub', iss: process.env.CIBA_ISSUER, sub: process.env.CIBA_USER }),
});
const tokens = await client.pollBackchannelAuthenticationGrant(config, response);
if (!tokens.access_token) throw new Error('no token');
