export { boundToConnection, openClientSecret, sealClientSecret } from './connectionSecret';
export {
  insertConnection,
  listConnectionRows,
  readSealedSecret,
  replaceClientSecret,
  updateConnection,
} from './connectionStore';
export type { ConnectionColumns, ConnectionRow } from './connectionStore';
export { describeConnection, endpointsOf } from './describeConnection';
export { endAllConnections, endConnection } from './endConnections';
export { SIGNING_ALGORITHMS, TOKEN_AUTH_METHODS, providerMetadata } from './providerMetadata';
export type { ProviderMetadata, SigningAlgorithm, TokenAuthMethod } from './providerMetadata';
