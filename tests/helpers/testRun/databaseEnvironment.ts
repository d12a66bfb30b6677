import { TestEnvironment } from 'jest-environment-node';
import { keepCompiledModules } from './compileOnce';
import { createTestDatabase } from '../database/testDatabase';

keepCompiledModules();

/** Gives each test file its own database, before any module of the file is loaded. */
export default class DatabaseEnvironment extends TestEnvironment {
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
  }
}
