import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { canonicalJson } from '@/server/audit';
import { LOG_FILES, TABLE_FILES } from '@/server/compliance/bundleFiles';
import { copyStatement } from '@/server/compliance/copyStore';
import { exportInput, toTimeRange } from '@/server/compliance/exportInput';
import { byteMeter, recordStream } from '@/server/compliance/recordStreams';
import { destroyWhenStalled } from '@/server/compliance/stalledClient';

async function convert(format: 'csv' | 'json', text: string, pieceBytes: number) {
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
  const records = recordStream(format);
  const meter = byteMeter();
  const out: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      out.push(chunk);
      done();
    },
  });
  await pipeline(Readable.from(pieces), records.stream, meter.stream, sink);
  return { text: Buffer.concat(out).toString(), rows: records.rows(), blocks: out, meter };
}

describe('CSV records', () => {
  const table = 'id,text\n1,plain\n2,"line\nbreak, ""quoted"""\n3,"""\n"""\n4,"\r\n"\n5,""\n6,😀\n';
  const expected =
    'id,text\r\n1,plain\r\n2,"line\nbreak, ""quoted"""\r\n3,"""\n"""\r\n4,"\r\n"\r\n5,""\r\n6,😀\r\n';

  it.each([1, 2, 3, 7, 64])(
    'end in CRLF while line breaks inside cells stay as they are (pieces of %i bytes)',
    async (pieceBytes) => {
      const result = await convert('csv', table, pieceBytes);
      expect(result.text).toBe(expected);
      expect(result.rows).toBe(6);
    },
  );

  it('are counted without their header', async () => {
    expect((await convert('csv', 'id,text\n', 4)).rows).toBe(0);
    expect((await convert('csv', '', 4)).rows).toBe(0);
  });

  it('come through whole, and in large blocks, when there are many', async () => {
    const line = '1,"a ""b"" c\nd"\n';
    const result = await convert('csv', line.repeat(100_000), 8192);
    expect(result.rows).toBe(99_999);
    expect(result.text).toBe('1,"a ""b"" c\nd"\r\n'.repeat(100_000));
    expect(result.blocks.slice(0, -1).every((block) => block.length === 262_144)).toBe(true);
    expect(result.meter.total().bytes).toBe(result.text.length);
  });
});

describe('JSON lines', () => {
  it('pass unchanged and are counted', async () => {
    const lines = '{"a":"\\n\\"x\\""}\n{"a":null}\n';
    const result = await convert('json', lines, 5);
    expect(result).toMatchObject({ text: lines, rows: 2 });
  });
});

describe('export input', () => {
  const messageFor = (from: unknown, to: unknown, format: unknown = 'csv') => {
    const parsed = exportInput.safeParse({ from, to, format });
    return parsed.success ? 'accepted' : parsed.error.issues.map(({ message }) => message).join();
  };

  it('takes UTC days, both included, and days to come', () => {
    expect(messageFor('2025-01-01', '2025-01-01')).toBe('accepted');
    expect(messageFor('2024-02-29', '2024-03-01', 'json')).toBe('accepted');
    expect(messageFor('2099-01-01', '2100-12-31')).toBe('accepted');
    expect(toTimeRange({ from: '2025-01-01', to: '2025-01-31' })).toStrictEqual({
      start: new Date('2025-01-01T00:00:00.000Z'),
      end: new Date('2025-02-01T00:00:00.000Z'),
    });
  });

  it.each([
    ['2025-02-30', '2025-03-01', 'is not a day of the calendar'],
    ['2025-13-01', '2025-13-02', 'is not a day of the calendar'],
    ['2025-02-29', '2025-03-01', 'is not a day of the calendar'],
    ['25-01-01', '2025-03-01', 'must be a day as YYYY-MM-DD'],
    ['2025-01-01T00:00:00Z', '2025-03-01', 'must be a day as YYYY-MM-DD'],
    ['2025-01-01\n', '2025-03-01', 'must be a day as YYYY-MM-DD'],
    ['1999-12-31', '2000-01-01', 'must lie in the years 2000 to 2100'],
    ['2100-01-01', '2101-01-01', 'must lie in the years 2000 to 2100'],
    ['2025-01-02', '2025-01-01', 'must not be before from'],
    ['2020-01-01', '2023-01-05', 'must be at most 1100 days'],
  ])('refuses %j to %j', (from, to, message) => {
    expect(messageFor(from, to)).toContain(message);
  });

  it('takes 1100 days and not one more', () => {
    expect(messageFor('2020-01-01', '2023-01-04')).toBe('accepted');
    expect(messageFor('2020-01-01', '2023-01-05')).not.toBe('accepted');
  });

  it.each([
    [null, '2025-01-01', 'csv'],
    [['2025-01-01'], '2025-01-01', 'csv'],
    ['2025-01-01', 1, 'csv'],
    ['2025-01-01', '2025-01-01', 'xml'],
    ['2025-01-01', '2025-01-01', null],
  ])('refuses %j, %j, %j', (from, to, format) => {
    expect(messageFor(from, to, format)).not.toBe('accepted');
  });
});

describe('export statements', () => {
  /** Names that say when or that a secret was changed. */
  const TELLS_OF_CHANGE = /secret_changed_at|secret_replaced|secretReplaced|secret_rotated/g;
  it.each(['csv', 'json'] as const)('name no secret column (%s)', (format) => {
    for (const file of [...LOG_FILES, ...TABLE_FILES]) {
      const statement = copyStatement(file, format).replaceAll(TELLS_OF_CHANGE, '');
      expect(statement).not.toMatch(/token_hash|code_hash|password|secret/);
    }
  });
});

describe('canonical JSON', () => {
  it('sorts names by code unit at every depth and writes no white space', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'é\n"' }], a: true, '😀': 1, ﬀ: 2 })).toBe(
      '{"a":true,"b":[1,{"c":"é\\n\\"","d":null}],"😀":1,"ﬀ":2}',
    );
  });
});

describe('an output that nobody reads', () => {
  it('is destroyed', async () => {
    const output = new PassThrough({ highWaterMark: 1 });
    destroyWhenStalled(output, 20);
    output.write('waiting');
    await new Promise((resolve) => output.once('close', resolve));
    expect(output.destroyed).toBe(true);
  });

  it('is kept while there is progress or nothing to take', async () => {
    jest.useFakeTimers();
    const output = new PassThrough({ highWaterMark: 1 });
    destroyWhenStalled(output, 20);
    await jest.advanceTimersByTimeAsync(1000);
    for (let round = 0; round < 10; round += 1) {
      output.write('x');
      await jest.advanceTimersByTimeAsync(15);
      output.read();
      await jest.advanceTimersByTimeAsync(15);
    }
    expect(output.destroyed).toBe(false);
    output.destroy();
    jest.useRealTimers();
  });
});
