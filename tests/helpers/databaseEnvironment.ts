import { TestEnvironment } from 'jest-environment-node';
import { createTestDatabase } from './testDatabase';
import { appendFileSync, readFileSync } from 'node:fs';
const cpu = () => { const f = readFileSync('/proc/self/stat','utf8').replace(/^.*\) /,'').split(' ').map(Number); return [(f[11]!+f[12]!)/100, (f[13]!+f[14]!)/100] as const; };

/** Gives each test file a database of its own, before any module of the file is loaded. */
export default class DatabaseEnvironment extends TestEnvironment {
  private readonly from = cpu();
  private readonly began = performance.now();
  private readonly path: string;
  constructor(config: ConstructorParameters<typeof TestEnvironment>[0], context: ConstructorParameters<typeof TestEnvironment>[1]) {
    super(config, context);
    this.path = context.testPath;
  }
  private drop: (() => Promise<void>) | undefined;

  override async setup(): Promise<void> {
    await super.setup();
    const { url, drop } = await createTestDatabase();
    this.drop = drop;
    this.global.process.env['DATABASE_URL'] = url;
  }

  override async teardown(): Promise<void> {
    await super.teardown();
    await this.drop?.();
    const [a,b] = cpu();
    appendFileSync('/tmp/cpu.tsv', [this.path.replace(/^.*\/tests\//,''), (a-this.from[0]).toFixed(2), (b-this.from[1]).toFixed(2), ((performance.now()-this.began)/1000).toFixed(1)].join('\t')+'\n');
  }
}
