import { eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { users } from '@/server/db/schema';
import { auditOf } from '../database/authRows';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeededAuth } from '../seedAuth';
import { pollUntil } from '../time/pollUntil';
import { openMailNode } from './mailNode';
import { startMailServer } from './mailServer';

let made = 0;

/** Returns an address that nobody has. */
export const newAddress = () => `new-${process.pid}-${(made += 1)}@elsewhere.example`;

/** Opens a link as a mail scanner or a browser does. */
export const openLink = (app: Express, path: string) => request(app).get(path);

/** Sends the form of a page as a browser does. */
export const pressButton = (app: Express, path: string) =>
  request(app).post(path).set('content-type', 'application/x-www-form-urlencoded').send('');

/** The password of seeded people. */
export const OWN_PASSWORD = 'a long enough password';

/** Asks for a change of address without the gate, which has tests of its own. */
export const askForAddress = (
  app: Express,
  token: string,
  email: unknown,
  currentPassword = OWN_PASSWORD,
) =>
  request(app)
    .post('/api/auth/email')
    .set({ authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' })
    .send({ email, currentPassword });

/** Returns the path of the link in a mail. */
export const pathIn = (text = '') => /https:\/\/id\.example(\/\S+)/.exec(text)?.[1] ?? '';

export const addressOf = async (userId: string) => {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  return row?.email;
};

/** A change of address that waits for its confirmation. */
export interface AskedChange {
  who: SeededAuth;
  email: string;
  /** The path of the link in the mail to the new address. */
  path: string;
}

/** Opens a mail server, and a node that sends its mails there. */
export async function openEmailScene() {
  const server = await startMailServer();
  const node = openMailNode(server);
  return {
    server,
    node,
    /** Waits for so many mails to an address. */
    mailsTo: (address: string, subject: RegExp, most = 1) =>
      pollUntil(
        'a mail arrives',
        () =>
          Promise.resolve(
            server.received.filter(
              ({ to, headers }) =>
                to.includes(address) && subject.test(headers.get('subject') ?? ''),
            ),
          ),
        ({ length }) => length >= most,
      ),
    /** Asks for a change, and waits for the mail to the new address. */
    async asked(person?: SeededAuth): Promise<AskedChange> {
      const who = person ?? (await seedTestUserAndToken());
      const email = newAddress();
      expect((await askForAddress(node.app, who.token, email)).status).toBe(202);
      const { text } = await server.mailTo(email);
      return { who, email, path: pathIn(text) };
    },
    /** Expects that a link does nothing, and that the address is the old one. */
    async expectUnchanged({ who, path }: Pick<AskedChange, 'who' | 'path'>): Promise<void> {
      const answers = [await openLink(node.app, path), await pressButton(node.app, path)];
      expect(answers.map(({ status }) => status)).toEqual([404, 404]);
      expect(await addressOf(who.userId)).toBe(who.email);
      const changes = await auditOf('STAFF_EMAIL_CHANGED', who.tenantId);
      expect(changes.filter(({ details }) => details['via'] === 'api')).toEqual([]);
    },
  };
}

export type EmailScene = Awaited<ReturnType<typeof openEmailScene>>;
