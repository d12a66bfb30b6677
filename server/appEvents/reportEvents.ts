import { createHash } from 'node:crypto';
import { z } from 'zod';
import { insertReportedRows } from '../audit';
import type { ReportedRow } from '../audit';
import type { RequestContext, ServiceCaller } from '../context';
import { isRowId } from '../db/ids';
import type { Tx } from '../db';
import { AppError } from '../errors';
import type { Kernel } from '../kernel';
import { compileDetails } from './compileDetails';
import { firstIdOf, idsOf } from './eventIds';
import { claimBatch, findTypeSchemas, parseSchema } from './reportEventStore';
import type { TypeSchema } from './reportEventStore';
import type { Reported } from './reportInput';
import { findNamed } from './reportedMemberStore';
import type { Found, Named } from './reportedMemberStore';

/** A batch of events, and the service that reports it. */
export interface Report {
  readonly service: Pick<ServiceCaller, 'keyId'>;
  readonly idempotencyKey: string;
  /** The events as they were sent. */
  readonly sent: unknown;
  readonly events: readonly Reported[];
}

type Issue = Pick<z.core.$ZodIssue, 'path' | 'message'>;

/** Validators by the text of their schema. A schema that changes has another text. */
const compiled = new Map<string, z.ZodType>();
const MOST_COMPILED = 2000;

function validatorOf(type: TypeSchema): z.ZodType {
  const known = compiled.get(type.text);
  if (known) return known;
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  const made = compileDetails(parseSchema(type));
  compiled.set(type.text, made);
  return made;
}

const sha256 = (text: string) => createHash('sha256').update(text).digest();

const STAFF = 'staff:';

/** Returns the member whom an event has as its subject. */
const staffSubject = ({ subject }: Reported) =>
  subject?.startsWith(STAFF) ? subject.slice(STAFF.length) : undefined;

const tenantOf = ({ tenant }: Reported) =>
  isRowId(tenant) ? { id: tenant.toLowerCase() } : { slug: tenant };

/** Looks up the tenants and the members that all events name, each combination once. */
async function lookUp(tx: Tx, events: readonly Reported[]) {
  const places = new Map<string, number>();
  const names: Named[] = [];
  const place = (named: Named): number => {
    const text = JSON.stringify(named);
    const known = places.get(text);
    if (known !== undefined) return known;
    places.set(text, names.length);
    return names.push(named) - 1;
  };
  const asked = events.map((event) => {
    const tenant = tenantOf(event);
    const { actor, onBehalfOf } = event;
    const subject = staffSubject(event);
    return {
      actor: place(actor && !('name' in actor) ? { tenant, member: actor } : { tenant }),
      onBehalfOf: onBehalfOf && place({ tenant, member: onBehalfOf }),
      subject:
        subject !== undefined && isRowId(subject)
          ? place({ tenant, member: { staffId: subject } })
          : undefined,
    };
  });
  const found = await findNamed(tx, names);
  const at = (index: number | undefined) => (index === undefined ? undefined : found[index]);
  return asked.map(({ actor, subject, onBehalfOf }) => ({
    ...{ actor: at(actor), subject: at(subject), onBehalfOf: at(onBehalfOf) },
  }));
}

type Names = Awaited<ReturnType<typeof lookUp>>[number];
const NOBODY: Names = { actor: undefined, subject: undefined, onBehalfOf: undefined };

/** Returns what is wrong with the member as whom the actor acts: both are members, and not the same one. */
function faultsOfBoth(event: Reported, { actor, onBehalfOf }: Names): Issue[] {
  if (event.onBehalfOf === undefined) return [];
  const path = ['onBehalfOf'];
  if (onBehalfOf?.staffId === undefined) return [{ path, message: 'is no member of this tenant' }];
  if (event.actor === undefined || 'name' in event.actor) {
    return [{ path, message: 'needs an actor who is a member of this tenant' }];
  }
  return actor?.staffId === onBehalfOf.staffId ? [{ path, message: 'is the actor' }] : [];
}

/** Returns what is wrong with the names of an event. */
function faultsOfNames(event: Reported, names: Names): Issue[] {
  const { actor, subject } = names;
  if (actor?.tenantId === undefined) {
    return [{ path: ['tenant'], message: 'is unknown, or was deleted' }];
  }
  const isMember = event.actor === undefined || 'name' in event.actor;
  return [
    ...(isMember || actor.staffId !== undefined
      ? []
      : [{ path: ['actor'], message: 'is no member of this tenant' }]),
    ...(staffSubject(event) === undefined || subject?.staffId !== undefined
      ? []
      : [{ path: ['subject'], message: 'is no member of this tenant' }]),
    ...faultsOfBoth(event, names),
  ];
}

