import type { KeyRing } from '../keyRing';

interface ConnectionIdentity {
  readonly tenantId: string;
  readonly id: string;
}

/**
 * Returns the context to which a sealed client secret is bound: copied to another connection or
 * another tenant, it cannot be decrypted.
 */
export const boundToConnection = ({ tenantId, id }: ConnectionIdentity): string =>
  `sso-connection:${tenantId}:${id}`;

/** Seals a client secret, and names the key. */
export const sealClientSecret = (keys: KeyRing, row: ConnectionIdentity, secret: string) => ({
  secretSealed: keys.seal(Buffer.from(secret), boundToConnection(row)),
  secretKeyId: keys.ids.encryption,
});

/** @returns null if it was sealed for another connection or under another key */
export function openClientSecret(
  keys: KeyRing,
  row: ConnectionIdentity,
  sealed: Buffer,
): string | null {
  try {
    return keys.open(sealed, boundToConnection(row)).toString();
  } catch {
    return null;
  }
}
