import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { doctor } from '#src/cli/doctor.ts';
import { runProgram } from '#src/cli/program.ts';
import type { Report } from '#src/doctor/report.ts';
import { FakeUpstream, type FakeUpstreamOptions } from './fake-upstream.ts';
import { putImage } from './images.ts';
import { temporaryDirectory } from './running-app.ts';
import { assertSecretless } from './secrets.ts';
import type { Fault } from './upstream-answers.ts';

type Config = Readonly<Record<string, unknown>>;

/** What the command said, by {@link diagnose}. */
export interface Diagnosis {
  readonly code: number;
  readonly text: string;
  readonly reports: readonly Report[];
  readonly stderr: string;
}

/** What the command says with this configuration, in both forms, neither of which may hold a secret. */
export async function diagnose(config: Config, ...names: readonly string[]): Promise<Diagnosis> {
  return await diagnoseWith({}, config, ...names);
}

/** The same with these variables in the environment. */
export async function diagnoseWith(
  env: NodeJS.ProcessEnv,
  config: Config,
  ...names: readonly string[]
): Promise<Diagnosis> {
  const text = await runDoctor(config, ['doctor', ...names], env);
  const json = await runDoctor(config, ['doctor', '--output', 'json', ...names], env);
  assert.equal(text.code, json.code);
  assertSecretless(`${text.stdout}${text.stderr}${json.stdout}`, 'what the doctor says');
  assert.notEqual(json.stdout, '', json.stderr);
  const { ok, reports } = JSON.parse(json.stdout) as { ok: boolean; reports: Report[] };
  assert.equal(ok, json.code === 0);
  return { code: text.code, text: text.stdout, reports, stderr: text.stderr };
}

/** The command as the program has it, with this configuration. */
export async function runDoctor(config: Config, line: readonly string[], env: NodeJS.ProcessEnv = {}) {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, JSON.stringify(config));
  const version = { version: '1.2.3', buildDate: 'today' };
  let stdout = '';
  let stderr = '';
  const out = { write: (output: string) => (stdout += output) };
  const code = await runProgram(['--config-file', file, ...line], {
    stdout: out,
    stderr: { write: (output) => (stderr += output) },
    env,
    version,
    hearSignals: () => assert.fail('nothing is started'),
    serve: async () => assert.fail('nothing is served'),
    prune: async () => assert.fail('nothing is removed'),
    announce: () => assert.fail('nothing is started'),
    preflight: async () => assert.fail('nothing is started'),
    explainAccess: async () => assert.fail('nothing is explained'),
    load: async () => assert.fail('nothing is loaded'),
    list: async () => assert.fail('nothing is listed'),
    wanted: async () => assert.fail('nothing is listed'),
    htpasswd: async () => assert.fail('nobody is added'),
    pin: async () => assert.fail('nothing is pinned'),
    refresh: async () => assert.fail('nothing is asked for'),
    verify: async () => assert.fail('nothing is verified'),
    export: async () => assert.fail('nothing is exported'),
    import: async () => assert.fail('nothing is imported'),
    doctor: async (loaded, order) =>
      await doctor(loaded, order, { version: version.version, env, stdout: out }),
  });
  return { code, stdout, stderr };
}

/** A registry with the image `library/alpine:v1`. */
export async function startUpstream(
  options: FakeUpstreamOptions = {},
  ...faults: Fault[]
): Promise<FakeUpstream> {
  const upstream = await FakeUpstream.start(options);
  putImage(upstream.content, upstream.repository('library/alpine'), 'v1', []);
  upstream.faults.push(...faults);
  return upstream;
}

export const alpine = ({ host }: FakeUpstream): string => `${host}/library/alpine:v1`;
export const plain = ({ host }: FakeUpstream, auth: unknown = {}) => ({
  registries: [{ name: host, scheme: 'http', auth }],
});
/** `credential ok, address needless, …` up to the first that did not succeed, of one of its blocks. */
export function outcomeOf({ reports }: Diagnosis, block = 0): string[] {
  const report = reports[block];
  const steps = report?.steps.filter(({ status }) => status !== 'skipped') ?? [];
  return steps.map(({ name, status }) => `${name} ${status}`);
}

export function lastStep({ reports }: Diagnosis, block = 0): { detail: string; advice: string } {
  const { detail = '', advice = '' } =
    reports[block]?.steps.findLast(({ status }) => status !== 'skipped') ?? {};
  return { detail, advice };
}

/** How {@link outcomeOf} begins where the registry, by its address, is connected to. */
export const reached = ['credential ok', 'address needless', 'connection ok'];