/** Returns what is wrong with the details of an event. */
function faultsOfDetails(event: Reported, type: TypeSchema | undefined): Issue[] {
  if (!type) return [{ path: ['action'], message: 'is not a declared type of event' }];
  const checked = validatorOf(type).safeParse(event.details ?? {});
  if (checked.success) return [];
  return checked.error.issues.map((issue) => ({ ...issue, path: ['details', ...issue.path] }));
}

function actorOf(event: Reported, found: Found | undefined, ctx: RequestContext): string {
  if (event.actor === undefined) return ctx.actor;
  return 'name' in event.actor ? `reported:${event.actor.name}` : (found?.staffId ?? ctx.actor);
}

/** The names of the values that the service reported and Gatehouse did not observe. */
const reportedIn = (event: Reported) =>
  (['actor', 'onBehalfOf', 'subject', 'address', 'correlationId', 'outcome'] as const).filter(
    (name) => event[name] !== undefined,
  );

/** Builds the row of a valid event. The statements of the service are marked as reported. */
function toRow(event: Reported, id: string, names: Names, ctx: RequestContext, by: string) {
  const { action, subject, address, correlationId, outcome, details, occurredAt } = event;
  const row: ReportedRow = {
    id,
    tenant_id: names.actor?.tenantId ?? '',
    action: action as ReportedRow['action'],
    outcome: outcome ?? 'success',
    actor: actorOf(event, names.actor, ctx),
    on_behalf_of: names.onBehalfOf?.staffId ?? null,
    subject: subject?.startsWith(STAFF) ? subject.toLowerCase() : (subject ?? null),
    ip: address ?? null,
    correlation_id: correlationId ?? ctx.correlationId,
    details: {
      fields: details ?? {},
      reportedBy: by,
      reported: reportedIn(event),
      ...(occurredAt !== undefined && { reportedTime: new Date(occurredAt).toISOString() }),
    },
  };
  return row;
}

/** @throws ZodError that names each wrong field, by the place of its event */
async function assertValid(tx: Tx, events: readonly Reported[]): Promise<Names[]> {
  const names = await lookUp(tx, events);
  const actions = [...new Set(events.map(({ action }) => action))];
  const types = new Map((await findTypeSchemas(tx, actions)).map((type) => [type.name, type]));
  const issues = events.flatMap((event, at) =>
    [
      ...faultsOfNames(event, names[at] ?? NOBODY),
      ...faultsOfDetails(event, types.get(event.action)),
    ].map(({ path, message }) => ({
      ...{ code: 'custom' as const, input: undefined, message },
      path: ['events', at, ...path],
    })),
  );
  if (issues.length > 0) throw new z.ZodError(issues);
  return names;
}

/**
 * Writes a batch of events into the audit log: all of them, or none. The same batch with the same
 * key is written once, also by two nodes at the same time.
 * @returns the ids of the events, in their order
 * @throws ZodError that names each wrong field; AppError IDEMPOTENCY_KEY_REUSED; the driver's error
 */
export async function reportEvents(
  { db, random }: Pick<Kernel, 'db' | 'random'>,
  ctx: RequestContext,
  { service, idempotencyKey, sent, events }: Report,
): Promise<string[]> {
  const batch = {
    serviceKeyId: service.keyId,
    keyHash: sha256(idempotencyKey),
    digest: sha256(JSON.stringify(sent)),
    firstEventId: firstIdOf(random.id()),
    events: events.length,
  };
  return db.transaction(async (tx) => {
    const claimed = await claimBatch(tx, batch);
    if (!claimed.digest.equals(batch.digest)) throw new AppError('IDEMPOTENCY_KEY_REUSED');
    const ids = idsOf(claimed.firstEventId, claimed.events);
    if (claimed !== batch) return ids;
    const names = await assertValid(tx, events);
    const rows = events.flatMap((event, at) => {
      const [id, found] = [ids[at], names[at]];
      return id && found ? [toRow(event, id, found, ctx, service.keyId)] : [];
    });
    await insertReportedRows(tx, rows);
    return ids;
  });
}
