import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Credential } from '#src/credentials/credentials.ts';
import { azure } from '#src/credentials/providers/azure.ts';
import { dockerConfig } from '#src/credentials/providers/docker-config-credentials.ts';
import { ecr } from '#src/credentials/providers/ecr.ts';
import { ecrPublic } from '#src/credentials/providers/ecr-public.ts';
import { exec } from '#src/credentials/providers/exec.ts';
import { file } from '#src/credentials/providers/file.ts';
import { gcp } from '#src/credentials/providers/gcp.ts';
import { providers } from '#src/credentials/providers/index.ts';
import type { ChosenProvider } from '#src/credentials/providers/provider.ts';
import { RefreshingCredentials } from '#src/credentials/refreshing-credentials.ts';
import {
  credentialProviderContract,
  type ProviderUnderTest,
} from '#test/contract/credential-provider.contract.ts';
import { FakeCloud } from '#test/fakes/fake-clouds.ts';
import { providerSettings } from '#test/fakes/provider-settings.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { ScriptedSource } from '#test/fakes/scripted-source.ts';
import { json } from '#test/fakes/upstream-answers.ts';

const basic =
  (username: string) =>
  (password: string): Credential => ({ kind: 'basic', username, password });
const base64 = (text: string) => Buffer.from(text).toString('base64');
const later = () => Date.now() / 1000 + 12 * 3600;

// The AWS SDK reads its settings from the environment of the process.
before(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIAIOSFODNN7EXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 's3cret-in-tests-1';
  process.env['AWS_MAX_ATTEMPTS'] = '1';
});

