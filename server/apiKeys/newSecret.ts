import type { Kernel } from '../kernel';
import { makeKeyText } from '../keyText';
import type { ProgramKeyKind } from '../keyText';

/** A new secret: the text to show once, and the columns that keep its hash. */
export interface NewSecret {
  text: string;
  stored: { secretHash: Buffer; keyId: string };
}

/** Makes a new secret of a key. Only its keyed hash may be stored. */
export function makeSecret(
  { random, keys }: Pick<Kernel, 'random' | 'keys'>,
  kind: ProgramKeyKind,
): NewSecret {
  const text = makeKeyText(random, kind);
  return {
    text,
    stored: { secretHash: keys.hash('api-key', text), keyId: keys.ids.tokenHash },
  };
}
