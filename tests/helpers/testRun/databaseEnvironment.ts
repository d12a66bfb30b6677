import { createTestDatabase, keepConnection, templateName } from '../database/testDatabase';
import WorkerEnvironment from './workerEnvironment';

/** For all test files of this worker. */
const runOnServer = keepConnection();

/** Gives each test file its own database, before any module of the file is loaded. */
export default class DatabaseEnvironment extends WorkerEnvironment {
  private drop: (() => Promise<void>) | undefined;

  override async setup(): Promise<void> {
    await super.setup();
    const { url, drop } = await createTestDatabase(templateName(), runOnServer);
    this.drop = drop;
    process.env['DATABASE_URL'] = url;
  }

  override async teardown(): Promise<void> {
    await super.teardown();
    await this.drop?.();
  }
}
