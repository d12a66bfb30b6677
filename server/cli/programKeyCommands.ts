import { API_KEY_STATUSES, listApiKeys, revokeApiKey } from '../tenants';
import {
  createServiceKey,
  listServiceKeys,
  revokeServiceKey,
  rotateServiceKey,
  serviceKeyInput,
  serviceRotationInput,
} from '../service';
import { SERVICE_SCOPE_NAMES } from '../serviceScopes';
import type { ServiceScope } from '../serviceScopes';
import type { CommandTable } from './command';
import { CommandError } from './commandError';
import { tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { listOf, oneOf, optional, required } from './options';
import type { Options } from './options';

/** Read at a time, until all are listed. */
const PAGE = 200;
const HOUR_SEC = 3600;

/** @throws CommandError if the option is not a whole number from `least` to `most` */
function wholeOption(
  options: Options,
  name: string,
  { least, most }: { least: number; most: number },
): number | undefined {
  const given = optional(options, name);
  if (given === undefined) return undefined;
  const number = /^\d{1,4}$/.test(given) ? Number(given) : -1;
  if (number >= least && number <= most) return number;
  throw new CommandError(`--${name} must be a whole number from ${least} to ${most}.`);
}

const daysOf = (options: Options) =>
  wholeOption(options, 'expires-in-days', { least: 1, most: 366 });

function scopesOf(options: Options): ServiceScope[] {
  const names = listOf(options, 'scope');
  const scopes = SERVICE_SCOPE_NAMES.filter((one) => names.includes(one));
  if (
    names.length > 0 &&
    names.every((one) => SERVICE_SCOPE_NAMES.some((known) => known === one))
  ) {
    return scopes;
  }
  throw new CommandError(`--scope must be one or more of ${SERVICE_SCOPE_NAMES.join(', ')}.`);
}

function createServiceKeyCommand(options: Options, invocation: Invocation) {
  const parsed = serviceKeyInput.safeParse({
    name: required(options, 'name'),
    scopes: scopesOf(options),
    addresses: listOf(options, 'address'),
    expiresInDays: daysOf(options),
  });
  if (!parsed.success) {
    throw new CommandError(
      '--name must be one line of 1 to 100 characters, and --address a list of addresses and CIDR ranges.',
    );
  }
  return asWriter(options, invocation, ({ deps, ctx }) => createServiceKey(deps, ctx, parsed.data));
}

function rotateServiceKeyCommand(options: Options, invocation: Invocation) {
  const id = required(options, 'key');
  const hours = wholeOption(options, 'overlap-hours', { least: 0, most: 168 });
  const input = serviceRotationInput.parse({
    overlapSec: hours === undefined ? undefined : hours * HOUR_SEC,
    expiresInDays: daysOf(options),
  });
  return asWriter(options, invocation, ({ deps, ctx }) =>
    orNoSuch('service key', id, rotateServiceKey(deps, ctx, { id, ...input })),
  );
}

function revokeServiceKeyCommand(options: Options, invocation: Invocation) {
  const id = required(options, 'key');
  return asWriter(options, invocation, async ({ deps, ctx }) => {
    await orNoSuch('service key', id, revokeServiceKey(deps, ctx, id));
    return { keyId: id, revoked: true };
  });
}

function listServiceKeysCommand(_options: Options, invocation: Invocation) {
  return asOperator(invocation, async ({ deps }) => ({ keys: await listServiceKeys(deps.db) }));
}

function listApiKeysCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const status = oneOf(options, 'status', API_KEY_STATUSES);
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, slug);
    const keys = [];
    let cursor: string | undefined;
    do {
      const page = await listApiKeys(operator.deps, tenantId, { status, cursor, limit: PAGE });
      keys.push(...page.keys);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return { tenantId, keys };
  });
}

function revokeApiKeyCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const id = required(options, 'key');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const revoked = revokeApiKey(deps, ctx, { via: 'operator', tenantId }, id);
    await orNoSuch('API key', id, revoked);
    return { tenantId, keyId: id, revoked: true };
  });
}

const EXAMPLE_ID = '0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11';

/** The commands of keys for programs. */
export const PROGRAM_KEY_COMMANDS: CommandTable = {
  'service-key create': {
    summary: 'Creates a key for a program of the team, and prints it once.',
    usage: '--name N --scope A,B [--address A,B] [--expires-in-days N]',
    example: "--name 'Billing job' --scope tenants:manage --address 10.0.0.0/8",
    says: { name: 'The name of the key: one line of 1 to 100 characters.' },
    writes: true,
    run: createServiceKeyCommand,
  },
  'service-key list': {
    summary: 'Lists every service key, newest first, without its text.',
    usage: '',
    example: '',
    run: listServiceKeysCommand,
  },
  'service-key rotate': {
    summary: 'Gives a service key a new text, and prints it once.',
    usage: '--key ID [--overlap-hours N] [--expires-in-days N]',
    example: `--key ${EXAMPLE_ID} --overlap-hours 24`,
    says: { 'expires-in-days': 'A new life in days, 1 to 366; the expiry stays if omitted.' },
    writes: true,
    run: rotateServiceKeyCommand,
  },
  'service-key revoke': {
    summary: 'Revokes a service key at once.',
    usage: '--key ID',
    example: `--key ${EXAMPLE_ID}`,
    writes: true,
    run: revokeServiceKeyCommand,
  },
  'api-key list': {
    summary: 'Lists the API keys of a tenant, newest first, without their text.',
    usage: '--tenant S [--status X]',
    example: '--tenant globex --status live',
    says: { status: 'Only those that are live, expired or revoked.' },
    run: listApiKeysCommand,
  },
  'api-key revoke': {
    summary: 'Revokes an API key of a tenant at once.',
    usage: '--tenant S --key ID',
    example: `--tenant globex --key ${EXAMPLE_ID}`,
    writes: true,
    run: revokeApiKeyCommand,
  },
};
