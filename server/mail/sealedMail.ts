import { z } from 'zod';
import type { KeyRing } from '../keyRing';

/** What a mail says, and to whom. */
export interface MailContent {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const content = z.strictObject({ to: z.string(), subject: z.string(), text: z.string() });
/** What a sealed mail is bound to. */
export const boundToMail = (id: string) => `mail:${id}`;

/** Encrypted for its row alone: in another row it cannot be opened. */
export const sealMail = (keys: KeyRing, id: string, mail: MailContent): Buffer =>
  keys.seal(Buffer.from(JSON.stringify(mail)), boundToMail(id));

/** @returns null for what was sealed with another key or for another row */
export function openMail(keys: KeyRing, id: string, sealed: Buffer | null): MailContent | null {
  if (sealed === null) return null;
  try {
    return content.parse(JSON.parse(keys.open(sealed, boundToMail(id)).toString()));
  } catch {
    return null;
  }
}
