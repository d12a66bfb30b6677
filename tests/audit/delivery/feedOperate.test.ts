import { ask } from '@/tests/helpers/database/askDatabase';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { seal, thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import {
  assemble,
  idsOf,
  openFeed,
  sealEvents,
  toBatch,
  untilFed,
  untilResting,
  writeEvents,
} from '@/tests/helpers/evidence/openFeed';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';

describe('an operator', () => {
  it('sees how far the receiver is, checks what it has, and has events sent again, which is audited', async () => {
    await seal();
    const receiver = await startReceiver();
    const env = { ...externalEnv(thisDatabase()), AUDIT_EVENT_WEBHOOK: receiver.url };
    const feed = await openFeed(receiver.url);
    const [tenant = ''] = await sealEvents([5]);
    await untilFed(feed.sink);
    const [batch] = receiver.accepted.map(toBatch).filter(({ log }) => log === tenant);
    receiver.answer({ status: 500 });
    await writeEvents(tenant, 2);
    await seal();
    await untilResting(feed.sink);
    const run = async (...words: string[]) => {
      const { code, stdout, stderr } = await operate(env, ['feed', ...words]);
      return { code, stderr, printed: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) };
    };
    const [status, sound, unsound, none] = await Promise.all([
      run('status', '--log', `gatehouse/${tenant}`),
      run('status', '--log', tenant, '--leaf', '4', '--hash', batch?.hash ?? ''),
      run('status', '--log', tenant, '--leaf', '3', '--hash', batch?.hash ?? ''),
      run('rewind', '--log', tenant, '--to', '8'),
    ]);
    expect(status).toMatchObject({
      code: 0,
      printed: {
        receiver: { lastError: 'HTTP 500' },
        behind: 2,
        logs: [
          {
            log: tenant,
            deliveredUpTo: 4,
            deliveredHash: batch?.hash,
            size: 7,
            behind: 2,
            oldestUndeliveredSec: expect.any(Number) as number,
          },
        ],
      },
    });
    expect(sound).toMatchObject({ code: 0, printed: { ok: true } });
    expect(unsound).toMatchObject({ code: 1, printed: { ok: false } });
    expect(none).toStrictEqual({
      code: 1,
      printed: undefined,
      stderr: `The feed has no log '${tenant}' with a checkpoint of at least 8 leaves.\n`,
    });
    receiver.accept();
    const again = await run('rewind', '--log', tenant, '--to', '1');
    expect(again.printed).toMatchObject({ log: tenant, to: 1 });
    await untilFed(feed.sink);
    expect(assemble(receiver.accepted, tenant)).toStrictEqual(await idsOf(tenant));
    const sent = receiver.accepted.map(toBatch).filter(({ log }) => log === tenant);
    expect(sent.at(-1)).toMatchObject({ first: 1, last: 6 });
    const audited = await ask(
      thisDatabase(),
      `SELECT subject, actor, details - 'from' AS details FROM audit_logs WHERE action = 'EVENT_FEED_MOVED'`,
    );
    expect(audited).toStrictEqual([
      {
        subject: `log:${tenant}`,
        actor: expect.stringMatching(/^operator:[^@\s]+@[^@\s]+$/),
        details: { logId: tenant, to: 1, via: 'operator' },
      },
    ]);
    await feed.close();
  });

  it('is told where there is no feed', async () => {
    const { code, stderr } = await operate(externalEnv(thisDatabase()), ['feed', 'status']);
    expect({ code, stderr }).toStrictEqual({
      code: 1,
      stderr: 'AUDIT_EVENT_WEBHOOK is not set: there is no feed.\n',
    });
  });
});
