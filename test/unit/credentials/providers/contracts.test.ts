import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before } from 'node:test';
import type { Credential } from '#src/credentials/credentials.ts';
import { credentialProvider, type ProviderChoice } from '#src/credentials/providers/index.ts';
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
  readonly choice: ProviderChoice;
  /** The variable that points at the imitation, and what of it. */
  readonly env: (cloud: FakeCloud) => NodeJS.ProcessEnv;
  readonly answer: (secret: string) => unknown;
  readonly expected: (secret: string) => Credential;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A provider that asks an API, which is imitated as it is documented. */
async function cloudProvider({
  choice,
  env,
  answer,
  expected,
  headers,
}: CloudCase): Promise<ProviderUnderTest> {
  const cloud = await FakeCloud.start();
  const variables = env(cloud);
  Object.assign(process.env, variables);
  const settings = providerSettings({ host: cloud.host, origin: cloud.origin, env: variables });
  const provider = credentialProvider(choice, settings);
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
  choice: (directory: string) => ProviderChoice,
  files: (secret: string) => Readonly<Record<string, string>>,
  expected: (secret: string) => Credential,
  broken: (secret: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<ProviderUnderTest> {
  const directory = await temporaryDirectory();
  const settings = providerSettings({ env: { PATH: `${directory.path}:/usr/bin:/bin` } });
  const provider = credentialProvider(choice(directory.path), settings);
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

credentialProviderContract('ecr', async () =>
  cloudProvider({
    choice: { provider: 'ecr', options: { region: 'eu-west-1' } },
    env: ({ origin }) => ({ AWS_ENDPOINT_URL_ECR: origin }),
    answer: (secret) => ({
      authorizationData: [
        { authorizationToken: base64(`AWS:${secret}`), expiresAt: later(), proxyEndpoint: '' },
      ],
    }),
    expected: (secret) => ({ kind: 'static', authorization: `Basic ${base64(`AWS:${secret}`)}` }),
  }),
);

credentialProviderContract('ecr-public', async () =>
  cloudProvider({
    choice: { provider: 'ecr-public', options: {} },
    env: ({ origin }) => ({ AWS_ENDPOINT_URL_ECR_PUBLIC: origin }),
    answer: (secret) => ({
      authorizationData: { authorizationToken: base64(`AWS:${secret}`), expiresAt: later() },
    }),
    expected: basic('AWS'),
  }),
);

credentialProviderContract('gcp, by the metadata server', async () =>
  cloudProvider({
    choice: { provider: 'gcp', options: {} },
    env: ({ host }) => ({ GCE_METADATA_HOST: host, HOME: '/nonexistent' }),
    answer: (secret) => ({ access_token: secret, expires_in: 3599, token_type: 'Bearer' }),
    headers: { 'Metadata-Flavor': 'Google' },
    expected: basic('oauth2accesstoken'),
  }),
);

credentialProviderContract('azure, by a managed identity', async () =>
  cloudProvider({
    choice: { provider: 'azure', options: {} },
    env: ({ origin }) => ({ AZURE_POD_IDENTITY_AUTHORITY_HOST: origin }),
    answer: (secret) => ({ access_token: 's3cret-in-tests-entra', refresh_token: secret }),
    expected: (token) => ({ kind: 'refresh', token }),
  }),
);

credentialProviderContract('exec', async () =>
  fileProvider(
    () => ({ provider: 'exec', options: { command: 'helper' } }),
    (secret) => ({ helper: helperAnswer(secret) }),
    basic('u'),
    (secret) => ({ helper: helperScript(secret, 1) }),
  ),
);

credentialProviderContract('dockerConfig', async () =>
  fileProvider(
    (path) => ({ provider: 'dockerConfig', options: { path } }),
    (secret) => ({
      'config.json': JSON.stringify({ auths: { 'registry.example.com': { auth: base64(`u:${secret}`) } } }),
    }),
    basic('u'),
    (secret) => ({ 'config.json': `{"auths": ${secret}` }),
  ),
);

credentialProviderContract('dockerConfig, by a helper', async () =>
  fileProvider(
    (path) => ({ provider: 'dockerConfig', options: { path } }),
    (secret) => ({ 'config.json': '{"credsStore":"x"}', 'docker-credential-x': helperAnswer(secret) }),
    basic('u'),
    (secret) => ({ 'config.json': '{"credsStore":"x"}', 'docker-credential-x': helperScript(secret, 1) }),
  ),
);

credentialProviderContract('file', async () =>
  fileProvider(
    (directory) => ({ provider: 'file', options: { path: join(directory, 'password'), user: 'u' } }),
    (secret) => ({ password: `${secret}\n` }),
    basic('u'),
  ),
);

credentialProviderContract('file, with a header', async () =>
  fileProvider(
    (directory) => ({ provider: 'file', options: { path: join(directory, 'header') } }),
    (secret) => ({ header: `Bearer ${secret}\n` }),
    (secret) => ({ kind: 'static', authorization: `Bearer ${secret}` }),
    (secret) => ({ header: `${secret}\n${secret}` }),
  ),
);
