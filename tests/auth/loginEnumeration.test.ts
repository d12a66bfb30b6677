import { randomUUID } from 'node:crypto';
import type * as Argon2 from 'argon2';
import { verify } from 'argon2';
import { eq } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { fromAddress, login } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  liveSessionsOf,
  setStaffStatus,
  setTenantStatus,
  setUserStatus,
} from '@/tests/helpers/database/authRows';
import { seedPasswordless } from '@/tests/helpers/people/passwordless';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

jest.mock('argon2', () => {
  const actual = jest.requireActual<typeof Argon2>('argon2');
  return { ...actual, verify: jest.fn(actual.verify) };
});

const verifications = jest.mocked(verify);
const RIGHT = 'a long enough password';

interface Attempt {
  email: string;
  password: string;
  tenant?: string;
}

/** Ways in which a login fails without revealing the reason, and whether the password was right. */
const FAILURES: [string, () => Promise<Attempt>][] = [
  ['a wrong password', async () => ({ ...(await newMember()), password: 'not that password' })],
  ['a person without a password', () => seedPasswordless()],
  [
    'a disabled user with the right password',
    async () => {
      const member = await newMember();
      await setUserStatus(member.userId, 'disabled');
      return member;
    },
  ],
  [
    'a disabled staff member with the right password',
    async () => {
      const member = await newMember();
      await setStaffStatus(member.staffId, 'disabled');
      return member;
    },
  ],
  ...(['suspended', 'deleted'] as const).map((status): [string, () => Promise<Attempt>] => [
    `the right password of a ${status} tenant`,
    async () => {
      const member = await newMember();
      await setTenantStatus(member.tenantId, status);
      return member;
    },
  ]),
  [
    'the right password of a locked account',
    async () => {
      const member = await newMember();
      for (let failure = 0; failure < 10; failure += 1) {
        await login(app, { ...member, password: 'not that password' });
      }
      return member;
    },
  ],
  [
    "the right password with another tenant's slug",
    async () => ({ ...(await newMember()), tenant: (await seedTestUserAndToken()).tenantSlug }),
  ],
  [
    "the right password with another tenant's id",
    async () => ({ ...(await newMember()), tenant: (await seedTestUserAndToken()).tenantId }),
  ],
  [
    'the right password with a tenant that does not exist',
    async () => ({ ...(await newMember()), tenant: 'no-such-tenant' }),
  ],
  [
    'somebody who is staff nowhere',
    async () => {
      const member = await newMember();
      const other = await seedTestUserAndToken();
      await db
        .update(users)
        .set({ email: `x${other.email}` })
        .where(eq(users.id, other.userId));
      const passwordHash = await hashOf(member.userId);
      await db.insert(users).values({ email: other.email, passwordHash });
      return { email: other.email, password: RIGHT };
    },
  ],
];

const newMember = () => seedTestUserAndToken({ password: RIGHT });

async function hashOf(userId: string): Promise<string> {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  return row?.passwordHash ?? '';
}

const costOf = (storedHash: string) => storedHash.split('$').slice(1, 4).join('$');

/** One try from an address of its own, with the argon2 work that it caused. */
async function observe({ email, password, tenant }: Attempt) {
  verifications.mockClear();
  const res = await login(
    app,
    { email, password, ...(tenant === undefined ? {} : { tenant }) },
    fromAddress('192.0.2.1'),
  );
  return {
    answer: visibleAnswer(res),
    work: verifications.mock.calls.map(([hash]) => costOf(hash)),
  };
}

/**
 * Uses a new unknown address each time, because failures of an earlier test count for its address.
 */
const observeUnknown = () =>
  observe({ email: `nobody-${randomUUID()}@example.com`, password: RIGHT });

describe('a login that fails', () => {
  it('answers an unknown e-mail with the pinned 401 after one verification', async () => {
    const { answer, work } = await observeUnknown();
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.text)).toStrictEqual({ error: 'INVALID_CREDENTIALS' });
    expect(work).toStrictEqual(['argon2id$v=19$m=1024,t=1,p=1']);
  });

  it.each(FAILURES)(
    'looks just like an unknown e-mail, in answer and work: %s',
    async (_what, arrange) => {
      const attempt = await arrange();
      const unknown = await observeUnknown();
      expect(await observe(attempt)).toStrictEqual(unknown);
    },
  );

  it.each(FAILURES)('leaves one event and no session: %s', async (_what, arrange) => {
    const attempt = await arrange();
    const before = (await auditOf('AUTH_LOGIN_FAILED')).length;
    const succeeded = (await auditOf('AUTH_LOGIN_SUCCEEDED')).length;
    await observe(attempt);
    expect(await auditOf('AUTH_LOGIN_FAILED')).toHaveLength(before + 1);
    expect(await auditOf('AUTH_LOGIN_SUCCEEDED')).toHaveLength(succeeded);
  });

  it('is written into the log of no tenant whose name was merely typed', async () => {
    const member = await newMember();
    const other = await seedTestUserAndToken();
    await observe({ ...member, tenant: other.tenantSlug });
    expect(await auditOf('AUTH_LOGIN_FAILED', other.tenantId)).toHaveLength(0);
  });

  it('says the same to somebody with several tenants', async () => {
    const member = await newMember();
    const { tenantId } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    const unknown = await observeUnknown();
    expect(await observe({ ...member, password: 'not that password' })).toStrictEqual(unknown);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(1);
  });
});
