/**
 * Thrown if the embedded database cannot be used; the message is one plain sentence for the
 * operator.
 */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}
