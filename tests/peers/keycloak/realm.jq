# A realm of the tests, with those of the clients whose id matches a regular expression:
# jq -n -f realm.jq --slurpfile keys JWKS --arg channel URL --arg realm NAME --argjson attributes {...} --arg clients REGEX

# Each of the keys has its algorithm, which is also its kid.
def with_keys(algorithms): {
  "use.jwks.string": "true",
  "jwks.string": ({keys: [$keys[0].keys[] | select(.kid | IN(algorithms))]} | tojson)
};

def client(id; method; attributes): {
  clientId: id, enabled: true, protocol: "openid-connect", publicClient: false, standardFlowEnabled: false,
  clientAuthenticatorType: method, secret: "a secret of at least 32 characters",
  attributes: ({"oidc.ciba.grant.enabled": "true"} + attributes),
  # Without it Keycloak's access tokens are for no API.
  protocolMappers: [{
    name: "api", protocol: "openid-connect", protocolMapper: "oidc-audience-mapper",
    config: {"included.custom.audience": "https://api.example/", "access.token.claim": "true"}
  }]
};

def for_certificate: {"x509.subjectdn": "CN=client", "x509.allow.regex.pattern.comparison": "false"};

{
  realm: $realm, enabled: true, sslRequired: "all",
  attributes: $attributes,
  clients: ([
    client("secret"; "client-secret"; {}),
    client("secret-jwt"; "client-secret-jwt"; {}),
    (("RS256", "PS256", "ES256", "EdDSA") as $algorithm |
      client($algorithm; "client-jwt"; with_keys($algorithm) + {
        "token.endpoint.auth.signing.alg": $algorithm, "ciba.backchannel.auth.request.signing.alg": $algorithm})),
    client("certificate"; "client-x509"; for_certificate),
    client("bound-to-certificate"; "client-x509"; for_certificate + {"tls.client.certificate.bound.access.tokens": "true"}),
    client("dpop"; "client-secret"; {"dpop.bound.access.tokens": "true"}),
    client("ping"; "client-secret"; {
      "ciba.backchannel.token.delivery.mode": "ping",
      "ciba.backchannel.client.notification.endpoint": ($channel + "/notify")}),
    client("federated"; "federated-jwt"; {"jwt.credential.issuer": "elsewhere", "jwt.credential.sub": "repo:owner/project:ref:refs/heads/main"}),
    client("without-ciba"; "client-secret"; {"oidc.ciba.grant.enabled": "false"})
  ] | map(select(.clientId | test($clients)))),
  # Its tokens are client assertions; nobody logs in there.
  identityProviders: [{
    alias: "elsewhere", providerId: "oidc", enabled: true, hideOnLogin: true,
    config: {
      issuer: $channel, clientId: "unused", clientSecret: "unused", authorizationUrl: $channel, tokenUrl: $channel,
      useJwksUrl: "true", jwksUrl: ($channel + "/jwks"), validateSignature: "true",
      supportsClientAssertions: "true", supportsClientAssertionReuse: "true"}
  }],
  # One for each test.
  users: [range(1; 80) | {username: "user-\(.)", enabled: true, email: "user-\(.)@example.com", firstName: "User", lastName: "\(.)"}]
}
