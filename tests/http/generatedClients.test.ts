import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { listen } from '@/tests/helpers/http/listen';
import { MAY_ALL, choosePolicy } from '@/tests/helpers/people/officer';
import { seedTraveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { bundle } from '@/tests/helpers/server/builtScript';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const { app } = buildApp();
const run = promisify(execFile);
const PUBLIC_URL = 'https://gatehouse.example.com';
const page = readFileSync(join(REPOSITORY, 'docs/api.md'), 'utf8');
const bin = (name: string) => join(REPOSITORY, 'node_modules', '.bin', name);

let url: string;
let folder: string;

/** A way to generate a client, as docs/api.md describes it. */
interface Recipe {
  /** The words after `npx`. */
  command: string[];
  /** The program that uses the client. */
  code: string;
}

/** Returns the recipe whose command has this name, for the server of this test. */
function recipeOf(name: string): Recipe {
  const recipes = /## Generate a client\n([^]*?)\n## /.exec(page)?.[1] ?? '';
  const found = new RegExp(`^npx (${name} .*)$[^]*?\`\`\`ts\\n([^]*?)\`\`\``, 'm').exec(recipes);
  const [, command = '', code = ''] = found ?? [];
  const here = (words: string) => words.replaceAll(PUBLIC_URL, url);
  return { command: here(command).split(' '), code: here(code) };
}

/** Follows a recipe in a folder of its own. */
async function follow(name: string): Promise<void> {
  const { command, code } = recipeOf(name);
  const cwd = join(folder, name);
  mkdirSync(cwd);
  const [program = '', ...words] = command;
  await run(bin(program), words, { cwd });
  writeFileSync(join(cwd, 'signIn.ts'), code);
}

const OPTIONS = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: 'es2022',
  module: 'preserve',
  lib: ['es2022', 'dom', 'dom.iterable'],
  types: [],
};

/** Compiles the folder, and returns what the compiler objects to. */
async function compile(): Promise<string> {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
  const child = spawn(bin('tsc'), ['-p', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return said;
}

/** A program that reads fields that exist, and two that do not. */
const MISTAKES = `
import type { paths } from '../openapi-typescript/gatehouse';
import type { LoginErrors, LoginResponses, VerifyStepUpData } from '../openapi-ts/gatehouse';

type Answers = paths['/api/auth/login']['post']['responses'];
declare const answers: [Answers[200]['content']['application/json'], LoginResponses[200]];
declare const errors: [Answers[428]['content']['application/json'], LoginErrors[428]];
declare const refused: [Answers[401]['content']['application/json'], LoginErrors[401]];

const tokens: string[] = answers.map((answer) => answer.accessToken);
const challenges: string[] = errors.map((error) => error.challengeId);
type Verify = paths['/api/security/step-up/verify']['post']['requestBody'];
const proof: Verify['content']['application/json'] = { purpose: errors[0].purpose, code: '123456' };
const other: VerifyStepUpData['body'] = { purpose: errors[1].purpose, code: '123456' };
// @ts-expect-error There is no such field.
answers[0].accesToken;
// @ts-expect-error There is no such field.
answers[1].accesToken;
// @ts-expect-error Only a step-up has a challenge.
refused[0].challengeId;
// @ts-expect-error Only a step-up has a challenge.
refused[1].challengeId;
`;

/** Runs the client of a recipe, which prints the token that it got. */
async function signIn(
  name: string,
  { email, password }: { email: string; password: string },
  askCode?: string,
): Promise<string> {
  const main = join(folder, name, 'main.ts');
  const words = [JSON.stringify(email), JSON.stringify(password), askCode].join(', ');
  writeFileSync(main, `import { signIn } from './signIn';\nsignIn(${words}).then(console.log);\n`);
  const built = join(folder, `${name}.js`);
  bundle(main, built, []);
  return (await run(process.execPath, [built])).stdout;
}

beforeAll(async () => {
  url = await listen(app);
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-clients-'));
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'mistakes'));
  writeFileSync(join(folder, 'mistakes', 'mistakes.ts'), MISTAKES);
  await Promise.all([follow('openapi-typescript'), follow('openapi-ts')]);
});

describe('clients that are generated as docs/api.md shows', () => {
  it('compile under --strict, and have no field that is not described', async () => {
    expect(await compile()).toBe('');
  });

  it('answer the 428 of a login with openapi-typescript', async () => {
    const member = await seedTraveller(app, { permissions: MAY_ALL, factor: true });
    await choosePolicy(app, member, { secondFactor: 'if_enrolled' });
    const code = codeAt(member.secret, new Date());
    const stdout = await signIn('openapi-typescript', member, `async () => '${code}'`);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });

  it.each(['openapi-typescript', 'openapi-ts'])('sign a person in with %s', async (name) => {
    const stdout = await signIn(name, await seedTestUserAndToken());
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  });
});
