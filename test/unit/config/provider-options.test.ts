import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chosenProvider } from '#src/config/provider-options.ts';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

async function tokenOf(token: string) {
  const { config } = await loadText(`registries: [{ name: a.io, auth: { token: ${token} } }]`);
  return config.registries[0]?.auth.token;
}

async function choiceOf(text: string) {
  const token = await tokenOf(text);
  assert.ok(token !== undefined && token.provider !== '');
  const { name, options } = chosenProvider(token.provider, token.providerOpts);
  return { name, options };
}

async function problemOf(token: string): Promise<string> {
  const problems = await problemsOf(`registries: [{ name: a.io, auth: { token: ${token} } }]`);
  assert.equal(problems.length, 1, problems.join('\n'));
  return (problems[0] ?? '').replace('registries[0].auth.token.', '');
}

describe('a provider of tokens', () => {
  it('is named in any case, as in the original', async () => {
    assert.equal((await tokenOf('{ provider: ECR }'))?.provider, 'ecr');
    assert.equal((await tokenOf('{ provider: dockerconfig }'))?.provider, 'dockerConfig');
  });

  it('that is unknown is a mistake that lists those that are', async () => {
    assert.equal(
      await problemOf('{ provider: aws }'),
      'config.yaml:1:55: provider: must be ecr, ecr-public, gcp, azure, exec, dockerConfig or file, not "aws"',
    );
  });

  it('takes the original’s text, whose keys may be in any case and whose values stay as they are', async () => {
    assert.deepEqual(
      await choiceOf('{ provider: ecr, providerOpts: " Profile=Prod , region=eu-west-1,rolearn=a=b" }'),
      {
        name: 'ecr',
        options: { profile: 'Prod', region: 'eu-west-1', roleArn: 'a=b' },
      },
    );
  });

  it('takes a mapping', async () => {
    const exec = '{ provider: exec, providerOpts: { command: [docker-credential-x, get], lifetime: 30m } }';
    assert.deepEqual(await choiceOf(exec), {
      name: 'exec',
      options: { command: ['docker-credential-x', 'get'], lifetime: 1_800_000 },
    });
  });

  it('takes nothing', async () => {
    assert.deepEqual(await choiceOf('{ provider: gcp }'), { name: 'gcp', options: {} });
  });

  it('with an unknown option is a mistake that lists those that there are', async () => {
    const options = 'ecr, which has profile, roleArn, region; did you mean "region"?';
    assert.equal(
      await problemOf('{ provider: ecr, providerOpts: "regoin=x" }'),
      `config.yaml:1:74: providerOpts.regoin: unknown option "regoin" of ${options}`,
    );
    assert.equal(
      await problemOf('{ provider: ecr, providerOpts: { regoin: x } }'),
      `config.yaml:1:84: providerOpts.regoin: unknown option "regoin" of ${options}`,
    );
  });

  it('with an option that is missing or of the wrong kind is one', async () => {
    assert.match(await problemOf('{ provider: file }'), /^config.yaml:1:\d+: providerOpts.path: is required/);
    assert.match(await problemOf('{ provider: exec }'), /providerOpts.command: .*is required: a program/);
    assert.match(
      await problemOf('{ provider: exec, providerOpts: { command: x, lifetime: soon } }'),
      /providerOpts.lifetime: must be a duration/,
    );
    assert.match(
      await problemOf('{ provider: gcp, providerOpts: { keyFile: 7 } }'),
      /providerOpts.keyFile: must be text/,
    );
  });

  it('with options that are neither is one that quotes nothing of them', async () => {
    assert.equal(
      await problemOf('{ provider: ecr, providerOpts: s3cret-in-tests-hunter2 }'),
      'config.yaml:1:74: providerOpts: must be text key=value,… or a mapping',
    );
    assert.match(
      await problemOf('{ provider: ecr, providerOpts: [] }'),
      /providerOpts: must be text key=value,…/,
    );
  });

  it('is asked not more often than each second, and twice a day by default', async () => {
    assert.match(await problemOf('{ provider: ecr, expiry: 0 }'), /expiry: must be 1s or more/);
    assert.equal((await tokenOf('{ provider: ecr }'))?.expiry, 43_200_000);
    assert.equal((await tokenOf('{ provider: ecr, expiry: 1h30m }'))?.expiry, 5_400_000);
  });
});
