import { BUILT_IN_PERMISSIONS } from '../permissions';
import { SERVICE_SCOPE_NAMES } from '../serviceScopes';

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
  name: { takes: 'N', says: 'The name shown to people.' },
  tenant: { takes: 'S', says: "The tenant's slug." },
  yes: { says: 'Confirms that you mean it: the command cannot be undone.' },
  email: { takes: 'E', says: "The person's e-mail address." },
  staff: { takes: 'ID', says: 'The id of a staff member, instead of the address.' },
  permissions: {
    takes: 'A,B',
    says: `The permissions to give; none if omitted. Choose from ${BUILT_IN_PERMISSIONS.join(', ')}.`,
  },
  link: { says: 'Print a link to hand over, once, and send no mail.' },
  mail: { says: 'Send the link by mail.' },
  invitation: { takes: 'ID', says: 'The id of an invitation.' },
  impersonation: { takes: 'ID', says: 'The id of an impersonation, as the list shows it.' },
  set: {
    takes: 'A,B',
    says: 'All permissions that the person should have; an empty list removes all.',
  },
  add: { takes: 'A,B', says: 'Permissions to add.' },
  remove: { takes: 'C', says: 'Permissions to remove.' },
  'password-stdin': { says: 'Read the password from stdin.' },
  'no-password': {
    says: 'The person is new and gets no password. They can set one by the link that "forgot password" mails.',
  },
  'ends-at': {
    takes: 'INSTANT',
    says: 'When the membership ends by itself, such as 2027-01-31T17:00:00Z.',
  },
  never: { says: 'The membership has no end.' },
  existing: {
    says: 'The person is already on the staff of another tenant, and keeps their password.',
  },
  totp: { says: 'Enrol a TOTP factor, and print its secret once.' },
  'last-administrator': {
    says: 'Do it although nobody who can administer the tenant is left.',
  },
  reason: { takes: 'TEXT', says: 'The reason, for the audit log.' },
  all: { says: 'Everybody who is signed in to the tenant.' },
  compromised: { says: 'Somebody else had a session: the next login needs a second proof.' },
  'expire-password': { says: 'Expire the password: nobody can sign in with it any more.' },
  since: { takes: 'INSTANT', says: 'The beginning of the period, such as 2026-01-31T08:00:00Z.' },
  until: { takes: 'INSTANT', says: 'The end of the period, such as 2026-01-31T08:00:05Z.' },
  file: { takes: 'F', says: 'A JSON file; the one in PERMISSIONS_FILE if omitted.' },
  description: { takes: 'D', says: 'One line that says what the role is for.' },
  'dry-run': { says: 'Only count; change nothing.' },
  session: { takes: 'ID', says: 'The id of a session, as `staff sessions` lists it.' },
  search: { takes: 'TEXT', says: 'Only people whose address or name contains this text.' },
  locked: { says: 'Only people who are locked out after failed attempts.' },
  to: { takes: 'X', says: 'The new value.' },
  ticket: {
    takes: 'T',
    says: 'The reason, such as a ticket number; it is stored in the audit log.',
  },
  approval: { takes: 'ID', says: 'The id of a request for an approval.' },
  status: {
    takes: 'X',
    says: 'Only requests with this status: open, approved, refused, withdrawn or ended.',
  },
  needed: { takes: 'X', says: 'Either yes or no.' },
  env: { says: 'Print lines for a .env file instead of JSON.' },
  secret: { takes: 'BASE32', says: 'A TOTP secret.' },
  setting: { takes: 'NAME', says: 'One key setting, such as ENCRYPTION_KEY; all if omitted.' },
  role: { takes: 'NAME', says: 'The Postgres role that the server connects as.' },
  log: { takes: 'ID', says: 'The id of a log, as it appears in checkpoints.' },
  leaf: { takes: 'N', says: 'The index of an event in its log.' },
  connection: { takes: 'ID', says: 'The id of a connection, as the list shows it.' },
  key: { takes: 'ID', says: 'The id of a key, as the list shows it.' },
  scope: { takes: 'A,B', says: `What the key allows: ${SERVICE_SCOPE_NAMES.join(', ')}.` },
  address: {
    takes: 'A,B',
    says: 'The addresses and CIDR ranges from which the key can be used; all if omitted.',
  },
  'expires-in-days': {
    takes: 'N',
    says: 'The life of the key, 1 to 366; it has no end if omitted.',
  },
  'overlap-hours': {
    takes: 'N',
    says: 'For how many hours the text before stays valid: 0 to 168; 24 if omitted.',
  },
  hash: { takes: 'H', says: 'The leaf hash that the receiver has for that event.' },
};
