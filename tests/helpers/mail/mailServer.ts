import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { sql } from 'drizzle-orm';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';
import type { MailSettings } from '@/server/config/mailSettings';
import { db } from '@/server/db';
import { closeLater } from '../server/closing';
import { pollUntil } from '../time/pollUntil';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** The decoded headers, by their names in lower case. */
  headers: Map<string, string>;
  text: string;
  raw: string;
}

/**
 * The behaviour of the server from now on.
 * - `greylist` and `refuse` answer recipients with 451 and 550.
 * - `hang` takes the text and never answers.
 * - `slow` takes a moment for each step.
 * - `dawdle` takes so long for each step that the whole takes too long.
 * - `down` disconnects everybody.
 */
type Behaviour =
  'accept' | 'greylist' | 'refuse' | 'refuseText' | 'hang' | 'slow' | 'dawdle' | 'down';

export interface MailServer {
  received: ReceivedMail[];
  /** Returns how often a client began to send a mail. */
  begun(): number;
  behave(next: Behaviour): void;
  /** Returns the settings by which an application sends its mails here. */
  settings(change?: Partial<MailSettings>, timeoutMs?: number): MailSettings;
  /** Waits for the only mail to a recipient. */
  mailTo(address: string): Promise<ReceivedMail>;
}

/** An honest server never takes this long, even on a busy machine. */
const TIMEOUT_MS = 5000;
/** Short enough that a test can wait for it. */
export const HASTY_MS = 1000;
const STEP_MS: Partial<Record<Behaviour, number>> = { slow: 50, dawdle: 900 };
/** The delay in milliseconds that the server's library makes before its greeting. */
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

/** Starts an SMTP server on this machine that keeps the mails that it accepts. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: ReceivedMail[] = [];
  let behaviour: Behaviour = 'accept';
  let begun = 0;
  /**
   * Each mail keeps the behaviour that applied when it began. A change counts from the next mail
   * on.
   */
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
      // The answer repeats the address, as real servers do.
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
  // A client that gives up in the middle causes an error here, which does not matter.
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
      if (!mail || another) throw new Error('expected exactly one mail');
      return mail;
    },
  };
}

/** Makes every claimed or waiting mail due now, as if the time had passed. */
export async function hastenMails(): Promise<void> {
  await db.execute(sql`UPDATE mails SET next_try_at = now() - interval '1 second'`);
}
