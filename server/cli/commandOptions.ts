import { PERMISSIONS } from '../permissions';

interface CommandOption {
  /** The placeholder of its value in a usage line; without one the option takes no value. */
  readonly takes?: string;
  readonly says: string;
}

/**
 * Every option of every command, with its sentence in the help. The usage line of a command names
 * the options that it takes.
 */
export const COMMAND_OPTIONS: Readonly<Record<string, CommandOption>> = {
  slug: { takes: 'S', says: 'The short name: 1 to 63 lower-case letters, digits and hyphens.' },
  name: { takes: 'N', says: 'The name that people read.' },
  tenant: { takes: 'S', says: "The tenant's slug." },
  email: { takes: 'E', says: "The person's e-mail address." },
  staff: { takes: 'ID', says: 'The id of a staff member, in place of the address.' },
  permissions: {
    takes: 'A,B',
    says: `What the person may do, of ${Object.keys(PERMISSIONS).join(', ')}; none if omitted.`,
  },
  set: { takes: 'A,B', says: "All of the person's permissions; an empty list takes all away." },
  add: { takes: 'A,B', says: 'Permissions to give.' },
  remove: { takes: 'C', says: 'Permissions to take away.' },
  'password-stdin': { says: 'Read the password from stdin.' },
  existing: { says: 'The person is staff of another tenant; they keep the password they have.' },
  totp: { says: 'Enrol a TOTP factor, and print its secret once.' },
  compromised: { says: 'Somebody else had a session: the next login takes a second proof.' },
  'expire-password': { says: 'The password signs nobody in any more.' },
  since: { takes: 'INSTANT', says: 'Since when, such as 2026-01-31T08:00:00Z.' },
  until: { takes: 'INSTANT', says: 'Until when, such as 2026-01-31T08:00:05Z.' },
  'dry-run': { says: 'Only count; change nothing.' },
  locked: { says: 'Only people whom failed attempts have locked.' },
  to: { takes: 'X', says: 'The new value.' },
  ticket: {
    takes: 'T',
    says: 'Your reason, such as the number of a ticket; the audit log keeps it.',
  },
  env: { says: 'Print lines for a .env file, in place of JSON.' },
  secret: { takes: 'BASE32', says: 'A TOTP secret.' },
  setting: { takes: 'NAME', says: 'One key setting, such as ENCRYPTION_KEY; all if omitted.' },
  role: { takes: 'NAME', says: 'A role of Postgres that the server connects as.' },
  log: { takes: 'ID', says: 'The id of a log, as checkpoints name it.' },
  leaf: { takes: 'N', says: 'The index of an event in its log.' },
  hash: { takes: 'H', says: 'The leaf hash that the receiver has there.' },
};