interface CloudCase {
  readonly chosen: ChosenProvider;
  /** The variable that points at the imitation, and what of it. */
  readonly env: (cloud: FakeCloud) => NodeJS.ProcessEnv;
  readonly answer: (secret: string) => unknown;
  readonly expected: (secret: string) => Credential;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A provider that asks an API, which is imitated as it is documented. */
async function cloudProvider({
  chosen,
  env,
  answer,
  expected,
  headers,
}: CloudCase): Promise<ProviderUnderTest> {
  const cloud = await FakeCloud.start();
  const variables = env(cloud);
  Object.assign(process.env, variables);
  const settings = providerSettings({ host: cloud.host, origin: cloud.origin, env: variables });
  const provider = chosen.open(settings);
  return {
    provider,
    clock: settings.clock,
    log: settings.log,
    async give(secret) {
      cloud.answer = () => json(answer(secret), 200, headers);
    },
    async fail(secret) {
      const error = {
        __type: 'AccessDeniedException',
        message: secret,
        error: secret,
        error_description: secret,
      };
      cloud.answer = () => json(error, 400, headers);
    },
    expected,
    async [Symbol.asyncDispose]() {
      await provider[Symbol.asyncDispose]?.();
      await cloud[Symbol.asyncDispose]();
    },
  };
}

/** A provider that reads files of a directory. */
async function fileProvider(
  chosen: (directory: string) => ChosenProvider,
  files: (secret: string) => Readonly<Record<string, string>>,
  expected: (secret: string) => Credential,
  broken: (secret: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<ProviderUnderTest> {
  const directory = await temporaryDirectory();
  const settings = providerSettings({ env: { PATH: `${directory.path}:/usr/bin:/bin` } });
  const provider = chosen(directory.path).open(settings);
  const put = async (texts: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(texts)) {
      await writeFile(join(directory.path, name), text);
      await chmod(join(directory.path, name), 0o700);
    }
  };
  return {
    provider,
    clock: settings.clock,
    log: settings.log,
    async give(secret) {
      await put(files(secret));
    },
    async fail(secret) {
      for (const name of Object.keys(files(secret))) await rm(join(directory.path, name), { force: true });
      await put(broken(secret));
    },
    expected,
    async [Symbol.asyncDispose]() {
      await provider[Symbol.asyncDispose]?.();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function helperScript(output: string, status = 0): string {
  return `#!/bin/sh\nread server\necho '${output}'\necho '${output}' >&2\nexit ${status}\n`;
}

const helperAnswer = (secret: string) =>
  helperScript(JSON.stringify({ ServerURL: '', Username: 'u', Secret: secret }));

credentialProviderContract('RefreshingCredentials', async () => {
  const settings = providerSettings();
  const source = new ScriptedSource();
  const provider = new RefreshingCredentials({ ...settings, source });
  const expected = basic('u');
  return {
    provider,
    clock: settings.clock,
    log: settings.log,
    async give(secret) {
      source.script = () => ({ credential: expected(secret) });
    },
    async fail(secret) {
      source.script = () => {
        throw new Error(secret);
      };
    },
    expected,
    [Symbol.asyncDispose]: async () => await provider[Symbol.asyncDispose](),
  };
});

/** How each provider of the list is tried. */
const cases: Readonly<Record<string, Readonly<Record<string, () => Promise<ProviderUnderTest>>>>> = {
  ecr: {
    'by a region': async () =>
      cloudProvider({
        chosen: ecr.choose({ region: 'eu-west-1' }),
        env: ({ origin }) => ({ AWS_ENDPOINT_URL_ECR: origin }),
        answer: (secret) => ({
          authorizationData: [
            { authorizationToken: base64(`AWS:${secret}`), expiresAt: later(), proxyEndpoint: '' },
          ],
        }),
        expected: (secret) => ({ kind: 'static', authorization: `Basic ${base64(`AWS:${secret}`)}` }),
      }),
  },
  'ecr-public': {
    'by the environment': async () =>
      cloudProvider({
        chosen: ecrPublic.choose({}),
        env: ({ origin }) => ({ AWS_ENDPOINT_URL_ECR_PUBLIC: origin }),
        answer: (secret) => ({
          authorizationData: { authorizationToken: base64(`AWS:${secret}`), expiresAt: later() },
        }),
        expected: basic('AWS'),
      }),
  },
  gcp: {
    'by the metadata server': async () =>
      cloudProvider({
        chosen: gcp.choose({}),
        env: ({ host }) => ({ GCE_METADATA_HOST: host, HOME: '/nonexistent' }),
        answer: (secret) => ({ access_token: secret, expires_in: 3599, token_type: 'Bearer' }),
        headers: { 'Metadata-Flavor': 'Google' },
        expected: basic('oauth2accesstoken'),
      }),
  },
  azure: {
    'by a managed identity': async () =>
      cloudProvider({
        chosen: azure.choose({}),
        env: ({ origin }) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: origin }),
        answer: (secret) => ({ access_token: 's3cret-in-tests-entra', refresh_token: secret }),
        expected: (token) => ({ kind: 'refresh', token }),
      }),
  },
  exec: {
    'by a program': async () =>
      fileProvider(
        () => exec.choose({ command: 'helper' }),
        (secret) => ({ helper: helperAnswer(secret) }),
        basic('u'),
        (secret) => ({ helper: helperScript(secret, 1) }),
      ),
  },
  dockerConfig: {
    'by an entry': async () =>
      fileProvider(
        (path) => dockerConfig.choose({ path }),
        (secret) => ({
          'config.json': JSON.stringify({
            auths: { 'registry.example.com': { auth: base64(`u:${secret}`) } },
          }),
        }),
        basic('u'),
        (secret) => ({ 'config.json': `{"auths": ${secret}` }),
      ),
    'by a helper': async () =>
      fileProvider(
        (path) => dockerConfig.choose({ path }),
        (secret) => ({ 'config.json': '{"credsStore":"x"}', 'docker-credential-x': helperAnswer(secret) }),
        basic('u'),
        (secret) => ({ 'config.json': '{"credsStore":"x"}', 'docker-credential-x': helperScript(secret, 1) }),
      ),
  },
  file: {
    'by a password': async () =>
      fileProvider(
        (directory) => file.choose({ path: join(directory, 'password'), user: 'u' }),
        (secret) => ({ password: `${secret}\n` }),
        basic('u'),
      ),
    'with a header': async () =>
      fileProvider(
        (directory) => file.choose({ path: join(directory, 'header') }),
        (secret) => ({ header: `Bearer ${secret}\n` }),
        (secret) => ({ kind: 'static', authorization: `Bearer ${secret}` }),
        (secret) => ({ header: `${secret}\n${secret}` }),
      ),
  },
};

describe('the list of providers', () => {
  it('holds those alone that keep the contract of a source of credentials', () => {
    const tried = Object.keys(cases).filter((name) => Object.keys(cases[name] ?? {}).length > 0);
    assert.deepEqual(providers.map(({ name }) => name).toSorted(), tried.toSorted());
  });
});

for (const { name } of providers) {
  for (const [how, open] of Object.entries(cases[name] ?? {})) {
    credentialProviderContract(`${name}, ${how}`, open);
  }
}
