# The realm, for Keycloak's import: jq -n --rawfile secret FILE --arg user NAME --from-file realm.jq
{
  realm: "agents", enabled: true,
  attributes: {cibaBackchannelTokenDeliveryMode: "poll", cibaExpiresIn: "600", cibaInterval: "5"},
  clients: [{
    clientId: "agent", name: "Agent", enabled: true, publicClient: false, standardFlowEnabled: false,
    clientAuthenticatorType: "client-secret", secret: ($secret | rtrimstr("\n")),
    attributes: {"oidc.ciba.grant.enabled": "true"}
  }],
  users: [{username: $user, enabled: true}]
}
