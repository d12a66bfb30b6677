import { z } from 'zod';
import type { KeyRing } from '../keyRing';

/** Recipient and content of a mail. */
export interface MailContent {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const content = z.strictObject({ to: z.string(), subject: z.string(), text: z.string() });
/** Returns the context to which a sealed mail is bound. */
export const boundToMail = (id: string) => `mail:${id}`;

/** Encrypts a mail for its own row: copied to another row it cannot be decrypted. */
export const sealMail = (keys: KeyRing, id: string, mail: MailContent): Buffer =>
  keys.seal(Buffer.from(JSON.stringify(mail)), boundToMail(id));

/** @returns null if it was sealed with another key or for another row */
export function openMail(keys: KeyRing, id: string, sealed: Buffer | null): MailContent | null {
  if (sealed === null) return null;
  try {
    return content.parse(JSON.parse(keys.open(sealed, boundToMail(id)).toString()));
  } catch {
    return null;
  }
}
