// oidc-provider, a certified OpenID provider, set up for CIBA: provider.mjs DIR
//
// DIR has server.pem and server.key, ca.pem, and the public keys of the clients, NAME.pub. The issuer is
// written to DIR/issuer once it listens. The user decides by what he is asked: a message with "Deny" is
// denied, one with "Never" is not answered, any other is approved at once.
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { calculateJwkThumbprint, createLocalJWKSet, EmbeddedJWK, jwtVerify } from 'jose';
import { errors, Provider } from 'oidc-provider';

const dir = process.argv[2];
const file = (name) => readFileSync(path.join(dir, name));
const grantType = 'urn:openid:params:grant-type:ciba';
const audience = 'https://stocks.example/';

const server = https.createServer({
  cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem'), requestCert: true, rejectUnauthorized: false,
});
await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
const issuer = `https://localhost:${server.address().port}`;

const keys = (name, extra) => ({ keys: [{ ...createPublicKey(file(`${name}.pub`)).export({ format: 'jwk' }), use: 'sig', ...extra }] });
const client = (id, settings) => ({
  client_id: id,
  client_secret: 'a secret: 100% &+ of at least 32 characters',
  grant_types: [grantType],
  response_types: [],
  redirect_uris: [],
  backchannel_token_delivery_mode: 'poll',
  ...settings,
});
const keyClient = (id, alg, name) => client(id, {
  client_secret: undefined, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: keys(name, { kid: name }),
});
const contentEncryption = ['A128GCM', 'A256GCM', 'A128CBC-HS256', 'A256CBC-HS512'];
const clients = [
  client('post', { token_endpoint_auth_method: 'client_secret_post' }),
  client('basic with: special%', { token_endpoint_auth_method: 'client_secret_basic' }),
  client('secret-jwt', { token_endpoint_auth_method: 'client_secret_jwt', token_endpoint_auth_signing_alg: 'HS256' }),
  keyClient('RS256', 'RS256', 'rsa'),
  keyClient('PS256', 'PS256', 'rsa'),
  keyClient('ES256', 'ES256', 'ec'),
  keyClient('EdDSA', 'EdDSA', 'ed'),
  client('tls', { client_secret: undefined, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'client.example', tls_client_certificate_bound_access_tokens: true }),
  client('self-signed', {
    client_secret: undefined,
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: { keys: [{ ...createPublicKey(file('self.pem')).export({ format: 'jwk' }), x5c: [new X509Certificate(file('self.pem')).raw.toString('base64')] }] },
  }),
  client('dpop', { token_endpoint_auth_method: 'client_secret_post', dpop_bound_access_tokens: true }),
  { ...keyClient('signed', 'ES256', 'ec'), backchannel_authentication_request_signing_alg: 'ES256' },
  client('rar', { token_endpoint_auth_method: 'client_secret_post', authorization_details_types: ['order'] }),
  client('HS256', { token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'HS256' }),
  client('id Ed25519', { token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'Ed25519' }),
  keyClient('Ed25519', 'Ed25519', 'ed'),
  ...[['RSA-OAEP', 'rsa'], ['RSA-OAEP-256', 'rsa'], ['ECDH-ES', 'ec'], ['ECDH-ES+A128KW', 'ec'], ['ECDH-ES+A256KW', 'ec']].flatMap(([alg, name]) => contentEncryption.map((enc) => client(`${alg} ${enc}`, {
    token_endpoint_auth_method: 'client_secret_post', id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc, jwks: keys(name, { use: 'enc' }),
  }))),
  client('HS256 in JWE', {
    token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'HS256', id_token_encrypted_response_alg: 'ECDH-ES', jwks: keys('ec', { use: 'enc' }),
  }),
  client('refresh', { token_endpoint_auth_method: 'client_secret_post', grant_types: [grantType, 'refresh_token'] }),
  client('refresh-dpop', { token_endpoint_auth_method: 'client_secret_post', grant_types: [grantType, 'refresh_token'], dpop_bound_access_tokens: true }),
  client('refresh-tls', {
    client_secret: undefined, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'client.example', tls_client_certificate_bound_access_tokens: true, grant_types: [grantType, 'refresh_token'],
  }),
  client('opaque', { token_endpoint_auth_method: 'client_secret_post' }),
  client('code', { token_endpoint_auth_method: 'client_secret_post', backchannel_user_code_parameter: true }),
  client('no-ciba', { token_endpoint_auth_method: 'client_secret_post', grant_types: ['authorization_code'], response_types: ['code'], redirect_uris: ['https://client.example/'], backchannel_token_delivery_mode: undefined }),
];
if (existsSync(path.join(dir, 'notify'))) {
  clients.push(client('ping', {
    token_endpoint_auth_method: 'client_secret_post',
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: file('notify').toString().trim(),
  }));
}

