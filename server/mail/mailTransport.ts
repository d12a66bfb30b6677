import { createTransport } from 'nodemailer';
import type { NodemailerError } from 'nodemailer';
import type { Config } from '../config';
import type { Logger } from '../logger';
import type { MailFrom, SmtpSettings } from '../config/mailSettings';
import { SECOND_MS } from '../durations';
import { parseMailAddress } from '../mailAddress';
import type { MailContent } from './sealedMail';

/** A mail that was not accepted; `reason` contains no address and no text from the mail server. */
export class MailError extends Error {
  constructor(
    readonly reason: string,
    /** True if the same mail would be refused again. */
    readonly permanent: boolean,
  ) {
    super(reason);
    this.name = 'MailError';
  }
}

export interface Transport {
  /**
   * Sends a mail.
   * @param id used in the Message-ID, so that a second copy can be recognised
   * @param ending aborted when the process cannot wait any longer
   * @throws MailError
   */
  send(id: string, mail: MailContent, ending: AbortSignal): Promise<void>;
}

/** Limits the total time of a mail to this multiple of the timeout for one step. */
const STEPS = 3;

const connectionOptions = ({ host, port, tls, auth, timeoutMs }: SmtpSettings) => ({
  host,
  port,
  secure: tls === 'implicit',
  requireTLS: tls === 'required',
  ignoreTLS: tls === 'none',
  tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const },
  auth,
  dnsTimeout: timeoutMs,
  connectionTimeout: timeoutMs,
  greetingTimeout: timeoutMs,
  socketTimeout: timeoutMs,
  // A server that keeps a finished conversation open must not delay us.
  socketCloseTimeout: SECOND_MS,
  disableFileAccess: true,
  disableUrlAccess: true,
});

/** The server refused this recipient or this mail, not this client. */
const ABOUT_THE_MAIL = new Set(['EENVELOPE', 'EMESSAGE']);

function describe(error: unknown): MailError {
  const { code, responseCode, command } = error as NodemailerError;
  const steps = /^(CONN|AUTH|EHLO|HELO|STARTTLS|MAIL FROM|RCPT TO|DATA)/.exec(command ?? '');
  const parts = [code ?? 'UNKNOWN', responseCode, steps?.[0]];
  const refused = responseCode !== undefined && responseCode >= 500 && responseCode !== 503;
  // A refused sender is a configuration error that can be corrected, so it is not permanent.
  const permanent = refused && ABOUT_THE_MAIL.has(code ?? '') && steps?.[0] !== 'MAIL FROM';
  return new MailError(parts.filter((part) => part !== undefined).join(' '), permanent);
}

function createSmtpTransport(smtp: SmtpSettings, from: MailFrom): Transport {
  const transporter = createTransport(connectionOptions(smtp));
  const domain = from.address.split('@')[1] ?? 'localhost';
  return {
    async send(id, { to, subject, text }, ending) {
      const address = parseMailAddress(to)?.typed;
      if (address === undefined) throw new MailError('not an address', true);
      try {
        await transporter.sendMail({
          // The envelope is set apart from the headers, so that no part of a name is read as an
          // address.
          envelope: { from: from.address, to: [address] },
          from: { name: from.name, address: from.address },
          to: { name: '', address },
          subject,
          text,
          messageId: `<${id}@${domain}>`,
          // RFC 3834: prevents automatic replies.
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.any([ending, AbortSignal.timeout(smtp.timeoutMs * STEPS)]),
        });
      } catch (error) {
        throw describe(error);
      }
    },
  };
}

/** For development: writes the mail to the log, as one line. */
const createLogTransport = (logger: Logger): Transport => ({
  send(id, mail) {
    logger.info({ mailId: id, mail }, 'a mail was not sent, because SMTP_URL is not set');
    return Promise.resolve();
  },
});

/** @returns undefined if mails cannot be sent: in production without SMTP_URL */
export function openTransport(
  config: Pick<Config, 'mail' | 'production'>,
  logger: Logger,
): Transport | undefined {
  const { smtp, from } = config.mail;
  if (smtp && from) return createSmtpTransport(smtp, from);
  return config.production ? undefined : createLogTransport(logger);
}
