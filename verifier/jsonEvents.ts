import type { Json } from '../tlog/canonicalJson';
import { toLeafEntry } from '../tlog/leaf';
import type { SealedEvent } from '../tlog/leaf';
import { hashLeaf } from '../tlog/merkleTree';
import type { EventRow, RowDecoder } from './eventRow';
import { isInstant } from './eventRow';
import { toCanonical } from './jsonText';
import { toLeafEvent } from './leafEvent';
import type { LeafEvent } from './leafEvent';
import { decodeText, FormError, Members } from './members';

const LF = 0x0a;
/**
 * Inside a JSON string the quotation marks would be escaped, so this text can only occur between
 * two members.
 */
const NO_DETAILS = ',"details":null,"id":';
const BEFORE_DETAILS = ',"details":'.length;

function readEvent(line: string): SealedEvent {
  const members = Members.of(JSON.parse(line));
  const orNull = (name: string) => (members.isNull(name) ? null : members.text(name));
  return {
    id: members.text('id'),
    tenant_id: orNull('tenant_id'),
    occurred_at: members.text('occurred_at'),
    action: members.text('action'),
    outcome: members.text('outcome'),
    actor: members.text('actor'),
    subject: orNull('subject'),
    on_behalf_of: orNull('on_behalf_of'),
    session_id: orNull('session_id'),
    ip: orNull('ip'),
    country: orNull('country'),
    user_agent: orNull('user_agent'),
    correlation_id: members.text('correlation_id'),
    details: null,
    leaf_index: members.count('leaf_index'),
    sealed_at: members.text('sealed_at'),
  };
}

/**
 * Returns the entry of a line's event as its leaf has it.
 * @throws FormError if the line is written in another form
 */
function toEntry(event: SealedEvent, line: string): string {
  const bare = toLeafEntry(event);
  const at = bare.indexOf(NO_DETAILS) + BEFORE_DETAILS;
  const [head, tail] = [bare.slice(0, at), bare.slice(at + 'null'.length)];
  const isFramed =
    line.length >= head.length + tail.length && line.startsWith(head) && line.endsWith(tail);
  if (!isFramed) throw new FormError('its members are not those of an event in their fixed order');
  const details = toCanonical(line.slice(head.length, line.length - tail.length));
  if (details === undefined)
    throw new FormError(
      'its details are not JSON with one meaning: a name occurs twice, or the JSON is malformed',
    );
  return `${head}${details}${tail}`;
}

/** Reads the events of a file of JSON lines and computes the hashes of their leaves. */
export class JsonEvents implements RowDecoder {
  readonly header = Buffer.alloc(0);

  constructor(private readonly tenantId: string) {}

  decode(bytes: Buffer, at: number, row: EventRow): number {
    const end = bytes.indexOf(LF, at);
    if (end < 0) return -1;
    row.problem = this.read(bytes.subarray(at, end), row);
    return end + 1;
  }

  event(bytes: Buffer): LeafEvent {
    const value = JSON.parse(bytes.toString('utf8')) as Record<string, Json>;
    const member = (name: string) => {
      const text = value[name];
      return typeof text === 'string' ? text : null;
    };
    return toLeafEvent(member, Number(value['leaf_index']), value['details'] ?? null);
  }

  private read(bytes: Buffer, row: EventRow): string | undefined {
    const line = decodeText(bytes);
    if (line === undefined) return 'it is not UTF-8';
    try {
      const event = readEvent(line);
      row.hash = hashLeaf(Buffer.from(toEntry(event, line)));
      row.leaf = event.leaf_index;
      row.id = event.id;
      row.occurredAt = event.occurred_at;
      row.sealedAt = event.sealed_at;
      row.action = event.action;
      if (event.tenant_id !== this.tenantId) {
        return `it belongs to ${event.tenant_id === null ? 'no tenant' : `tenant ${event.tenant_id}`}`;
      }
      if (!isInstant(event.occurred_at) || !isInstant(event.sealed_at)) {
        return 'its times are not written as UTC with milliseconds';
      }
      return undefined;
    } catch (error) {
      return error instanceof FormError ? error.message : 'it is no JSON';
    }
  }
}
