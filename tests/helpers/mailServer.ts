import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { sql } from 'drizzle-orm';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';
import type { MailSettings } from '@/server/mailSettings';
import { db } from '@/server/db';
import { closeLater } from './closing';
import { pollUntil } from './pollUntil';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** By their names in lower case, decoded. */
  headers: Map<string, string>;
  text: string;
  raw: string;
}

/**
 * What the server does from now on: `greylist` and `refuse` answer recipients with 451 and 550, `hang` takes the text
 * and never answers, `slow` takes a moment for each step and `dawdle` so long that the whole takes too long, `down` hangs
 * up on everybody.
 */
type Behaviour =
  'accept' | 'greylist' | 'refuse' | 'refuseText' | 'hang' | 'slow' | 'dawdle' | 'down';

export interface MailServer {
  received: ReceivedMail[];
  /** How often somebody began to send a mail. */
  begun(): number;
  behave(next: Behaviour): void;
  /** Settings by which an application sends its mails here. */
  settings(change?: Partial<MailSettings>, timeoutMs?: number): MailSettings;
  /** Waits for the only mail to a recipient. */
  mailTo(address: string): Promise<ReceivedMail>;
}

/** Long enough that an honest server never meets it, on a busy machine either. */
const TIMEOUT_MS = 5000;
/** Not so long that a test which waits for it would notice. */
export const HASTY_MS = 1000;
const STEP_MS: Partial<Record<Behaviour, number>> = { slow: 50, dawdle: 900 };
/** The server waits by itself before it greets. */
const GREETING_MS = 150;

const decodeQuoted = (text: string) =>
  Buffer.from(
    text
      .replaceAll(/=\r?\n/g, '')
      .replaceAll(/=([0-9A-F]{2})/gi, (_all, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      ),
    'latin1',
  ).toString('utf8');

const decodeWords = (value: string) =>
  value
    .replaceAll(/(\?=)\s+(=\?)/g, '$1$2')
    .replaceAll(/=\?utf-8\?([QB])\?([^?]*)\?=/gi, (_all, kind: string, word: string) =>
      kind.toUpperCase() === 'B'
        ? Buffer.from(word, 'base64').toString('utf8')
        : decodeQuoted(word.replaceAll('_', ' ')),
    );

function parse(raw: string): Pick<ReceivedMail, 'headers' | 'text'> {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), decodeWords(line.slice(colon + 1).trim())];
    }),
  );
  const body = raw.slice(end + 4);
  const encoding = headers.get('content-transfer-encoding');
  const text =
    encoding === 'base64'
      ? Buffer.from(body, 'base64').toString('utf8')
      : encoding === 'quoted-printable'
        ? decodeQuoted(body)
        : body;
  return { headers, text: text.replaceAll('\r\n', '\n') };
}

const refusal = (responseCode: number, message: string) =>
  Object.assign(new Error(message), { responseCode });

/** An SMTP server on this machine that keeps what it accepts. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: ReceivedMail[] = [];
  let behaviour: Behaviour = 'accept';
  let begun = 0;
  /** A mail meets to its end what was in force when it began: a change counts from the next one on. */
  const met = new Map<string, Behaviour>();
  const step = (done: () => void, during = behaviour, lessMs = 0) => {
    const ms = STEP_MS[during];
    if (ms === undefined) done();
    else setTimeout(done, ms - lessMs);
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 10,
    onConnect: (_session, done) =>
      step(() => done(behaviour === 'down' ? refusal(421, 'away') : null), behaviour, GREETING_MS),
    onMailFrom(_address, { id }, done) {
      begun += 1;
      met.set(id, behaviour);
      step(() => done());
    },
    onRcptTo({ address }, { id }, done) {
      const now = met.get(id);
      // As servers do, it repeats the address.
      if (now === 'greylist') return done(refusal(451, `4.7.1 <${address}> try later`));
      if (now === 'refuse') return done(refusal(550, `5.1.1 <${address}> is unknown here`));
      return step(() => done(), now);
    },
    onData(stream, { id, envelope }, done) {
      const now = met.get(id);
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (now === 'hang') return;
        if (now === 'refuseText') return done(refusal(554, '5.6.0 not with this text'));
        const raw = Buffer.concat(chunks).toString('latin1');
        const from = envelope.mailFrom ? envelope.mailFrom.address : '';
        const to = envelope.rcptTo.map(({ address }) => address);
        received.push({ from, to, raw, ...parse(raw) });
        step(() => done(), now);
      });
    },
    ...options,
  });
  // A client that gives up in the middle is no trouble of ours.
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  closeLater(() => new Promise<void>((resolve) => server.close(resolve)));
  const { port } = server.server.address() as AddressInfo;
  return {
    received,
    begun: () => begun,
    behave: (next) => void (behaviour = next),
    settings: (change = {}, timeoutMs = TIMEOUT_MS) => ({
      smtp: { host: '127.0.0.1', port, tls: 'none', auth: undefined, timeoutMs },
      from: { name: 'Gatehouse', address: 'security@gatehouse.example' },
      publicUrl: 'https://id.example',
      ...change,
    }),
    async mailTo(address) {
      const find = () => Promise.resolve(received.filter(({ to }) => to.includes(address)));
      const [mail, another] = await pollUntil('a mail arrives', find, ({ length }) => length > 0);
      if (!mail || another) throw new Error('there is more than one mail');
      return mail;
    },
  };
}

/** Lets what is claimed, or waits for its next try, be due now: as if the time had passed. */
export async function hastenMails(): Promise<void> {
  await db.execute(sql`UPDATE mails SET next_try_at = now() - interval '1 second'`);
}
