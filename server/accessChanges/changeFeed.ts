import type { ChangeReader, Turn } from './changeReader';
import { faultOf, parseCursor, toCursor } from './changeCursor';
import type { CursorFault } from './changeCursor';
import type { Reading, StoredChange } from './changeStore';

/** Why a guard has to forget everything that it holds. */
export type Reset = CursorFault | 'everything';

/** A change as a message names it. */
export type NamedChange =
  | { kind: 'session'; tenantId: string; sessionId: string }
  | { kind: 'staff'; tenantId: string; userId: string; staffId: string }
  | { kind: 'user'; userId: string }
  | { kind: 'tenant'; tenantId: string }
  | { kind: 'api_key'; tenantId: string; apiKeyId: string }
  | { kind: 'service_key'; serviceKeyId: string };

/** One message to a guard. */
export interface ChangeMessage {
  /** Where the guard continues after a reconnect. */
  cursor: string;
  /**
   * How long after the guard's request arrived this reading began, in milliseconds. Everything that
   * was committed before then has been delivered. Null if the message vouches for nothing.
   */
  elapsedMs: number | null;
  /** The ids of the keys with which this node accepts access tokens. */
  keys: readonly string[];
  reset?: Reset;
  changes: NamedChange[];
  /** The age of the oldest change when it was read, in milliseconds, by the database's clock. */
  oldestMs?: number;
}

/** The messages to one guard. */
export interface ChangeFeed {
  close(): void;
}

interface FeedOptions {
  reader: ChangeReader;
  /** The cursor that the guard sent, if it sent one. */
  cursor: string | undefined;
  /** When its request arrived, by this node's monotonic clock, in milliseconds. */
  receivedAt: number;
  /** The longest pause between two messages, in milliseconds. */
  heartbeatMs: number;
  /** The ids of the keys with which this node accepts access tokens. */
  keys: readonly string[];
  onMessage: (message: ChangeMessage) => void;
}

/** Returns a change with the names of its ids; undefined for one that names none. */
function nameChange({ kind, tenantId, userId, subjectId }: StoredChange): NamedChange | undefined {
  const [tenant, user, subject] = [tenantId ?? '', userId ?? '', subjectId ?? ''];
  switch (kind) {
    case 'session':
      return { kind, tenantId: tenant, sessionId: subject };
    case 'staff':
      return { kind, tenantId: tenant, userId: user, staffId: subject };
    case 'user':
      return { kind, userId: user };
    case 'tenant':
      return { kind, tenantId: tenant };
    case 'api_key':
      return { kind, tenantId: tenant, apiKeyId: subject };
    case 'service_key':
      return { kind, serviceKeyId: subject };
    case 'everything':
      return undefined;
  }
}

interface Found {
  beganAt: number | undefined;
  reading: Reading;
  changes: readonly StoredChange[];
  reset?: Reset | undefined;
}

/** Builds the message about a reading for a guard whose request arrived at a moment. */
function toMessage(
  { beganAt, reading, changes, reset }: Found,
  { receivedAt, keys }: Pick<FeedOptions, 'receivedAt' | 'keys'>,
): ChangeMessage {
  const vouches = reading.sound && beganAt !== undefined && beganAt >= receivedAt;
  const everything = changes.some(({ kind }) => kind === 'everything') ? 'everything' : undefined;
  const forget = reset ?? everything;
  const oldestMs = Math.max(0, ...changes.map(({ ageMs }) => Math.round(ageMs)));
  return {
    cursor: toCursor(reading),
    // Rounded down: a guard must never believe that it knows more.
    elapsedMs: vouches ? Math.floor(beganAt - receivedAt) : null,
    keys,
    ...(forget ? { reset: forget } : {}),
    changes: changes.flatMap((change) => nameChange(change) ?? []),
    ...(changes.length > 0 ? { oldestMs } : {}),
  };
}

/** Reads what the guard has missed since its cursor. */
async function catchUp({ reader, cursor }: FeedOptions): Promise<Found> {
  const place = parseCursor(cursor);
  const { beganAt, reading } = await reader.readOnce({ from: place?.xmin.toString() });
  const reset = faultOf(place, reading);
  return { beganAt, reading, changes: reset ? [] : reading.changes, reset };
}

/**
 * Sends a guard first what it has missed, and then each change as soon as it is visible. It listens
 * before it reads what was missed, so that nothing falls between the two; a change can come twice.
 * @returns the feed; `onMessage` gets the first message before the promise resolves
 * @throws the driver's error if what was missed could not be read
 */
export async function openFeed(options: FeedOptions): Promise<ChangeFeed> {
  const { reader, heartbeatMs, onMessage } = options;
  const early: Turn[] = [];
  let sentAt: number | undefined;
  let vouched = false;

  function send(found: Found): void {
    const message = toMessage(found, options);
    sentAt = performance.now();
    vouched = message.elapsedMs !== null;
    onMessage(message);
  }
  function take({ beganAt, reading, changes, newEpoch }: Turn): void {
    const due = sentAt === undefined || performance.now() - sentAt >= heartbeatMs;
    const sound = beganAt !== undefined && reading.sound;
    if (!due && changes.length === 0 && !newEpoch && sound === vouched) return;
    send({ beganAt, reading, changes, reset: newEpoch ? 'new_epoch' : undefined });
  }
  let listener = (turn: Turn): void => void early.push(turn);
  const stop = reader.listen((turn) => listener(turn));
  try {
    send(await catchUp(options));
  } catch (error) {
    stop();
    throw error;
  }
  for (const turn of early) take(turn);
  listener = take;
  return { close: stop };
}
