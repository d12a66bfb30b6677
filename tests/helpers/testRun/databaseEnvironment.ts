import { createTestDatabase } from '../database/testDatabase';
import WorkerEnvironment from './workerEnvironment';

/** Gives each test file its own database, before any module of the file is loaded. */
export default class DatabaseEnvironment extends WorkerEnvironment {
  private drop: (() => Promise<void>) | undefined;

  override async setup(): Promise<void> {
    await super.setup();
    const { url, drop } = await createTestDatabase();
    this.drop = drop;
    process.env['DATABASE_URL'] = url;
  }

  override async teardown(): Promise<void> {
    await super.teardown();
    await this.drop?.();
  }
}