const decide = async (request, account) => {
  if (request.params.binding_message?.includes('Never')) return;
  if (request.params.binding_message?.includes('Deny')) {
    await provider.backchannelResult(request, new errors.AccessDenied('the user said no'));
    return;
  }
  const grant = new provider.Grant({ clientId: request.clientId, accountId: account.accountId });
  grant.addOIDCScope(request.scope);
  grant.addResourceScope(audience, 'stock:trade');
  const rar = request.params.authorization_details && JSON.parse(request.params.authorization_details);
  rar?.forEach((detail) => grant.addRar(detail));
  await grant.save();
  await provider.backchannelResult(request, grant, { acr: 'phone', rar });
};

const provider = new Provider(issuer, {
  clients,
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
  enabledJWA: {
    clientAuthSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
    idTokenSigningAlgValues: ['RS256', 'HS256', 'Ed25519'],
    idTokenEncryptionAlgValues: ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW'],
    idTokenEncryptionEncValues: contentEncryption,
    dPoPSigningAlgValues: ['ES256', 'EdDSA', 'RS256'],
    requestObjectSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access'],
  acrValues: ['phone'],
  jwks: { keys: JSON.parse(file('provider.jwks')).keys },
  // Its own fetch refuses loopback addresses, where this run's notification endpoint is.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  ttl: { BackchannelAuthenticationRequest: (ctx, token) => Number(token.params?.requested_expiry ?? 60) },
  features: {
    devInteractions: { enabled: false },
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint(ctx, hint) {
        let user = hint;
        try { user = JSON.parse(hint).sub; } catch { /* a plain name */ }
        return user === 'nobody' ? undefined : user;
      },
      processLoginHintToken: (ctx, token) => (token === 'old' ? Promise.reject(new errors.ExpiredLoginHintToken('too old')) : token),
      validateBindingMessage(ctx, message) {
        if (message && !/^[\w\-.,:;?!$() ]{1,100}$/.test(message)) throw new errors.InvalidBindingMessage('no such characters');
      },
      validateRequestContext() {},
      verifyUserCode(ctx, account, code) {
        if (ctx.oidc.client.clientId !== 'code') return;
        if (!code) throw new errors.MissingUserCode('a code is needed');
        if (code !== '1234') throw new errors.InvalidUserCode('not this one');
      },
      triggerAuthenticationDevice: (ctx, request, account) => decide(request, account),
    },
    encryption: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => { const raw = ctx.socket.getPeerCertificate()?.raw; return raw && new X509Certificate(raw); },
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_dns'
        && ctx.socket.getPeerCertificate().subjectaltname === `DNS:${expected}`,
    },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, { clientId }) => ({
        scope: 'stock:trade', audience, accessTokenFormat: clientId === 'opaque' ? 'opaque' : 'jwt', jwt: { sign: { alg: 'RS256' } },
        accessTokenTTL: clientId.startsWith('refresh') ? 2 : 3600,
      }),
    },
    richAuthorizationRequests: {
      enabled: true,
      types: { order: { validate() {} } },
      authorizationDetailsForAccessToken: (ctx, token, source) => source.rar,
    },
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

// An API at /stocks that takes a token only with the proof of what it is bound to: the key of a DPoP proof
// (RFC 9449 §7), with a nonce of its own, or the certificate of the connection (RFC 8705 §3).
const hash = (text) => createHash('sha256').update(text).digest('base64url');
const tokenKeys = createLocalJWKSet({ keys: JSON.parse(file('provider.jwks')).keys.filter(({ kty }) => kty === 'RSA').map(({ kty, n, e, kid }) => ({ kty, n, e, kid })) });
const stocks = async (request, response) => {
  const [type, token] = (request.headers.authorization ?? '').split(' ');
  const { payload } = await jwtVerify(token, tokenKeys, { issuer, audience, typ: 'at+jwt' });
  if (payload.cnf?.jkt) {
    const proof = await jwtVerify(request.headers.dpop, EmbeddedJWK, { typ: 'dpop+jwt', maxTokenAge: 60 });
    if (proof.payload.nonce !== 'n-1') {
      response.writeHead(401, { 'DPoP-Nonce': 'n-1', 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }).end();
      return;
    }
    const good = type === 'DPoP' && proof.payload.htm === request.method && proof.payload.htu === `${issuer}/stocks`
      && proof.payload.ath === hash(token) && await calculateJwkThumbprint(proof.protectedHeader.jwk) === payload.cnf.jkt;
    if (!good) throw new Error('the proof does not hold');
  }
  if (payload.cnf?.['x5t#S256'] && payload.cnf['x5t#S256'] !== hash(request.socket.getPeerCertificate().raw)) throw new Error('another certificate');
  let body = '';
  for await (const chunk of request) body += chunk;
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ order: JSON.parse(body), sub: payload.sub, cnf: payload.cnf }));
};
const providerCallback = provider.callback();
server.on('request', (request, response) => {
  if (request.url !== '/stocks') providerCallback(request, response);
  else stocks(request, response).catch((error) => response.writeHead(401).end(error.message));
});
writeFileSync(path.join(dir, 'issuer.new'), `${issuer}\n`);
renameSync(path.join(dir, 'issuer.new'), path.join(dir, 'issuer'));
