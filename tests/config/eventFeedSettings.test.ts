import { findEventFeedProblems, readEventFeedSettings } from '@/server/config/eventFeedSettings';

const PRODUCTION = { NODE_ENV: 'production' };
const AUDIT_EVENT_WEBHOOK = 'https://siem.example/in?key=s3cret';

describe('the feed of audit events', () => {
  it('is none unless an address is set', () => {
    expect(findEventFeedProblems(PRODUCTION)).toStrictEqual([]);
    expect(readEventFeedSettings(PRODUCTION)).toBeUndefined();
  });

  it('is OCSF from the beginning unless told otherwise, and its name does not tell the address', () => {
    const env = { ...PRODUCTION, AUDIT_EVENT_WEBHOOK };
    expect(findEventFeedProblems(env)).toStrictEqual([]);
    expect(readEventFeedSettings(env)).toStrictEqual({
      sink: expect.stringMatching(/^webhook:[0-9a-f]{32}$/) as string,
      url: AUDIT_EVENT_WEBHOOK,
      token: undefined,
      format: 'ocsf',
      start: 'beginning',
    });
    const AUDIT_EVENT_WEBHOOK_FORMAT = 'json';
    const AUDIT_EVENT_WEBHOOK_START = 'now';
    expect(
      readEventFeedSettings({ ...env, AUDIT_EVENT_WEBHOOK_FORMAT, AUDIT_EVENT_WEBHOOK_START }),
    ).toMatchObject({ format: 'json', start: 'now' });
  });

  it.each([
    [{ AUDIT_EVENT_WEBHOOK: 'http://siem.example/s3cret' }, 'AUDIT_EVENT_WEBHOOK must be an https'],
    [{ AUDIT_EVENT_WEBHOOK: 'https://u:s3cret@siem.example' }, 'AUDIT_EVENT_WEBHOOK must be an'],
    [{ AUDIT_EVENT_WEBHOOK_TOKEN: 's3cret' }, 'AUDIT_EVENT_WEBHOOK is missing:'],
    [
      { AUDIT_EVENT_WEBHOOK, AUDIT_EVENT_WEBHOOK_TOKEN: 's3cret\n' },
      'AUDIT_EVENT_WEBHOOK_TOKEN may',
    ],
    [
      { AUDIT_EVENT_WEBHOOK, AUDIT_EVENT_WEBHOOK_FORMAT: 's3cret' },
      'AUDIT_EVENT_WEBHOOK_FORMAT must',
    ],
    [
      { AUDIT_EVENT_WEBHOOK, AUDIT_EVENT_WEBHOOK_START: 's3cret' },
      'AUDIT_EVENT_WEBHOOK_START must',
    ],
  ])('set to %j refuses the start in one sentence that repeats no value', (env, sentence) => {
    const [problem, ...more] = findEventFeedProblems({ ...PRODUCTION, ...env });
    expect(problem).toContain(sentence);
    expect(problem).not.toContain('s3cret');
    expect(more).toStrictEqual([]);
  });
});
