import { join } from 'node:path';

/** The module that a program in another process loads before its own code. */
export const keepingModule = () => join(process.env['GATEHOUSE_TEST_DIR'] ?? '', 'keepCode.cjs');

/** Returns the arguments of Node with which a program uses the code that an earlier process compiled. */
export const withKeptCode = () => ['--require', keepingModule()];

/** Returns the settings with which a program and all programs that it starts do the same. */
export const allWithKeptCode = () => ({ NODE_OPTIONS: `--require "${keepingModule()}"` });
